// SPDX-License-Identifier: Apache-2.0

internal import CZlib

/// Unpacks one gzip member piece by piece, within limits. Belongs to one caller; not for two threads.
package final class GzipReader {
    private let stream: UnsafeMutablePointer<z_stream>
    private let limits: Gzip.Limits
    private var taken = 0
    private var given = 0
    private var ended = false

    package init(limits: Gzip.Limits) throws {
        // zlib keeps a pointer back to its stream, so the stream must not move.
        stream = .allocate(capacity: 1)
        stream.initialize(to: z_stream())
        self.limits = limits
        guard meshgate_gzip_reader_init(stream) == Z_OK else { throw SystemError.gzip(.outOfMemory) }
    }

    deinit {
        inflateEnd(stream)
        stream.deallocate()
    }

    /// The bytes that this piece unpacks to; may be none. After an error the reader is of no further use.
    package func feed(_ piece: [UInt8]) throws -> [UInt8] {
        var output: [UInt8] = []
        var input = piece
        try input.withUnsafeMutableBufferPointer { source in
            stream.pointee.next_in = source.baseAddress
            stream.pointee.avail_in = UInt32(source.count)
            var room = [UInt8](repeating: 0, count: 1 << 15)
            var full = true
            while !ended, stream.pointee.avail_in > 0 || full {
                let before = stream.pointee.avail_in
                let count = try step(into: &room)
                taken += Int(before - stream.pointee.avail_in)
                given += count
                try judge()
                output += room[..<count]
                full = count == room.count
            }
            guard stream.pointee.avail_in == 0 else { throw SystemError.gzip(.trailingBytes(Int(stream.pointee.avail_in))) }
        }
        return output
    }

    /// Refuses a member that has not ended.
    package func finish() throws {
        guard ended else { throw SystemError.gzip(.truncated) }
    }

    private func step(into room: inout [UInt8]) throws -> Int {
        try room.withUnsafeMutableBufferPointer { target in
            stream.pointee.next_out = target.baseAddress
            stream.pointee.avail_out = UInt32(target.count)
            switch inflate(stream, Z_NO_FLUSH) {
            case Z_OK: break
            case Z_BUF_ERROR: break  // Nothing more to do without more input.
            case Z_STREAM_END: ended = true
            case Z_MEM_ERROR: throw SystemError.gzip(.outOfMemory)
            default: throw SystemError.gzip(.damaged(stream.pointee.msg.map { String(cString: $0) } ?? "not gzip"))
            }
            return target.count - Int(stream.pointee.avail_out)
        }
    }

    private func judge() throws {
        if given > limits.outputBytes { throw SystemError.gzip(.tooLarge(limit: limits.outputBytes)) }
        if given > 1 << 16, given / max(taken, 1) >= limits.ratio { throw SystemError.gzip(.ratioTooHigh(limit: limits.ratio)) }
    }
}
