// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import JournalSQLite
import MeshModel
import MeshTrust
import Running
import Testing

/// The stored form is for ever: a case or label that is renamed would make old journals unreadable. A line here never changes; new ones join.
@Suite("The stored form of entries")
struct GoldenTests {
    private static let path = String(#filePath.prefix(upTo: #filePath.lastIndex(of: "/") ?? #filePath.endIndex)) + "/Golden/entries.txt"

    @Test("every kind of entry is stored as it always was, and is understood again")
    func golden() async throws {
        let scratch = try ScratchDirectory()
        let samples = try SampleEntries()
        let entries = try samples.all()
        do {
            let journal = try SQLiteJournal.open(path: scratch.file("journal.db"), digester: sha256)
            _ = try await journal.append(entries, at: samples.noon)
        }
        let stored = try DatabaseEdit.texts(
            scratch.file("journal.db"), "SELECT kind || ' ' || CAST(body AS TEXT) FROM entry ORDER BY sequence")
        // MESHGATE_GOLDEN=write records anew; the change is then read in the diff.
        if ProcessInfo.processInfo.environment["MESHGATE_GOLDEN"] == "write" {
            try Data((stored.joined(separator: "\n") + "\n").utf8).write(to: URL(filePath: Self.path))
        }
        let golden = String(decoding: try Data(contentsOf: URL(filePath: Self.path)), as: UTF8.self).split(separator: "\n").map(String.init)
        #expect(stored.count == golden.count)
        for (line, golden) in zip(stored, golden) { #expect(line == golden) }
    }
}
