// SPDX-License-Identifier: Apache-2.0

import JournalSQLite
import MeshModel
import MeshSystem
import MeshTrust
import Running
import Testing

/// Cuts and flips (security.md F5): whatever is done to the files, nothing wrong is ever replayed, and nothing missing goes unnoticed.
@Suite("A damaged journal")
struct DamageTests {
    let scratch: ScratchDirectory
    let samples: SampleEntries
    let files = LinuxFileStore()

    init() throws {
        scratch = try ScratchDirectory()
        samples = try SampleEntries()
    }

    /// A journal's two files as a kill would leave them: entries in the file, and 30 appends of one entry in the log.
    private struct Copy {
        var file: [UInt8]
        var log: [UInt8]
        var entries: [JournalEntry]
        var heads: [JournalHead]
    }

    private func copy() async throws -> Copy {
        let path = scratch.file("original.db")
        let entries = samples.many(50)
        var heads: [JournalHead] = []
        do {
            let first = try SQLiteJournal.open(path: path, digester: sha256)
            for entry in entries[..<20] { heads.append(try await first.append([entry], at: samples.noon)) }
        }
        let second = try SQLiteJournal.open(path: path, digester: sha256)
        for entry in entries[20...] { heads.append(try await second.append([entry], at: samples.noon)) }
        let file = try #require(try files.read(path, limit: 1 << 24))
        let log = try #require(try files.read(path + "-wal", limit: 1 << 24))
        return Copy(file: file, log: log, entries: entries, heads: heads)
    }

    private enum Verdict: Hashable {
        case prefix(Int)
        case named(String)
    }

    /// Opens the files at a fresh place. Anything but a true prefix or a named error is a failure.
    private func judge(_ copy: Copy, file: [UInt8], log: [UInt8], _ what: String) async throws -> Verdict {
        let path = scratch.file("\(try KernelEntropy().hexID(byteCount: 6)).db")
        try files.write(file, to: path)
        if !log.isEmpty { try files.write(log, to: path + "-wal") }
        var seen: [JournalEntry] = []
        let journal: SQLiteJournal
        do {
            journal = try SQLiteJournal.open(path: path, digester: sha256)
            try await journal.replay { seen.append($0.entry) }
        } catch let error as JournalError {
            #expect("\(error)".contains(path))
            return .named("\(error)")
        }
        #expect(seen == Array(copy.entries[..<seen.count]), "\(what): something that was never written was replayed")
        #expect(seen.isEmpty || journal.head == copy.heads[seen.count - 1])
        let remembered = try #require(copy.heads.last)
        if seen.count < copy.entries.count {
            #expect(try await journal.hash(at: remembered.sequence) == nil, "\(what): the loss does not show")
        }
        return .prefix(seen.count)
    }

    @Test("a log that is cut anywhere gives a true prefix")
    func cutLog() async throws {
        let copy = try await copy()
        #expect(try await judge(copy, file: copy.file, log: copy.log, "untouched") == .prefix(50))
        var lengths: Set<Verdict> = []
        for length in stride(from: 0, to: copy.log.count, by: 1543) {
            lengths.insert(try await judge(copy, file: copy.file, log: Array(copy.log[..<length]), "log cut to \(length)"))
        }
        #expect(lengths.contains(.prefix(20)) && lengths.count > 20)
    }

    @Test("a flipped bit in the log is named when acknowledged appends lie behind it")
    func flipLog() async throws {
        let copy = try await copy()
        var named = 0
        for place in stride(from: 0, to: copy.log.count, by: 1201) {
            var log = copy.log
            log[place] ^= 1 << UInt8(place % 8)
            let verdict = try await judge(copy, file: copy.file, log: log, "log flipped at \(place)")
            if case .named(let text) = verdict {
                named += 1
                #expect(text.contains("damaged at entry") && text.contains("are whole"))
            } else {
                // Only the last two appends may go without a word: one of them could be the unacknowledged one.
                #expect(verdict == .prefix(49) || verdict == .prefix(50), "log flipped at \(place): \(verdict)")
            }
        }
        #expect(named > 50)
    }

    @Test("a flipped bit in the file, or a file that is cut, never gives wrong data")
    func flipFile() async throws {
        let copy = try await copy()
        for place in stride(from: 0, to: copy.file.count, by: 61) {
            var file = copy.file
            file[place] ^= 1 << UInt8(place % 8)
            _ = try await judge(copy, file: file, log: [], "file flipped at \(place)")
        }
        for length in stride(from: 1, to: copy.file.count, by: 97) {
            _ = try await judge(copy, file: Array(copy.file[..<length]), log: [], "file cut to \(length)")
        }
    }

    @Test("a torn last append is dropped and counted")
    func torn() async throws {
        let copy = try await copy()
        var log = copy.log
        log[log.count - 100] ^= 1
        let path = scratch.file("torn.db")
        try files.write(copy.file, to: path)
        try files.write(log, to: path + "-wal")
        let journal = try SQLiteJournal.open(path: path, digester: sha256)
        #expect(journal.head == copy.heads[48])
        #expect(journal.tornBytes > 0)
    }
}
