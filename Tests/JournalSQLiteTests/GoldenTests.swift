// SPDX-License-Identifier: Apache-2.0

import JournalSQLite
import MeshModel
import MeshTrust
import Running
import Testing

/// The stored form is for ever: a case or label that is renamed would make old journals unreadable. A line here never changes; new ones join.
@Suite("The stored form of entries")
struct GoldenTests {
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
        #expect(stored.count == GoldenEntries.lines.count)
        for (line, golden) in zip(stored, GoldenEntries.lines) { #expect(line == golden) }
    }
}
