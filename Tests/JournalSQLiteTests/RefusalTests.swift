// SPDX-License-Identifier: Apache-2.0

import Glibc
import JournalSQLite
import MeshModel
import MeshSystem
import MeshTrust
import Running
import Testing

@Suite("A journal that cannot be used")
struct RefusalTests {
    let scratch: ScratchDirectory
    let samples: SampleEntries
    var path: String { scratch.file("journal.db") }

    init() throws {
        scratch = try ScratchDirectory()
        samples = try SampleEntries()
    }

    private func open(_ path: String) throws -> SQLiteJournal { try SQLiteJournal.open(path: path, digester: sha256) }

    private func refusal(_ path: String) -> String {
        do {
            _ = try open(path)
            return "opened"
        } catch {
            return "\(error)"
        }
    }

    @Test("a directory that is not there is named, with what to do")
    func noDirectory() {
        let path = scratch.file("missing/journal.db")
        #expect(
            refusal(path)
                == "cannot open the journal \(path): the directory \(scratch.path)/missing does not exist; create it")
    }

    @Test("a relative path is refused")
    func relative() {
        #expect(refusal("journal.db").contains("the path is not absolute"))
    }

    @Test("something else in its place is left alone")
    func somethingElse() throws {
        let text = Array(String(repeating: "dear diary ", count: 100).utf8)
        try LinuxFileStore().write(text, to: path)
        #expect(refusal(path).contains("is not a meshgate journal"))
        #expect(try LinuxFileStore().read(path, limit: 10_000) == text)
        try LinuxFileStore().createDirectory(scratch.file("dir.db"))
        #expect(refusal(scratch.file("dir.db")).contains("cannot open the journal"))
    }

    @Test("a link in its place is not followed")
    func link() {
        #expect(symlink(scratch.file("elsewhere"), path) == 0)
        #expect(refusal(path).contains("cannot open the journal"))
        #expect(access(scratch.file("elsewhere"), F_OK) != 0)
    }

    @Test("an SQLite database of another program is left alone")
    func otherDatabase() throws {
        try DatabaseEdit.run(path, "CREATE TABLE notes (text)")
        #expect(refusal(path).contains("its application id is 0"))
    }

    @Test("a newer schema asks for an upgrade")
    func newer() async throws {
        do { _ = try await open(path).append(samples.many(1), at: samples.noon) }
        try DatabaseEdit.run(path, "PRAGMA user_version = 7")
        #expect(throws: JournalError.newerSchema(path: path, found: 7, known: 1)) { try open(path) }
        #expect(refusal(path).contains("written by a newer meshgate (schema 7, this one knows 1); upgrade, or restore"))
    }

    @Test(
        "an entry that is changed, moved or gone is named, and so is what is whole",
        arguments: [
            "UPDATE entry SET body = CAST(replace(body, 'attempt 5', 'attempt 6') AS BLOB) WHERE sequence = 5",
            "UPDATE entry SET wall = wall + 1 WHERE sequence = 5", "UPDATE entry SET boot = boot - 1 WHERE sequence = 5",
            "UPDATE entry SET hash = zeroblob(32) WHERE sequence = 5", "UPDATE entry SET kind = 'stepSkipped' WHERE sequence = 5",
            "UPDATE entry SET hash = x'00' WHERE sequence = 5", "DELETE FROM entry WHERE sequence = 5",
        ])
    func tampered(_ statement: String) async throws {
        do { _ = try await open(path).append(samples.many(9), at: samples.noon) }
        try DatabaseEdit.run(path, statement)
        do {
            _ = try open(path)
            Issue.record("it was opened after: \(statement)")
        } catch JournalError.damaged(_, let at, let kept, _) {
            #expect(at == 5 && kept == 4)
        }
    }

    @Test("entries that are cut from the end show against a head that somebody remembers")
    func shortened() async throws {
        var remembered = JournalHead.empty
        do { remembered = try await open(path).append(samples.many(9), at: samples.noon) }
        try DatabaseEdit.run(path, "DELETE FROM entry WHERE sequence > 6")
        let journal = try open(path)
        #expect(journal.head.sequence == 6)
        #expect(try await journal.hash(at: remembered.sequence) == nil)
    }

    @Test("an entry of an unknown kind is not skipped")
    func unknownKind() async throws {
        do { _ = try await open(path).append(samples.many(1), at: samples.noon) }
        let body = Array(#"{"moonLanded":{"by":"ada"}}"#.utf8)
        func big(_ number: Int64) -> [UInt8] { withUnsafeBytes(of: number.bigEndian) { Array($0) } }
        let hash = sha256(Digest.zero.bytes + big(1) + big(samples.noon.wall.milliseconds) + big(samples.noon.boot) + body)
        try DatabaseEdit.run(
            path, "UPDATE entry SET kind = 'moonLanded', body = x'\(encodeHex(body))', hash = x'\(hash.hex)' WHERE sequence = 1")
        let journal = try open(path)
        do {
            try await journal.replay { _ in }
            Issue.record("it was replayed")
        } catch JournalError.unreadable(_, let sequence, let kind, _) {
            #expect(sequence == 1 && kind == "moonLanded")
        }
    }

    @Test("after one failed append nothing is taken any more, and what was acknowledged is there after reopening")
    func failStop() async throws {
        var head = JournalHead.empty
        do {
            let journal = try open(path)
            head = try await journal.append(samples.many(3), at: samples.noon)
            try DatabaseEdit.run(path, "CREATE TRIGGER stop BEFORE INSERT ON entry BEGIN SELECT raise(ABORT, 'no space'); END")
            await #expect(throws: JournalError.cannotAppend(path: path, said: "no space (SQLite code 1811)")) {
                try await journal.append(samples.many(1), at: samples.noon)
            }
            try DatabaseEdit.run(path, "DROP TRIGGER stop")
            await #expect(throws: JournalError.stopped(path: path, said: "no space (SQLite code 1811)")) {
                try await journal.append(samples.many(1), at: samples.noon)
            }
            #expect(journal.head == head)
        }
        #expect(try open(path).head == head)
    }
}
