// SPDX-License-Identifier: Apache-2.0

import GRDB

/// Changes a database behind the journal's back.
enum DatabaseEdit {
    /// A journal that has just been dropped may hold the file for a moment longer.
    private static var patient: Configuration {
        var configuration = Configuration()
        configuration.busyMode = .timeout(10)
        return configuration
    }

    static func run(_ path: String, _ statement: String) throws {
        try DatabaseQueue(path: path, configuration: patient).writeWithoutTransaction { try $0.execute(sql: statement) }
    }

    static func texts(_ path: String, _ query: String) throws -> [String] {
        try DatabaseQueue(path: path, configuration: patient).read { try String.fetchAll($0, sql: query) }
    }
}
