// SPDX-License-Identifier: Apache-2.0

internal import CZlib

/// Packs one gzip member piece by piece. Belongs to one caller; not for two threads.
package final class GzipWriter {
    private let stream: UnsafeMutablePointer<z_stream>

    /// Level 1 is fastest, 9 is smallest.
    package init(level: Int32 = 6) throws {
        stream = .allocate(capacity: 1)
        stream.initialize(to: z_stream())
        guard meshgate_gzip_writer_init(stream, level) == Z_OK else { throw SystemError.gzip(.outOfMemory) }
    }

    deinit {
        deflateEnd(stream)
        stream.deallocate()
    }

    /// The packed bytes that are ready so far; may be none.
    package func feed(_ piece: [UInt8]) throws -> [UInt8] { try run(piece, Z_NO_FLUSH) }

    /// The rest of the member. Nothing may be fed afterwards.
    package func finish() throws -> [UInt8] { try run([], Z_FINISH) }

    private func run(_ piece: [UInt8], _ flush: Int32) throws -> [UInt8] {
        var output: [UInt8] = []
        var input = piece
        try input.withUnsafeMutableBufferPointer { source in
            stream.pointee.next_in = source.baseAddress
            stream.pointee.avail_in = UInt32(source.count)
            var room = [UInt8](repeating: 0, count: 1 << 15)
            var count = room.count
            while count == room.count {
                count = try room.withUnsafeMutableBufferPointer { target in
                    stream.pointee.next_out = target.baseAddress
                    stream.pointee.avail_out = UInt32(target.count)
                    let code = deflate(stream, flush)
                    guard code == Z_OK || code == Z_STREAM_END || code == Z_BUF_ERROR else { throw SystemError.gzip(.outOfMemory) }
                    return target.count - Int(stream.pointee.avail_out)
                }
                output += room[..<count]
            }
        }
        return output
    }
}
