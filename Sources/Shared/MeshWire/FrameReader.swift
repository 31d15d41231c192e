// SPDX-License-Identifier: Apache-2.0

/// Cuts a byte stream into frames: a big-endian 32-bit length, then that many bytes. Holds at most one unfinished frame.
package struct FrameReader: Sendable {
    /// The longest frame that is taken from now on, in bytes; it grows once the peer is known.
    package var limit: Int
    private var pending: [UInt8] = []
    private var position = 0

    package init(limit: Int) { self.limit = limit }

    /// Bytes that wait for the rest of their frame.
    package var pendingBytes: Int { pending.count - position }

    package mutating func append(_ bytes: some Collection<UInt8>) {
        if position == pending.count {
            pending.removeAll(keepingCapacity: false)
            position = 0
        }
        pending.append(contentsOf: bytes)
    }

    /// The next whole frame, or `nil` when more bytes are needed. A wrong length is found before its bytes are waited for; after an error
    /// the stream is lost, as nobody knows where the next frame begins.
    package mutating func next() throws(WireError) -> ArraySlice<UInt8>? {
        guard pendingBytes >= 4 else { return compact() }
        let length = pending[position..<position + 4].reduce(0) { $0 << 8 | Int($1) }
        guard length > 0 else { throw .emptyFrame }
        guard length <= limit else { throw .frameTooLong(bytes: length, limit: limit) }
        guard pendingBytes >= 4 + length else { return compact() }
        let frame = pending[position + 4..<position + 4 + length]
        position += 4 + length
        return frame
    }

    /// Forgets what was read, so that an idle session holds no buffer.
    private mutating func compact() -> ArraySlice<UInt8>? {
        if position > 0 {
            pending = position == pending.count ? [] : Array(pending[position...])
            position = 0
        }
        return nil
    }

    /// A frame's length prefix followed by its bytes.
    package static func frame(_ message: [UInt8]) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(4 + message.count)
        withUnsafeBytes(of: UInt32(clamping: message.count).bigEndian) { bytes.append(contentsOf: $0) }
        bytes.append(contentsOf: message)
        return bytes
    }
}
