// SPDX-License-Identifier: Apache-2.0

import GRDB

/// Changes a database behind the journal's back.
enum DatabaseEdit {
    static func run(_ path: String, _ statement: String) throws {
        try DatabaseQueue(path: path).writeWithoutTransaction { try $0.execute(sql: statement) }
    }

    static func texts(_ path: String, _ query: String) throws -> [String] {
        try DatabaseQueue(path: path).read { try String.fetchAll($0, sql: query) }
    }
}
