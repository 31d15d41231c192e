// SPDX-License-Identifier: Apache-2.0

import Linting
import MeshConfig
import Testing
import TreeLinting

/// The one that the program uses.
let yaml: YAMLReader = readTreeYAML

@Suite("tree lint")
struct TreeLintTests {
    @Test("every planted defect is reported, as itself and on its line, and nothing else is")
    func planted() throws {
        let archive = try Txtar.fixture("defects.txtar")
        let found = lint(archive.tree, yaml: yaml).map { Txtar.Expectation(file: $0.file, line: $0.line, rule: $0.rule) }
        let (missing, surplus) = differences(archive.expectations, found)
        #expect(missing == [], "not reported")
        #expect(surplus == [], "reported and not planted")
    }

    @Test("the repaired twin of that tree has no finding")
    func repaired() throws {
        let archive = try Txtar.fixture("repaired.txtar")
        #expect(archive.expectations == [])
        #expect(lint(archive.tree, yaml: yaml).map { "\($0.file):\($0.line) \($0.rule) \($0.message)" } == [])
    }

    @Test("each rule of the catalogue for trees is planted, or has a test of its own")
    func catalogue() throws {
        let ids = treeRules.map(\.id)
        #expect(ids == ids.sorted() && Set(ids).count == ids.count)
        let planted = Set(try Txtar.fixture("defects.txtar").expectations.map(\.rule))
        #expect(planted.subtracting(ids) == [])
        #expect(Set(ids).subtracting(planted) == ["L-HELM-2", "L-KPR-2", "L-READ-1"])
    }

    @Test("a rule that both catalogues have means the same in both")
    func shared() {
        let own = Set(treeRuleCatalogue.map(\.id))
        #expect(own.isDisjoint(with: ruleCatalogue.map(\.id)))
    }

    /// Both as multisets.
    private func differences<Value: Hashable & Comparable>(_ wanted: [Value], _ found: [Value]) -> (missing: [Value], surplus: [Value]) {
        var rest = found
        let missing = wanted.filter { value in
            guard let index = rest.firstIndex(of: value) else { return true }
            rest.remove(at: index)
            return false
        }
        return (missing.sorted(), rest.sorted())
    }
}
