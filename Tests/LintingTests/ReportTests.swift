// SPDX-License-Identifier: Apache-2.0

import Foundation
import Linting
import MeshConfig
import Testing

@Suite("lint reports")
struct ReportTests {
    private let odd = [
        Finding(
            rule: "L-CM-1", severity: .error, path: "spec.clusters[0].id", message: "a \"quoted\"\n\u{1}\u{2028}line \\ é", fix: "id: 1"),
        Finding(rule: "L-EP-1", severity: .warning, path: "spec.clusters[1]", message: "plain"),
        Finding(rule: "L-CAP-2", severity: .info, path: "spec", message: "told"),
    ]

    private func place(_ path: String) -> (line: Int, column: Int) { path == "spec" ? (4, 1) : (18, 11) }

    @Test("the text has one line for each finding, with its place in the file")
    func text() throws {
        let broken = try LintTests.sound().replacing("id: 2", with: "id: 1", maxReplacements: 1)
        let mesh = try readMesh(text: broken, file: "m.yaml")
        #expect(
            renderText(lint(mesh.spec), file: "m.yaml", place: mesh.sources.place) == """
                m.yaml:38:11: error L-CM-2: clusters "a" and "b" both use id 1; ids mark identities, so a clash mixes up policies [fix: id: 2]

                """)
        #expect(renderText([], file: "m.yaml", place: place) == "")
    }

    @Test("the JSON is read back by another reader, control characters and all")
    func json() throws {
        let text = renderJSON(odd, file: "a b.yaml", place: place)
        let root = try #require(JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
        let findings = try #require(root["findings"] as? [[String: Any]])
        #expect(findings.map { $0["message"] as? String } == odd.map(\.message))
        #expect(findings.first?["line"] as? Int == 18 && findings.first?["fix"] as? String == "id: 1")
        #expect(root["counts"] as? [String: Int] == ["error": 1, "warning": 1, "info": 1])
        #expect(!text.unicodeScalars.contains { $0.value < 0x20 && $0 != "\n" } && !text.contains("\u{2028}"))
    }

    @Test("the SARIF log has the rules, and each result points to its rule and place")
    func sarif() throws {
        let text = renderSARIF(odd, file: "dir/a b.yaml", place: place)
        let root = try #require(JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
        #expect(root["version"] as? String == "2.1.0")
        let run = try #require((root["runs"] as? [[String: Any]])?.first)
        let driver = try #require((run["tool"] as? [String: Any])?["driver"] as? [String: Any])
        let rules = try #require(driver["rules"] as? [[String: Any]])
        #expect(rules.count == ruleCatalogue.count)
        let results = try #require(run["results"] as? [[String: Any]])
        #expect(results.map { $0["level"] as? String } == ["error", "warning", "note"])
        for result in results {
            let index = try #require(result["ruleIndex"] as? Int)
            #expect(rules[index]["id"] as? String == result["ruleId"] as? String)
            let location = try #require((result["locations"] as? [[String: Any]])?.first?["physicalLocation"] as? [String: Any])
            #expect((location["artifactLocation"] as? [String: Any])?["uri"] as? String == "dir/a%20b.yaml")
        }
    }
}
