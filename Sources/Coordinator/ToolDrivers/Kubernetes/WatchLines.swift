// SPDX-License-Identifier: Apache-2.0

/// Cuts a stream of bytes into lines, whatever the pieces it arrives in. Holds one line at most.
struct WatchLines {
    /// An object is at most 1.5 MiB in etcd; as JSON with its managed fields it may be some times that.
    static let longest = 8 << 20

    private var rest: [UInt8] = []
    /// How far `rest` was already searched, so that a long line is searched once.
    private var searched = 0

    /// True when the stream ended in the middle of a line.
    var isTorn: Bool { !rest.isEmpty }

    /// The next line without its end; `nil` when it has not arrived whole. Empty lines are skipped.
    mutating func next() -> [UInt8]? {
        while let end = rest[searched...].firstIndex(of: UInt8(ascii: "\n")) {
            let line = Array(rest[..<end])
            rest.removeFirst(end + 1)
            searched = 0
            if !line.isEmpty { return line }
        }
        searched = rest.count
        return nil
    }

    /// Takes what arrived; false when a line is longer than any honest one.
    mutating func take(_ chunk: [UInt8]) -> Bool {
        rest += chunk
        return rest.count <= Self.longest + chunk.count
    }
}
