// SPDX-License-Identifier: Apache-2.0

/// Cuts a stream of bytes into lines. A line that is longer than the limit is left out, all of it, and counted; the end of a stream may lie in
/// the middle of one.
struct LineBuffer {
    private let limit: Int
    private var bytes: [UInt8] = []
    /// In the middle of a line that is too long.
    private var isSkipping = false
    /// Lines that were too long.
    private(set) var oversized: UInt64 = 0

    init(limit: Int) { self.limit = limit }

    /// Bytes of the last line, which has no end yet. They are read again after a restart.
    var pending: Int { bytes.count }

    /// Takes bytes and calls `take` with every line that they complete, without its end.
    mutating func append(_ more: UnsafeRawBufferPointer, _ take: (UnsafeRawBufferPointer) -> Void) {
        var rest = more[...]
        while let end = rest.firstIndex(of: UInt8(ascii: "\n")) {
            let piece = UnsafeRawBufferPointer(rebasing: rest[..<end])
            rest = rest[(end + 1)...]
            if isSkipping {
                isSkipping = false
            } else if bytes.count + piece.count > limit {
                oversized += 1
            } else if bytes.isEmpty {
                take(piece)
                continue
            } else {
                bytes += piece
                bytes.withUnsafeBytes(take)
            }
            bytes.removeAll(keepingCapacity: bytes.capacity < 1 << 16)
        }
        guard !isSkipping else { return }
        if bytes.count + rest.count > limit {
            isSkipping = true
            oversized += 1
            bytes = []
        } else {
            bytes += rest
        }
    }

    /// Forgets the line that has no end; true when there was one. What is left of a file that was exchanged never gets its end.
    mutating func dropPending() -> Bool {
        defer {
            bytes = []
            isSkipping = false
        }
        return !bytes.isEmpty
    }
}
