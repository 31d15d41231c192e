// SPDX-License-Identifier: Apache-2.0

import Glibc
import JournalSQLite
import MeshModel
import MeshTrust
import Running
import Testing

@Suite("The journal on SQLite")
struct SQLiteJournalTests {
    let scratch: ScratchDirectory
    let samples: SampleEntries
    var path: String { scratch.file("journal.db") }

    init() throws {
        scratch = try ScratchDirectory()
        samples = try SampleEntries()
    }

    private func open() throws -> SQLiteJournal { try SQLiteJournal.open(path: path, digester: sha256) }

    private func records(_ journal: SQLiteJournal) async throws -> [JournalRecord] {
        var all: [JournalRecord] = []
        try await journal.replay { all.append($0) }
        return all
    }

    @Test("an empty journal has an empty head and replays nothing")
    func empty() async throws {
        let journal = try open()
        #expect(journal.head == .empty)
        #expect(try await records(journal).isEmpty)
        #expect(try await journal.hash(at: 0) == .zero)
        #expect(try await journal.hash(at: 1) == nil)
    }

    @Test("every kind of entry comes back as it was written, also after the journal was opened again")
    func roundTrip() async throws {
        let entries = try samples.all()
        var head = JournalHead.empty
        do {
            let journal = try open()
            head = try await journal.append(entries, at: samples.noon)
            #expect(head.sequence == UInt64(entries.count))
        }
        let again = try open()
        #expect(again.head == head)
        let records = try await records(again)
        #expect(records.map(\.entry) == entries)
        #expect(records.map(\.sequence) == Array(1...UInt64(entries.count)))
        #expect(records.allSatisfy { $0.at == samples.noon })
        #expect(try await again.hash(at: head.sequence) == head.hash)
    }

    @Test("each hash covers the one before it, the number, both times and the body")
    func chain() async throws {
        let journal = try open()
        let entries = Array(try samples.all().suffix(2))
        let head = try await journal.append(entries, at: samples.noon)
        func big(_ number: Int64) -> [UInt8] { withUnsafeBytes(of: number.bigEndian) { Array($0) } }
        var hash = Digest.zero
        for (index, body) in [
            #"{"agentRevoked":{"by":"ada","node":"wrk-e-1","reason":"lost","serial":"4a"}}"#,
            #"{"alarm":{"subject":"cluster talos-east","text":"two sessions"}}"#,
        ].enumerated() {
            let numbers = big(Int64(index + 1)) + big(samples.noon.wall.milliseconds) + big(samples.noon.boot)
            hash = sha256(hash.bytes + numbers + Array(body.utf8))
        }
        #expect(head == JournalHead(sequence: 2, hash: hash))
    }

    @Test("commits are brought to disk before they are acknowledged, and checkpoints are ours")
    func settings() async throws {
        let journal = try open()
        #expect(try await journal.setting("journal_mode") == "wal")
        #expect(try await journal.setting("synchronous") == "2")
        #expect(try await journal.setting("wal_autocheckpoint") == "0")
        #expect(try await journal.setting("user_version") == "1")
    }

    @Test("the files can be read by their owner alone")
    func mode() async throws {
        let journal = try open()
        _ = try await journal.append(samples.many(1), at: samples.noon)
        for name in [path, path + "-wal", path + ".lock"] {
            var status = stat()
            #expect(stat(name, &status) == 0)
            #expect(status.st_mode & 0o777 == 0o600, "\(name)")
        }
    }

    @Test("a second opening is refused while the first one lives")
    func locked() async throws {
        let first = try open()
        #expect(throws: JournalError.locked(path: path, holder: getpid())) { try open() }
        #expect(first.head == .empty)
    }

    @Test("a log that grows is moved into the file, and nothing is lost by that")
    func checkpoints() async throws {
        let journal = try open()
        let text = String(repeating: "x", count: 60_000)
        for _ in 0..<200 { _ = try await journal.append([.alarm(subject: .mesh, text: text)], at: samples.noon) }
        var status = stat()
        #expect(stat(path + "-wal", &status) == 0)
        #expect(status.st_size < 9 << 20)
        #expect(try await records(journal).count == 200)
    }

    @Test("history is read in pages from any place")
    func history() async throws {
        let journal = try open()
        _ = try await journal.append(samples.many(10), at: samples.noon)
        #expect(try await journal.records(after: 7, limit: 100).map(\.sequence) == [8, 9, 10])
        #expect(try await journal.records(after: 0, limit: 2).map(\.sequence) == [1, 2])
        #expect(try await journal.records(after: 10, limit: 2).isEmpty)
    }

    @Test("a hundred thousand entries are appended, checked and replayed in seconds")
    func scale() async throws {
        let clock = ContinuousClock()
        do {
            let journal = try open()
            for _ in 0..<100 { _ = try await journal.append(samples.many(1000), at: samples.noon) }
        }
        var count = 0
        let time = try await clock.measure {
            let journal = try open()
            try await journal.replay { _ in count += 1 }
        }
        #expect(count == 100_000)
        print("replay of 100,000 entries: \(time)")
        // A debug build on a loaded machine; the aim of 2 s for a release build is measured by the benchmark.
        #expect(time < .seconds(300))
    }

    @Test("many callers at once get heads that follow each other")
    func concurrent() async throws {
        let journal = try open()
        let heads = try await withThrowingTaskGroup(of: JournalHead.self) { group in
            for index in 1...50 {
                group.addTask { try await journal.append([.alarm(subject: .mesh, text: "\(index)")], at: samples.noon) }
            }
            return try await group.reduce(into: []) { $0.append($1) }
        }
        #expect(Set(heads.map(\.sequence)) == Set(1...50))
        #expect(try await records(journal).count == 50)
    }
}
