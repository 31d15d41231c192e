// SPDX-License-Identifier: Apache-2.0

import Gating
import MeshModel
import MeshTesting
import Testing

/// Which tracing policies a node's Tetragon has, as far as anybody knows.
@Suite("The judge of tracing policies")
struct PolicyJudgeTests {
    private let node: NodeID

    init() throws { node = try SmallMesh.need(NodeID("wrk-e-1")) }

    private func judge(_ tetragon: TelemetryFact.Tetragon?, age: Int = 0) -> Verdict {
        let now = Moment(wall: Timestamp(seconds: 1_800_000_000), boot: 1_000_000)
        let fact = TelemetryFact(node: node, window: TelemetryFact.fullWindow, stated: nil, traced: nil, tetragon: tetragon)
        var table = EvidenceTable()
        table.take(Evidence(subject: .node(node), probe: .telemetry, bootID: nil, takenAt: now, facts: [.telemetry(fact)]))
        return Judge(evidence: table, maxAge: .seconds(600), now: now.advanced(by: .seconds(age)))
            .judge(.policiesEnabled(node, ["no-shells", "shop/egress"]))
    }

    private func told(_ states: [String: String]?, heard: Int = 60) -> TelemetryFact.Tetragon {
        .init(heard: TimeSpan(.seconds(heard)), policies: states)
    }

    @Test("each named policy has to be there and enabled; others are no matter")
    func states() {
        let sound = ["no-shells": "enabled", "shop/egress": "enabled", "other": "load_error"]
        #expect(judge(told(sound)) == .pass)
        var states = sound
        states["shop/egress"] = nil
        // One of that name without a namespace is another policy.
        states["egress"] = "enabled"
        states["no-shells"] = "load_error"
        guard case .hold(let reasons) = judge(told(states)) else { Issue.record("two are wrong"); return }
        #expect(
            reasons.map(\.detail) == [
                "the policy no-shells of Tetragon on wrk-e-1 is not enabled but load_error",
                "Tetragon on wrk-e-1 has no policy shop/egress",
            ])
        #expect(reasons.map(\.code) == [.unhealthy, .absent])
        #expect(reasons.allSatisfy { $0.gate.rawValue == "G-TEL-06" && $0.subject == .node(node) && !$0.remedy.isEmpty })
    }

    @Test("what was not heard, not lately, or not listed is unknown")
    func unknown() {
        let sound = ["no-shells": "enabled", "shop/egress": "enabled"]
        #expect(judge(told(sound), age: 60) == .pass)
        for (tetragon, age, words) in [
            (nil, 0, "nothing was heard of Tetragon on wrk-e-1"),
            (told(sound), 61, "Tetragon on wrk-e-1 was not heard for more than 2m"),
            (told(sound, heard: 180), 0, "Tetragon on wrk-e-1 was not heard for more than 2m"),
            (told(nil), 0, "Tetragon on wrk-e-1 does not list its policies"),
            (told(sound), 121, "the last look at the telemetry of wrk-e-1 is 2m1s old"),
        ] as [(TelemetryFact.Tetragon?, Int, String)] {
            guard case .unknown(let reasons) = judge(tetragon, age: age) else { Issue.record("\(words)"); continue }
            #expect(reasons.map(\.detail) == [words] && reasons.allSatisfy { !$0.remedy.isEmpty })
        }
    }
}
