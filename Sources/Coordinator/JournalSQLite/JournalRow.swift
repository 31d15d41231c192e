// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import GRDB
import MeshModel
import MeshSystem
import Running

/// One row of table `entry`. Rows and their JSON stop in this room.
struct JournalRow: Sendable {
    var sequence: UInt64
    var at: Moment
    /// The name of the entry's case, for people who look with `sqlite3`.
    var kind: String
    /// The entry as JSON, keys sorted.
    var body: [UInt8]
    var hash: Digest

    static let createTable = """
        CREATE TABLE entry (
            sequence INTEGER PRIMARY KEY,
            wall INTEGER NOT NULL,
            boot INTEGER NOT NULL,
            kind TEXT NOT NULL,
            body BLOB NOT NULL,
            hash BLOB NOT NULL
        ) STRICT
        """
    static let columns = "sequence, wall, boot, kind, body, hash"

    /// `nil` when a column does not hold what it must: the row is damaged.
    init?(_ row: Row) {
        guard let sequence = Int64.fromDatabaseValue(row[0]), sequence > 0, let wall = Int64.fromDatabaseValue(row[1]),
            let boot = Int64.fromDatabaseValue(row[2]), let kind = String.fromDatabaseValue(row[3]),
            let body = Data.fromDatabaseValue(row[4]), let bytes = Data.fromDatabaseValue(row[5]), let hash = Digest(Array(bytes))
        else { return nil }
        self.sequence = UInt64(sequence)
        at = Moment(wall: Timestamp(milliseconds: wall), boot: boot)
        self.kind = kind
        self.body = Array(body)
        self.hash = hash
    }

    init(sequence: UInt64, at: Moment, stored: StoredEntry, hash: Digest) {
        self.sequence = sequence
        self.at = at
        kind = stored.kind
        body = stored.body
        self.hash = hash
    }

    func insert(_ db: Database) throws {
        let statement = try db.cachedStatement(sql: "INSERT INTO entry (\(Self.columns)) VALUES (?, ?, ?, ?, ?, ?)")
        try statement.execute(arguments: [
            Int64(sequence), at.wall.milliseconds, at.boot, kind, Data(body), Data(hash.bytes),
        ])
    }
}

/// The stored form of an entry.
struct StoredEntry: Sendable {
    let kind: String
    let body: [UInt8]

    init(_ entry: JournalEntry) throws {
        body = try CanonicalJSON.encode(entry)
        // An enum with associated values is an object with one key, the name of the case.
        kind = String(decoding: body.dropFirst(2).prefix { $0 != UInt8(ascii: "\"") }, as: UTF8.self)
    }

    static func decode(_ body: [UInt8]) throws -> JournalEntry {
        try JSONDecoder().decode(JournalEntry.self, from: Data(body))
    }
}
