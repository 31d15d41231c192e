// SPDX-License-Identifier: Apache-2.0

/// Keeps the first and the last half of a stream of any length in bounded memory, and cuts it into lines for whoever watches.
struct BoundedOutput {
    static let longestLine = 16 << 10
    private let headLimit: Int
    private let tailLimit: Int
    private var head: [UInt8] = []
    private var tail: [UInt8] = []
    private var total = 0
    private var line: [UInt8] = []

    init(limit: Int) {
        headLimit = max(limit, 0) / 2
        tailLimit = max(limit, 0) - headLimit
    }

    /// What is kept, head and tail joined; a gap between them shows only in `dropped`.
    var bytes: [UInt8] { head + tail.suffix(tailLimit) }
    var dropped: Int { total - head.count - min(tail.count, tailLimit) }

    mutating func append(_ bytes: ArraySlice<UInt8>) {
        total += bytes.count
        let first = bytes.prefix(headLimit - head.count)
        head += first
        tail += bytes.dropFirst(first.count)
        // Trimmed at twice the size, so that each byte is moved at most once on average.
        if tail.count > 2 * tailLimit { tail.removeFirst(tail.count - tailLimit) }
    }

    /// Calls `onLine` for each line that these bytes complete. A longer line than `longestLine` is passed on in pieces.
    mutating func cut(_ bytes: ArraySlice<UInt8>, onLine: (String) -> Void) {
        var rest = bytes
        while !rest.isEmpty {
            let end = rest.firstIndex(of: UInt8(ascii: "\n"))
            let part = rest[..<(end ?? rest.endIndex)].prefix(Self.longestLine - line.count)
            line += part
            rest = rest.dropFirst(part.count)
            if rest.first == UInt8(ascii: "\n") {
                rest = rest.dropFirst()
                if line.last == UInt8(ascii: "\r") { line.removeLast() }
                emit(onLine)
            } else if line.count == Self.longestLine {
                emit(onLine)
            }
        }
    }

    /// Passes on a last line without a line end.
    mutating func finish(onLine: (String) -> Void) {
        if !line.isEmpty { emit(onLine) }
    }

    private mutating func emit(_ onLine: (String) -> Void) {
        onLine(String(decoding: line, as: UTF8.self))
        line.removeAll(keepingCapacity: true)
    }
}
