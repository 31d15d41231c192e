// SPDX-License-Identifier: Apache-2.0

import Gating
import MeshModel
import MeshTesting
import Testing

/// What Hubble saw of a connectivity test, and above all what it did not.
@Suite("The judge of Hubble's flows")
struct FlowJudgeTests {
    private let node: NodeID
    private let westNode: NodeID
    private let (east, west): (ClusterName, ClusterName)
    private let now = Moment(wall: Timestamp(seconds: 1_800_000_000), boot: 1_000_000)

    init() throws {
        (node, westNode) = (try SmallMesh.need(NodeID("wrk-e-1")), try SmallMesh.need(NodeID("wrk-w-1")))
        (east, west) = (try SmallMesh.need(ClusterName("east")), try SmallMesh.need(ClusterName("west")))
    }

    // MARK: whether Hubble is read

    private func heard(_ hubble: TelemetryFact.Hubble?, age: Int = 0) -> Verdict {
        let short = TimeSpan(.seconds(20))
        let fact = TelemetryFact(node: node, window: TelemetryFact.fullWindow, stated: short, traced: short, hubble: hubble)
        var table = EvidenceTable()
        table.take(Evidence(subject: .node(node), probe: .telemetry, bootID: nil, takenAt: now, facts: [.telemetry(fact)]))
        return Judge(evidence: table, maxAge: .seconds(600), now: now.advanced(by: .seconds(age)))
            .judge(.hubbleHeard(node, silence: TimeSpan(.seconds(30))))
    }

    @Test("a Hubble that is read passes; one that nobody heard of is unknown, one that fell silent too, and one that is away is held")
    func hubble() {
        let fresh = TelemetryFact.Hubble(heard: TimeSpan(.seconds(20)))
        #expect(heard(fresh) == .pass && heard(fresh, age: 10) == .pass)
        for (hubble, age, words) in [
            (nil, 0, "nothing was heard of Hubble on wrk-e-1"),
            (.init(heard: nil), 0, "the reader of Hubble on wrk-e-1 has said nothing for more than 30s"),
            (.init(heard: TimeSpan(.seconds(40))), 0, "the reader of Hubble on wrk-e-1 has said nothing for more than 30s"),
            (fresh, 11, "the reader of Hubble on wrk-e-1 has said nothing for more than 30s"),
            (fresh, 31, "the last look at the telemetry of wrk-e-1 is 31s old"),
        ] as [(TelemetryFact.Hubble?, Int, String)] {
            guard case .unknown(let reasons) = heard(hubble, age: age) else { Issue.record("\(words)"); continue }
            #expect(reasons.map(\.detail) == [words] && reasons.allSatisfy { $0.gate.rawValue == "G-TEL-05" && !$0.remedy.isEmpty })
        }
        let away = TelemetryFact.Hubble(heard: TimeSpan(.seconds(20)), problem: "there is no Hubble here")
        guard case .hold(let reasons) = heard(away) else { Issue.record("away"); return }
        #expect(reasons.map(\.detail) == ["Hubble of wrk-e-1 is not read: there is no Hubble here"])
        let requirement = Requirement.hubbleHeard(node, silence: TimeSpan(.seconds(30)))
        #expect(requirement.isGround && !requirement.comparesConfiguration)
        let unseen = Judge(evidence: EvidenceTable(), maxAge: .seconds(60), now: now).judge(requirement)
        guard case .unknown = unseen else { Issue.record("no evidence at all"); return }
    }

    // MARK: what it saw

    private var sound: TestFlows {
        TestFlows(witnesses: [
            .init(node: node, cluster: east, there: 4, back: 9), .init(node: westNode, cluster: west, there: 9, back: 4),
        ])
    }

    private var crossed: Requirement { .flowsCrossed(from: east, to: west, loss: 1, expected: ["POLICY_DENIED"]) }

