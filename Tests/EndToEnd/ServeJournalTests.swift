// SPDX-License-Identifier: Apache-2.0

import Foundation
import GRDB
import Glibc
import Testing

/// A real journal of a real coordinator, hurt in one way after another.
@Suite("A journal that is not whole", .timeLimit(.minutes(4)))
struct ServeJournalTests {
    /// A stopped coordinator's directory with some entries in it.
    private func written() async throws -> ServeStage {
        let stage = try await ServeStage()
        #expect(try await stage.join("east-1", token: try await stage.token("east-1"), state: "a").code == 0)
        #expect(try await stage.ask("apply", "-f", stage.mesh, "--wait", "no").code == 0)
        #expect(try await stage.ask("stop").code == 0)
        try await stage.end()
        return stage
    }

    /// Behind the coordinator's back.
    private func edit(_ stage: ServeStage, _ statement: String) throws {
        try DatabaseQueue(path: stage.state + "/journal.sqlite").writeWithoutTransaction { try $0.execute(sql: statement) }
    }

    private func entries(_ stage: ServeStage) throws -> Int {
        try DatabaseQueue(path: stage.state + "/journal.sqlite").read { try Int.fetchOne($0, sql: "SELECT count(*) FROM entry") ?? 0 }
    }

    private func again(_ stage: ServeStage) async throws -> Ending {
        try await Programs.run(
            ["serve", "--state-dir", stage.state, "--listen", "127.0.0.1:0", "--http", "none", "--mesh", stage.mesh],
            home: stage.place.path, deadline: .seconds(30))
    }

    @Test("of a newer version is left alone: exit 78")
    func newer() async throws {
        let stage = try await written()
        try edit(stage, "PRAGMA user_version = 99")
        let before = try entries(stage)
        let refused = try await again(stage)
        #expect(
            refused.code == 78 && refused.errors.contains("was written by a newer meshgate (schema 99, this one knows 1)"), "\(refused.all)"
        )
        #expect(try entries(stage) == before)
    }

    @Test("with a changed or missing entry is named with the entry, and not one entry is dropped: exit 78")
    func middle() async throws {
        for statement in ["UPDATE entry SET wall = wall + 1 WHERE sequence = 3", "DELETE FROM entry WHERE sequence = 3"] {
            let stage = try await written()
            try edit(stage, statement)
            let before = try entries(stage)
            let refused = try await again(stage)
            #expect(refused.code == 78, "\(refused.all)")
            #expect(refused.errors.contains("journal.sqlite is damaged at entry 3: "), "\(refused.errors)")
            #expect(refused.errors.contains("entries 1 to 2 are whole. Keep the file as it is and restore the journal from a backup"))
            #expect(try entries(stage) == before)
        }
    }

    @Test("with a torn end begins without it, and says how much that was")
    func tail() async throws {
        let stage = try await written()
        let log = stage.state + "/journal.sqlite-wal"
        let handle = try FileHandle(forWritingTo: URL(fileURLWithPath: log))
        // In the middle of the last page of the last append.
        try handle.truncate(atOffset: try handle.seekToEnd() - 100)
        try handle.close()
        let second = try await ServeStage(stage.place)
        let told = try await second.coordinator.line("the journal's tail was torn and never acknowledged; it was dropped")
        #expect(told.contains("bytes="), "\(told)")
        #expect(try await second.status()["epoch"] as? Int == 2)
    }

    @Test("with a break before its end is named, with what lies behind: exit 78")
    func broken() async throws {
        let stage = try await written()
        let log = stage.state + "/journal.sqlite-wal"
        var bytes = try Data(contentsOf: URL(fileURLWithPath: log))
        bytes[bytes.count / 2] ^= 0xff
        try bytes.write(to: URL(fileURLWithPath: log))
        let refused = try await again(stage)
        #expect(refused.code == 78 && refused.errors.contains("is broken before its end"), "\(refused.all)")
        #expect(try Data(contentsOf: URL(fileURLWithPath: log)) == bytes)
    }

    @Test("that is gone, empty or something else does not make a new beginning for agents that it knew: exit 78")
    func gone() async throws {
        let stage = try await written()
        for name in ["journal.sqlite", "journal.sqlite-wal", "journal.sqlite-shm"] {
            try FileManager.default.removeItem(atPath: "\(stage.state)/\(name)")
        }
        let lost = try await again(stage)
        #expect(
            lost.code == 78 && lost.errors.contains("is empty or new, but the authority beside it has enrolled 1 agents"), "\(lost.all)"
        )
        #expect(try await again(stage).code == 78)
        for name in ["journal.sqlite", "journal.sqlite-wal", "journal.sqlite-shm"] { unlink("\(stage.state)/\(name)") }
        try Data(repeating: 0x5a, count: 9000).write(to: URL(fileURLWithPath: stage.state + "/journal.sqlite"))
        let garbage = try await again(stage)
        #expect(garbage.code == 78 && garbage.errors.contains("is not a meshgate journal"), "\(garbage.all)")
        #expect(try Data(contentsOf: URL(fileURLWithPath: stage.state + "/journal.sqlite")).count == 9000)
    }
}
