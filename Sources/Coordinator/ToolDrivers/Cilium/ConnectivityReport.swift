// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import MeshModel
import MeshSystem

/// The kept JUnit report of one connectivity test, and for which plan it ran. A report of another plan proves nothing about this one.
struct ConnectivityReport: Sendable {
    let tools: Toolbox
    let from: ClusterName
    let to: ClusterName

    private var stem: String { tools.workDirectory + "/connectivity-\(from)-to-\(to)" }
    var junitPath: String { stem + ".xml" }
    private var planPath: String { stem + ".plan" }
    /// What Hubble saw meanwhile.
    private var flowsPath: String { stem + ".flows.json" }
    private static let longestFlows = 16 << 20

    func forget() throws {
        try tools.files.remove(planPath)
        try tools.files.remove(flowsPath)
        try tools.files.remove(junitPath)
    }

    func keep(_ flows: TestFlows) throws { try tools.files.write(Array(try JSONEncoder().encode(flows)), to: flowsPath) }

    func remember(plan: Digest) throws { try tools.files.write(Array(plan.hex.utf8), to: planPath) }

    /// What the report says; zero tests when there is none for this plan.
    func fact(plan: Digest) throws -> ConnectivityFact {
        let none = ConnectivityFact(from: from, to: to, tests: 0, failures: 0, skipped: 0)
        guard let mark = try tools.files.read(planPath, limit: 128), String(decoding: mark, as: UTF8.self) == plan.hex,
            let report = try tools.files.read(junitPath, limit: 16 << 20)
        else { return none }
        let counts = Self.counts(String(decoding: report, as: UTF8.self))
        // One that cannot be read is none, and the test is repeated where it is asked for.
        let flows = try tools.files.read(flowsPath, limit: Self.longestFlows).flatMap {
            try? JSONDecoder().decode(TestFlows.self, from: Data($0))
        }
        return ConnectivityFact(
            from: from, to: to, tests: counts.tests, failures: counts.failures, skipped: counts.skipped, flows: flows)
    }

    /// Counts `<testcase` elements by their status. The CLI writes repeated attributes, which no strict XML parser accepts, so only the
    /// element starts are looked at.
    static func counts(_ xml: String) -> (tests: Int, failures: Int, skipped: Int) {
        var result = (tests: 0, failures: 0, skipped: 0)
        for part in xml.split(separator: "<") where part.hasPrefix("testcase") {
            let head = part.prefix { $0 != ">" }
            result.tests += 1
            if head.contains("status=\"failed\"") || head.contains("status=\"error\"") { result.failures += 1 }
            if head.contains("status=\"skipped\"") { result.skipped += 1 }
        }
        return result
    }
}
