// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

@testable import Tetragon

@Suite struct LogMarksTests {
    private let start = ContinuousClock.now
    private func place(_ offset: Int64) -> TailPosition { TailPosition(device: 1, inode: 1, offset: offset) }

    @Test("after a break the log is read from before it, and no further back than is remembered") func places() {
        var marks = LogMarks()
        #expect(marks.isEmpty && marks.place(at: start, overlap: .seconds(3), inserted: 0, most: 100) == nil)
        for second in 0..<10 {
            marks.add(place(Int64(second)), at: start + .seconds(second), inserted: UInt64(second) * 10, overlap: .seconds(3))
        }
        let now = start + .seconds(9)
        #expect(marks.place(at: now, overlap: .seconds(3), inserted: 90, most: 100) == place(6))
        #expect(marks.place(at: now, overlap: .seconds(3), inserted: 90, most: 15) == place(8), "a flood: only what is surely known")
        #expect(marks.place(at: now, overlap: .seconds(3), inserted: 900, most: 15) == place(9))
    }

    @Test("a place is kept over a restart only when all from before it was taken") func taken() {
        var marks = LogMarks()
        marks.add(place(1), at: start, inserted: 0, overlap: .seconds(3))
        #expect(marks.takenPlace == nil)
        marks.taken(at: start)
        #expect(marks.takenPlace == place(1))
        for second in 1..<10 { marks.add(place(Int64(second) * 100), at: start + .seconds(second), inserted: 0, overlap: .seconds(3)) }
        #expect(marks.takenPlace == place(1))
        marks.taken(at: start + .seconds(9))
        #expect(marks.takenPlace == place(600))
    }

    @Test(
        "the end of a log lies behind its last whole line",
        arguments: [
            ("", 0), ("a\n", 2), ("a\nb", 2), ("no break", 0), ("x\n" + String(repeating: "y", count: 200_000), 2),
        ] as [(String, Int64)])
    func end(text: String, wanted: Int64) throws {
        let path = NSTemporaryDirectory() + "log-\(UUID().uuidString)"
        try Data(text.utf8).write(to: URL(fileURLWithPath: path))
        defer { unlink(path) }
        #expect(LogTail.end(of: path)?.offset == wanted)
        #expect(LogTail.end(of: path + "-none") == nil && LogTail.end(of: "/tmp") == nil)
    }
}
