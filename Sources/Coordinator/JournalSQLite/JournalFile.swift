// SPDX-License-Identifier: Apache-2.0

import GRDB
import Glibc
import MeshModel
import MeshSystem

/// The way from a path to a locked, checked and correctly configured database. Nothing is changed before all checks have passed.
struct JournalFile {
    let path: String
    let queue: DatabaseQueue
    let lock: JournalLock
    let tornBytes: Int

    /// Grows with the table's form.
    static let schema = 1
    /// "mshg" in the file's header.
    static let applicationID: UInt32 = 0x6d73_6867
    /// More log than this is never written between two checkpoints, whatever an entry holds.
    private static let largestLog = 1 << 30

    static func open(_ path: String, chain: JournalChain) throws -> JournalFile {
        guard path.hasPrefix("/"), !path.utf8.contains(0) else {
            throw JournalError.cannotOpen(path: path, said: "the path is not absolute; name it from the root")
        }
        let directory = "/" + path.split(separator: "/").dropLast().joined(separator: "/")
        guard access(directory, F_OK) == 0 else {
            throw JournalError.cannotOpen(path: path, said: "the directory \(directory) does not exist; create it")
        }
        let lock = try JournalLock(journal: path)
        let isNew = try prepare(path, in: directory)
        let log = isNew ? LogFinding() : try inspect(path)
        do {
            let queue = try DatabaseQueue(path: path, configuration: configuration)
            let file = JournalFile(path: path, queue: queue, lock: lock, tornBytes: log.tornBytes)
            if let broken = log.broken { throw try file.refusal(ofBrokenLog: broken, chain: chain) }
            try file.settle()
            return file
        } catch let error as DatabaseError {
            throw refusal(path, error)
        }
    }

