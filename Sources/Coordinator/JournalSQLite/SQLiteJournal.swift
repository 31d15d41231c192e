// SPDX-License-Identifier: Apache-2.0

import GRDB
package import MeshModel
package import Running
import Synchronization

/// The journal in one SQLite file: write-ahead log, `synchronous=FULL`, all entries of one append in one transaction.
///
/// Three habits of SQLite and GRDB are not ours: GRDB's pool would set `synchronous=NORMAL`; automatic checkpoints ignore a failed fsync
/// (so they are off, and ours count as part of the append); and the last close checkpoints once more (so a failed journal is never closed).
package final class SQLiteJournal: Journal {
    package let path: String
    /// Bytes of an unacknowledged last append that a crash had left torn; they were dropped when the journal was opened.
    package let tornBytes: Int
    private let queue: DatabaseQueue
    private let chain: JournalChain
    private let lock: JournalLock
    private let state: Mutex<State>

    private struct State {
        var head: JournalHead
        var failure: String?
        var bytesSinceCheckpoint = 0
    }

    /// A checkpoint moves the log into the file when it has grown by about this much.
    private static let checkpointBytes = 4 << 20
    private static let batch = 1000

    /// Opens the journal at `path`, or makes an empty one; the whole chain is checked. The directory must exist.
    package static func open(path: String, digester: @escaping Digester) throws -> SQLiteJournal {
        let chain = JournalChain(digester: digester)
        return try SQLiteJournal(JournalFile.open(path, chain: chain), chain: chain)
    }

    private init(_ file: JournalFile, chain: JournalChain) throws {
        path = file.path
        tornBytes = file.tornBytes
        queue = file.queue
        lock = file.lock
        self.chain = chain
        let head = try file.head(chain: chain)
        state = Mutex(State(head: head))
    }

    deinit {
        // Closing would checkpoint pages whose log could not be brought to disk.
        if state.withLock({ $0.failure != nil }) { _ = Unmanaged.passRetained(queue) }
    }

    /// The last durable entry.
    package var head: JournalHead { state.withLock { $0.head } }

    package func append(_ entries: [JournalEntry], at: Moment) async throws -> JournalHead {
        let stored = try entries.map(StoredEntry.init)
        return try await onWriter { try self.write(stored, at: at, $0) }
    }

    package func replay(_ body: (JournalRecord) throws -> Void) async throws {
        var head = JournalHead.empty
        let end = self.head
        while head.sequence < end.sequence {
            let after = head.sequence
            let rows = try await onWriter { try self.rows(after: after, $0) }
            for row in rows where row.sequence <= end.sequence {
                if let fault = chain.fault(of: row, after: head) { throw damaged(after: head.sequence, fault) }
                try body(JournalRecord(sequence: row.sequence, at: row.at, entry: entry(of: row)))
                head = JournalHead(sequence: row.sequence, hash: row.hash)
            }
            if head.sequence == after { throw damaged(after: after, "entries up to \(end.sequence) were there when it was opened") }
        }
    }

    package func hash(at sequence: UInt64) async throws -> Digest? {
        if sequence == 0 { return .zero }
        guard sequence <= head.sequence else { return nil }
        return try await onWriter { try self.rows(after: sequence - 1, limit: 1, $0).first?.hash }
    }

    /// The records after `sequence`, at most `limit` of them: history for readers of the feed.
    package func records(after sequence: UInt64, limit: Int) async throws -> [JournalRecord] {
        guard sequence < head.sequence else { return [] }
        return try await onWriter { try self.rows(after: sequence, limit: limit, $0) }.map {
            JournalRecord(sequence: $0.sequence, at: $0.at, entry: try entry(of: $0))
        }
    }

    /// What SQLite itself says of its settings, for tests and diagnosis.
    package func setting(_ pragma: String) async throws -> String {
        try await onWriter { try String.fetchOne($0, sql: "PRAGMA \(pragma)") ?? "" }
    }

    // MARK: private

    /// Runs on the writer's own thread; unlike GRDB's async calls it is not given up half-way when the task is cancelled.
    private func onWriter<Value: Sendable>(_ work: @escaping @Sendable (Database) throws -> Value) async throws -> Value {
        try await withCheckedThrowingContinuation { continuation in
            queue.asyncWriteWithoutTransaction { db in continuation.resume(with: Result { try work(db) }) }
        }
    }

    private func write(_ entries: [StoredEntry], at: Moment, _ db: Database) throws -> JournalHead {
        let (start, failure) = state.withLock { ($0.head, $0.failure) }
        if let failure { throw JournalError.stopped(path: path, said: failure) }
        guard !entries.isEmpty else { return start }
        do {
            var head = start
            try db.inTransaction(.immediate) {
                for entry in entries {
                    let next = head.sequence + 1
                    let hash = chain.hash(after: head.hash, sequence: next, at: at, body: entry.body)
                    try JournalRow(sequence: next, at: at, stored: entry, hash: hash).insert(db)
                    head = JournalHead(sequence: next, hash: hash)
                }
                return .commit
            }
            try checkpointIfDue(db, added: entries.reduce(0) { $0 + $1.body.count + 128 })
            let reached = head
            state.withLock { $0.head = reached }
            return head
        } catch {
            let said = JournalFile.words(error)
            state.withLock { $0.failure = said }
            throw JournalError.cannotAppend(path: path, said: said)
        }
    }

    private func checkpointIfDue(_ db: Database, added: Int) throws {
        let isDue = state.withLock { state in
            state.bytesSinceCheckpoint += added
            defer { if state.bytesSinceCheckpoint >= Self.checkpointBytes { state.bytesSinceCheckpoint = 0 } }
            return state.bytesSinceCheckpoint >= Self.checkpointBytes
        }
        if isDue { try db.checkpoint(.passive) }
    }

    private func rows(after sequence: UInt64, limit: Int = batch, _ db: Database) throws -> [JournalRow] {
        do {
            let sql = "SELECT \(JournalRow.columns) FROM entry WHERE sequence > ? ORDER BY sequence LIMIT ?"
            return try Row.fetchAll(db, sql: sql, arguments: [Int64(sequence), limit]).enumerated().map { offset, row in
                guard let row = JournalRow(row) else { throw damaged(after: sequence + UInt64(offset), "its row is not readable") }
                return row
            }
        } catch let error as DatabaseError {
            throw damaged(after: sequence, "SQLite says: \(JournalFile.words(error))")
        }
    }

    private func entry(of row: JournalRow) throws -> JournalEntry {
        do {
            return try StoredEntry.decode(row.body)
        } catch {
            throw JournalError.unreadable(path: path, sequence: row.sequence, kind: row.kind, said: JournalFile.words(error))
        }
    }

    private func damaged(after kept: UInt64, _ what: String) -> JournalError {
        .damaged(path: path, at: kept + 1, kept: kept, what: what)
    }
}
