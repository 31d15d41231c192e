// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

@testable import Tetragon

@Suite struct LogTailTests {
    /// A log that is rotated as lumberjack does it.
    final class Log {
        let directory = NSTemporaryDirectory() + "tail-\(UUID().uuidString)"
        var path: String { directory + "/tetragon.log" }
        private var turn = 0
        init() throws { try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true) }
        deinit { try? FileManager.default.removeItem(atPath: directory) }

        func write(_ text: String) throws {
            if !FileManager.default.fileExists(atPath: path) { try Data().write(to: URL(fileURLWithPath: path)) }
            let file = try #require(FileHandle(forWritingAtPath: path))
            try file.seekToEnd()
            try file.write(contentsOf: Data(text.utf8))
            try file.close()
        }
        @discardableResult
        func rotate() throws -> String {
            turn += 1
            let backup = directory + "/tetragon-2026-08-22T09-14-04.\(100 + turn).log"
            try FileManager.default.moveItem(atPath: path, toPath: backup)
            return backup
        }
        func remove(_ file: String) throws { try FileManager.default.removeItem(atPath: file) }
    }

    private func look(_ tail: LogTail, most: Int = 1 << 20) throws -> (lines: [String], notes: [LogTail.Note]) {
        var lines: [String] = []
        let notes = try tail.look(most: most) { lines.append(String(decoding: $0, as: UTF8.self)) }
        return (lines, notes)
    }

    @Test("lines come as they are written, a torn one when its end is there, and a log that is not there yet is none") func plain() throws {
        let log = try Log()
        let tail = LogTail(path: log.path, resume: nil)
        #expect(try look(tail).lines.isEmpty && tail.position == nil)
        try log.write("a\nb\nhal")
        #expect(try look(tail).lines == ["a", "b"] && tail.position?.offset == 4)
        #expect(try look(tail).lines.isEmpty)
        try log.write("f\n\nc\n")
        #expect(try look(tail).lines == ["half", "", "c"])
    }

    @Test("what is written before and after a rotation comes once and in order, over several rotations") func rotation() throws {
        let log = try Log()
        let tail = LogTail(path: log.path, resume: nil)
        try log.write("1\n")
        #expect(try look(tail).lines == ["1"])
        try log.write("2\n")
        try log.rotate()
        #expect(try look(tail).lines == ["2"], "there is no new file yet")
        try log.write("3\n")
        try log.rotate()
        try log.write("4\n")
        try log.rotate()
        try log.write("5\n")
        try Data("no\n".utf8).write(to: URL(fileURLWithPath: log.directory + "/tetragon-2026-08-22T09-14-04.000.log.gz"))
        try Data("no\n".utf8).write(to: URL(fileURLWithPath: log.directory + "/tetragon-.log"))
        let (lines, notes) = try look(tail)
        #expect(lines == ["3", "4", "5"] && notes.isEmpty)
    }

    @Test("after a restart it goes on where it was, in a file that has another name by then") func resumed() throws {
        let log = try Log()
        let first = LogTail(path: log.path, resume: nil)
        try log.write("1\n2\nto")
        #expect(try look(first).lines == ["1", "2"])
        let position = try #require(first.position.flatMap { TailPosition(text: $0.text) })
        try log.write("rn\n3\n")
        try log.rotate()
        try log.write("4\n")
        let second = LogTail(path: log.path, resume: position)
        #expect(second.position == position)
        let (lines, notes) = try look(second)
        #expect(lines == ["torn", "3", "4"] && notes.isEmpty)
    }

    @Test("a file that is gone is a gap, and everything that is still there is read") func gap() throws {
        let log = try Log()
        let first = LogTail(path: log.path, resume: nil)
        try log.write("1\n")
        _ = try look(first)
        let position = first.position
        let backup = try log.rotate()
        try log.write("2\n")
        try log.rotate()
        try log.write("3\n")
        try log.remove(backup)
        let (lines, notes) = try look(LogTail(path: log.path, resume: position))
        #expect(lines == ["2", "3"] && notes == [.gap])
        let (still, none) = try look(first)
        #expect(still == ["2", "3"] && none.isEmpty, "who has it open still knows where to go on")
    }

    @Test("a file that was cut is read from its beginning, and a half line before a rotation is told as torn") func truncated() throws {
        let log = try Log()
        let tail = LogTail(path: log.path, resume: nil)
        try log.write("first\nsecond\n")
        _ = try look(tail)
        #expect(truncate(log.path, 0) == 0)
        try log.write("new\n")
        let (lines, notes) = try look(tail)
        #expect(lines == ["new"] && notes == [.truncated])
        try log.write("never ends")
        _ = try look(tail)
        try log.rotate()
        try log.write("x\n")
        let after = try look(tail)
        #expect(after.lines == ["x"] && after.notes == [.torn])
    }

    @Test("a line of megabytes is left out and counted, in bounded memory, and the next one is read") func oversized() throws {
        let log = try Log()
        let tail = LogTail(path: log.path, resume: nil)
        let longest = String(repeating: "l", count: LogTail.longestLine)
        try log.write("a\n" + longest + "\n" + longest + "m\nb\n" + String(repeating: "x", count: 3 << 20))
        var lines: [String] = []
        for _ in 0..<20 { lines += try look(tail).lines }
        #expect(lines.map(\.utf8.count) == [1, LogTail.longestLine, 1] && tail.oversized == 2)
        try log.write("\nc\n")
        #expect(try look(tail).lines == ["c"])
    }

    @Test("what is no plain file is refused, and one that may not be read says so") func notAFile() throws {
        let log = try Log()
        try FileManager.default.createDirectory(atPath: log.path, withIntermediateDirectories: true)
        #expect(throws: (any Error).self) { try look(LogTail(path: log.path, resume: nil)) }
    }

    @Test("however a log is written, rotated, cut into looks and picked up again, every line comes exactly once and in order") func walk()
        throws
    {
        for seed in 1...20 {
            var random = Seeded(state: UInt64(seed))
            let log = try Log()
            var tail = LogTail(path: log.path, resume: nil)
            var (written, seen, half) = (0, [String](), false)
            for _ in 0..<150 {
                switch Int.random(in: 0..<10, using: &random) {
                case 0..<4:
                    for _ in 0..<Int.random(in: 1...30, using: &random) {
                        try log.write((half ? "" : "line \(written)") + "\n")
                        written += 1
                        half = false
                    }
                case 4 where !half:
                    try log.write("line \(written)")
                    half = true
                case 5 where !half && FileManager.default.fileExists(atPath: log.path): try log.rotate()
                case 6: tail = LogTail(path: log.path, resume: tail.position)
                default:
                    let (lines, notes) = try look(tail, most: Int.random(in: 1...200, using: &random))
                    seen += lines
                    #expect(notes.isEmpty, "seed \(seed)")
                }
            }
            for _ in 0..<500 { seen += try look(tail, most: 4096).lines }
            let isWhole = seen == (0..<written).map { "line \($0)" }
            #expect(isWhole, "seed \(seed): \(written) written, \(seen.count) seen")
        }
    }

    @Test("a position is read as it was written, and anything else is none") func positions() {
        let position = TailPosition(device: 5, inode: .max, offset: 77)
        #expect(TailPosition(text: position.text) == position)
        for text in ["", "2 1 2 3\n", "1 1 2\n", "1 1 2 -3\n", "1 1 2 x\n", "1 1 2 3 4\n"] { #expect(TailPosition(text: text) == nil) }
    }
}
