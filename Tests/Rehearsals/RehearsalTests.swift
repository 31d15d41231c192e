// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import MeshModel
import MeshTesting
import Planning
import Rehearsal
import Testing

/// Each script in Scripts/ has a golden transcript beside it. A change of a decision shows here as a change of a line.
@Suite("Rehearsals")
struct RehearsalTests {
    private static let folder = String(#filePath.prefix(upTo: #filePath.lastIndex(of: "/") ?? #filePath.endIndex)) + "/Scripts"

    private static var scripts: [String] {
        get throws {
            try FileManager.default.contentsOfDirectory(atPath: folder).filter { $0.hasSuffix(".script") }.sorted()
        }
    }

    private func read(_ name: String) throws -> String {
        guard let data = FileManager.default.contents(atPath: Self.folder + "/" + name) else { throw SmallMesh.NotThere() }
        return String(decoding: data, as: UTF8.self)
    }

    @Test("play as their golden transcripts say", arguments: try RehearsalTests.scripts)
    func golden(name: String) throws {
        var spec = name.hasPrefix("terraform-") ? try SmallMesh.withObjectStore() : try SmallMesh.spec()
        if name.hasPrefix("migration-") { spec.policy.migratesCA = true }
        if name.hasPrefix("telemetry-") { spec.policy.telemetry = .init(executions: true, drops: ["NETFILTER_DROP"], resent: 2) }
        if name == "telemetry-hubble-flows.script" { spec.policy.telemetry?.flows = .init() }
        if name == "telemetry-policies.script" { spec.policy.telemetry?.policies = ["no-shells", "shop/egress"] }
        let plan = Planner.plan(spec) { _ in .zero }
        let play = try Script(parsing: try read(name)).play(plan)
        let text = play.transcript.joined(separator: "\n") + "\n"
        let golden = name.replacing(".script", with: ".golden")
        // MESHGATE_GOLDEN=write records anew; the change is then read in the diff.
        if ProcessInfo.processInfo.environment["MESHGATE_GOLDEN"] == "write" {
            try Data(text.utf8).write(to: URL(filePath: Self.folder + "/" + golden))
        }
        #expect(text == (try read(golden)), "\(name) plays otherwise than \(golden)")
    }

    @Test(
        "name the line of what cannot be played",
        arguments: [
            ("at 0s start", "line 1: the last line must be"),
            ("at 5s start\nat 1s apply\nat 9s end", "line 2: 1s comes before"),
            ("at soon start\nat 9s end", "line 1: a line reads"),
            ("at 0s dance\nat 9s end", "line 1: \"dance\" is no direction"),
            ("at 0s clock nobody 1s\nat 9s end", "line 1: the mesh has no node nobody"),
            ("at 0s approve east/nothing\nat 9s end", "line 1: the plan has no step east/nothing"),
        ])
    func faults(text: String, problem: String) throws {
        let plan = Planner.plan(try SmallMesh.spec()) { _ in .zero }
        let fault = #expect(throws: Script.Fault.self) { _ = try Script(parsing: text).play(plan) }
        #expect(fault?.description.hasPrefix(problem) == true)
    }
}
