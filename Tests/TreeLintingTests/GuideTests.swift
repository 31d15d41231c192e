// SPDX-License-Identifier: Apache-2.0

import Foundation
import Gating
import Linting
import Testing
import TreeLinting

/// The guide promises what catches each defect; this keeps the promise within what there is.
@Suite("the guide's tables of rules and defects")
struct GuideTests {
    private static func page(_ name: String) throws -> String {
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        return try String(contentsOf: root.appendingPathComponent("docs/guide/\(name)"), encoding: .utf8)
    }

    private static func ids(in text: some StringProtocol) -> [String] {
        text.split { $0 == "`" }.map { String($0) }.filter { $0.wholeMatch(of: /[LG]-[A-Z0-9]+-[0-9]+/) != nil }
    }

    /// Cells of the rows whose first cell fits.
    private static func rows(_ page: String, _ first: Regex<Substring>) -> [[String]] {
        page.split { $0 == "\n" }.map { line in
            line.split { $0 == "|" }.map { $0.trimmingCharacters(in: .whitespaces) }
        }.filter { cells in cells.first.map { $0.wholeMatch(of: first) != nil } ?? false }
    }

    private static let known = Set(ruleCatalogue.map(\.id) + treeRules.map(\.id) + GateID.allCases.map(\.rawValue))

    @Test("all 57 defects are there, in order, and each names rules or gates that exist, or says that it is none's")
    func defects() throws {
        let page = try Self.page("defects.md")
        let rows = Self.rows(page, /D[0-9]{2}/)
        #expect(rows.map(\.[0]) == (1...57).map { "D\($0 < 10 ? "0" : "")\($0)" })
        for row in rows {
            let ids = Self.ids(in: row[2])
            #expect(!ids.isEmpty || row[2] == "by design" || row[2] == "not caught", "\(row[0])")
            #expect(Set(ids).subtracting(Self.known) == [], "\(row[0])")
        }
    }

    @Test("what the fixture plants for a defect is what the table says")
    func fixture() throws {
        let rows = Self.rows(try Self.page("defects.md"), /D[0-9]{2}/)
        let table = Dictionary(rows.map { ($0[0], Set(Self.ids(in: $0[2]))) }, uniquingKeysWith: { first, _ in first })
        let archive = try Txtar.fixture("defects.txtar")
        for planted in archive.planted { #expect(table[planted.defect]?.contains(planted.rule) == true, "\(planted)") }
        // Every defect of which the table names a rule for trees is planted, those in pairs together.
        let trees = Set(treeRules.map(\.id))
        let visible = Set(table.filter { !$0.value.isDisjoint(with: trees) }.keys)
        #expect(visible.subtracting(archive.planted.map(\.defect)) == ["D33"])
    }

    @Test("the page on lint lists every rule once, with its severity and meaning")
    func rules() throws {
        let rows = Self.rows(try Self.page("lint.md"), /`L-[A-Z0-9]+-[0-9]+`/)
        let all = Dictionary((ruleCatalogue + treeRules).map { ($0.id, $0) }, uniquingKeysWith: { first, _ in first })
        #expect(rows.map { $0[0].replacing("`", with: "") } == all.keys.sorted())
        for row in rows {
            let rule = try #require(all[row[0].replacing("`", with: "")])
            #expect(row[1] == rule.severity.rawValue && row[3] == rule.summary, "\(rule.id)")
            // Values of a mesh file are judged when an archive of the chart is given.
            let file = ruleCatalogue.contains { $0.id == rule.id } || rule.id.hasPrefix("L-HELM")
            let tree = treeRules.contains { $0.id == rule.id }
            #expect(row[2] == (file && tree ? "both" : file ? "mesh.yaml" : "tree"), "\(rule.id)")
        }
    }
}