    /// An empty file of ours is made by us, so that its mode and its directory entry are certain.
    private static func prepare(_ path: String, in directory: String) throws(JournalError) -> Bool {
        let file = Glibc.open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0o600)
        guard file >= 0 else { throw .cannotOpen(path: path, said: JournalLock.words(doing: "open for writing", on: path, errno)) }
        defer { close(file) }
        var status = stat()
        guard fstat(file, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            throw .notAJournal(path: path, said: "it is not a regular file")
        }
        let parent = Glibc.open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        defer { if parent >= 0 { close(parent) } }
        guard parent >= 0, fsync(parent) == 0 else {
            throw .cannotOpen(path: path, said: JournalLock.words(doing: "bring the directory to disk", on: directory, errno))
        }
        return status.st_size == 0
    }

    /// What our own look at the log has shown.
    private struct LogFinding {
        var tornBytes = 0
        var broken: String?
    }

    /// Looks at both files with our own eyes before SQLite may change them.
    private static func inspect(_ path: String) throws -> LogFinding {
        let header = try read(path, limit: 100)
        guard header.starts(with: Array("SQLite format 3\0".utf8)), header.count == 100 else {
            throw JournalError.notAJournal(path: path, said: "it does not begin as an SQLite database does")
        }
        let found = header[68..<72].reduce(0) { $0 << 8 | UInt32($1) }
        let log = access(path + "-wal", F_OK) == 0 ? try read(path + "-wal", limit: largestLog) : []
        // Before the first checkpoint the header may still be blank; then the log speaks.
        guard found == applicationID || (found == 0 && !log.isEmpty) else {
            throw JournalError.notAJournal(path: path, said: "its application id is \(found)")
        }
        guard log.isEmpty || (header[18] == 2 && header[19] == 2) else {
            throw JournalError.damaged(path: path, at: 1, kept: 0, what: "the header denies the write-ahead log beside it")
        }
        switch WALCheck.inspect(log) {
        case .whole: return LogFinding()
        case .headerBroken where log.count <= 32: return LogFinding(tornBytes: log.count)
        case .headerBroken: return LogFinding(broken: "the header of \(path)-wal is broken")
        case .broken(let commits, let bytes) where commits <= 1: return LogFinding(tornBytes: bytes)
        case .broken(let commits, _):
            return LogFinding(broken: "\(path)-wal is broken before its end, and \(commits) appends lie behind the break")
        }
    }

    /// Counts what SQLite would keep. The database stays open for ever: closing it would checkpoint that and delete the log.
    private func refusal(ofBrokenLog broken: String, chain: JournalChain) throws -> JournalError {
        _ = Unmanaged.passRetained(queue)
        let kept = try queue.read { try Int.fetchOne($0, sql: "SELECT count(*) FROM sqlite_schema") == 0 } ? .empty : try head(chain: chain)
        return .damaged(path: path, at: kept.sequence + 1, kept: kept.sequence, what: broken)
    }

    private static var configuration: Configuration {
        var configuration = Configuration()
        configuration.label = "journal"
        configuration.busyMode = .timeout(5)
        configuration.foreignKeysEnabled = false
        configuration.prepareDatabase { db in
            guard try String.fetchOne(db, sql: "PRAGMA journal_mode = WAL") == "wal" else {
                throw DatabaseError(resultCode: .SQLITE_IOERR, message: "the file system does not allow a write-ahead log")
            }
            try db.execute(sql: "PRAGMA synchronous = FULL")
            try db.execute(sql: "PRAGMA wal_autocheckpoint = 0")
            try db.execute(sql: "PRAGMA cell_size_check = ON")
        }
        return configuration
    }

    /// Makes or checks the schema. The checkpoint writes anew whatever an earlier process could not bring to disk (security.md J1).
    private func settle() throws {
        try queue.writeWithoutTransaction { db in
            let version = try Int.fetchOne(db, sql: "PRAGMA user_version") ?? 0
            if version > Self.schema { throw JournalError.newerSchema(path: path, found: version, known: Self.schema) }
            if version == 0 {
                guard try Int.fetchOne(db, sql: "SELECT count(*) FROM sqlite_schema") == 0 else {
                    throw JournalError.damaged(path: path, at: 1, kept: 0, what: "it has tables but no schema version")
                }
                try db.inTransaction(.immediate) {
                    try db.execute(sql: JournalRow.createTable)
                    try db.execute(sql: "PRAGMA application_id = \(Self.applicationID)")
                    try db.execute(sql: "PRAGMA user_version = \(Self.schema)")
                    return .commit
                }
            }
            try db.checkpoint(.truncate)
        }
    }

    /// Walks the whole chain.
    func head(chain: JournalChain) throws -> JournalHead {
        var head = JournalHead.empty
        do {
            try queue.writeWithoutTransaction { db in
                let rows = try Row.fetchCursor(db, sql: "SELECT \(JournalRow.columns) FROM entry ORDER BY sequence")
                while let raw = try rows.next() {
                    let row = JournalRow(raw)
                    let fault = row.map { chain.fault(of: $0, after: head) } ?? "its row is not readable"
                    guard let row, fault == nil else {
                        throw JournalError.damaged(path: path, at: head.sequence + 1, kept: head.sequence, what: fault ?? "")
                    }
                    head = JournalHead(sequence: row.sequence, hash: row.hash)
                }
            }
        } catch let error as DatabaseError {
            throw JournalError.damaged(
                path: path, at: head.sequence + 1, kept: head.sequence, what: "SQLite says: \(Self.words(error))")
        }
        return head
    }

    // MARK: words

    private static func refusal(_ path: String, _ error: DatabaseError) -> JournalError {
        switch error.resultCode {
        case .SQLITE_NOTADB: .notAJournal(path: path, said: words(error))
        case .SQLITE_CORRUPT: .damaged(path: path, at: 1, kept: 0, what: "SQLite says: \(words(error))")
        case .SQLITE_FULL: .cannotOpen(path: path, said: "the disk is full; free some space")
        case .SQLITE_READONLY, .SQLITE_PERM, .SQLITE_CANTOPEN:
            .cannotOpen(path: path, said: "\(words(error)); the file and its directory must be writable for this user")
        default: .cannotOpen(path: path, said: words(error))
        }
    }

    static func words(_ error: any Error) -> String {
        guard let error = error as? DatabaseError else { return "\(error)" }
        switch error.resultCode {
        case .SQLITE_FULL: return "the disk is full; free some space"
        default: return "\(error.message ?? "error") (SQLite code \(error.extendedResultCode.rawValue))"
        }
    }

    private static func read(_ path: String, limit: Int) throws(JournalError) -> [UInt8] {
        let file = Glibc.open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)
        guard file >= 0 else { throw .cannotOpen(path: path, said: JournalLock.words(doing: "read", on: path, errno)) }
        defer { close(file) }
        var status = stat()
        guard fstat(file, &status) == 0 else { throw .cannotOpen(path: path, said: JournalLock.words(doing: "look at", on: path, errno)) }
        var bytes = [UInt8](repeating: 0, count: min(Int(status.st_size), limit))
        var filled = 0
        while filled < bytes.count {
            let count = bytes[filled...].withUnsafeMutableBytes { Glibc.read(file, $0.baseAddress, $0.count) }
            if count < 0 { throw .cannotOpen(path: path, said: JournalLock.words(doing: "read", on: path, errno)) }
            if count == 0 { break }
            filled += count
        }
        return Array(bytes.prefix(filled))
    }
}