    private func judge(_ flows: TestFlows?, tests: Int = 60) -> Verdict {
        let fact = ConnectivityFact(from: east, to: west, tests: tests, failures: 0, skipped: 1, flows: flows)
        var table = EvidenceTable()
        table.take(Evidence(subject: .cluster(east), probe: .connectivity, bootID: nil, takenAt: now, facts: [.connectivity(fact)]))
        return Judge(evidence: table, maxAge: .seconds(600), now: now).judge(crossed)
    }

    /// The one reason of a denial.
    private func denial(_ flows: TestFlows) throws -> Reason {
        guard case .deny(let reasons) = judge(flows) else {
            Issue.record("\(judge(flows))")
            throw SmallMesh.NotThere()
        }
        #expect(reasons.count == 1 && reasons.allSatisfy { $0.gate.rawValue == "G-CT-02" && !$0.remedy.isEmpty })
        return reasons[0]
    }

    @Test("flows both ways and only expected drops pass")
    func good() {
        var flows = sound
        #expect(judge(flows) == .pass)
        flows.witnesses[1].drops = [.init(reason: "POLICY_DENIED", from: east, to: west, flows: 12)]
        flows.witnesses[0].lost = 10
        #expect(judge(flows) == .pass, "one percent may be lost")
    }

    @Test("before a test, and without a count of one, the step is held and not unknown: it is the step that brings it")
    func uncounted() {
        for verdict in [judge(nil), judge(nil, tests: 0), judge(sound, tests: 0)] {
            guard case .hold(let reasons) = verdict else { Issue.record("\(verdict)"); continue }
            #expect(reasons[0].code == .absent)
        }
        let unseen = Judge(evidence: EvidenceTable(), maxAge: .seconds(60), now: now).judge(crossed)
        guard case .unknown = unseen else { Issue.record("no evidence at all"); return }
    }

    @Test("a drop that is not expected is denied, with node, direction and reason")
    func drops() throws {
        var flows = sound
        flows.witnesses[1].drops = [
            .init(reason: "POLICY_DENIED", from: east, to: west, flows: 12),
            .init(reason: "INVALID_IDENTITY", from: west, to: east, flows: 3),
        ]
        let reason = try denial(flows)
        #expect(reason.subject == .node(westNode) && reason.code == .unreachable)
        #expect(reason.detail == "Cilium on wrk-w-1 dropped 3 flows from west to east during the test: INVALID_IDENTITY")
    }

    @Test("who did not tell of the whole test, or lost too much of it, is denied: drops may be hidden there")
    func gaps() throws {
        var flows = sound
        flows.witnesses[0].problem = "nothing was heard of it"
        #expect(try denial(flows).detail == "Hubble of wrk-e-1 did not tell of the whole test: nothing was heard of it")
        flows = sound
        flows.witnesses[1].lost = 11
        #expect(try denial(flows).detail == "Hubble of wrk-w-1 lost 1.1 % of its flows during the test, and 1 % may be")
    }

    @Test("a direction counts where its flows arrive: that they left is nothing")
    func arrival() throws {
        var flows = sound
        flows.witnesses[1].there = 0
        #expect(try denial(flows).detail == "Hubble of west saw no flow from east arrive during the test")
        flows = sound
        flows.witnesses[0].back = 0
        #expect(try denial(flows).detail == "Hubble of east saw no flow from west arrive during the test")
        flows.witnesses.remove(at: 0)
        #expect(try denial(flows).detail == "no node of east has an agent that could have read its Hubble")
        guard case .deny(let reasons) = judge(TestFlows(witnesses: [])) else { Issue.record("nobody"); return }
        #expect(reasons.count == 2)
    }

    @Test("another test's flows, and a mesh full of faults: the reasons are bounded")
    func others() throws {
        var flows = sound
        flows.witnesses[0].drops = (0..<100).map { .init(reason: "R\($0)", from: east, to: west, flows: .max) }
        guard case .deny(let reasons) = judge(flows) else { Issue.record("drops"); return }
        #expect(reasons.count == 16)
        let back = Requirement.flowsCrossed(from: west, to: east, loss: 1, expected: [])
        #expect(back.needs == [EvidenceKey(.cluster(west), .connectivity)] && !back.isGround && !back.comparesConfiguration)
    }
}
