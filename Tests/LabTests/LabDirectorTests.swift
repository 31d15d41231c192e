// SPDX-License-Identifier: Apache-2.0

import Gating
import MeshModel
import Testing

@testable import Lab

@Suite("The person in a story")
struct LabDirectorTests {
    private let wipe = StepID("talos-east", "wrk-e-1", "wipe-vdb")
    private let connect = StepID("mesh", "connect")
    private let cilium = StepID("talos-east", "cilium")

    private func held(_ step: StepID, _ gate: String, _ code: String) -> LabEvent {
        .step(step, state: "held", reasons: [LabEvent.Reason(gate: gate, code: code, subject: "", detail: "why")], detail: "")
    }

    @Test("a wipe that wants a warrant is explained and approved, once")
    func approves() {
        var director = LabDirector(.dirtyDisks)
        let acts = director.react(to: held(wipe, "G-DSK-06", "needsWarrant"))
        #expect(acts == [.tell("held      talos-east/wrk-e-1/wipe-vdb: why [G-DSK-06]", .held), .explain(wipe), .approve(wipe)])
        #expect(director.react(to: held(wipe, "G-DSK-06", "needsWarrant")).isEmpty)
    }

    @Test("what a coordinator that came back asks again is signed again")
    func signsAgain() {
        var director = LabDirector(.killedAtEveryStep)
        #expect(director.react(to: held(wipe, "G-DSK-06", "needsWarrant")).contains(.approve(wipe)))
        #expect(director.react(to: .note("\(LabDirector.backAgain), epoch 7")) == [.tell("the coordinator is back, epoch 7", .plain)])
        #expect(director.react(to: held(wipe, "G-DSK-06", "needsWarrant")) == [.approve(wipe)])
        _ = director.react(to: .ended(ending: "succeeded", changed: 0))
        #expect(director.missing.isEmpty)
    }

    @Test("nobody approves a wipe in a story that has no dirty disks")
    func leavesAlone() {
        var director = LabDirector(.happy)
        #expect(
            director.react(to: held(wipe, "G-DSK-06", "needsWarrant")) == [
                .tell("held      talos-east/wrk-e-1/wipe-vdb: why [G-DSK-06]", .held)
            ])
    }

    @Test("a teardown's losses are signed for in every story, and a verification signs nothing")
    func signsLosses() {
        let undo = StepID("talos-east", "service-rook-ceph", "undo")
        var director = LabDirector(.happy, during: .destroy)
        #expect(director.react(to: held(undo, "G-TD-01", "needsWarrant")).contains(.approve(undo)))
        var look = LabDirector(.happy, during: .verify)
        #expect(!look.react(to: held(undo, "G-TD-01", "needsWarrant")).contains(.approve(undo)))
        #expect(LabOrder.undoes(undo) && !LabOrder.undoes(wipe))
    }

    @Test("evidence that is still on its way is no story")
    func waits() {
        var director = LabDirector(.tour)
        #expect(director.react(to: held(connect, "G-NET-04", "missing")).isEmpty)
        #expect(director.heldSteps.isEmpty)
    }

    @Test("the tour repairs the VLAN and kills the coordinator exactly once, though many steps run and are held")
    func tour() {
        var director = LabDirector(.tour)
        var acts: [LabDirector.Act] = []
        for step in [cilium, StepID("talos-west", "cilium"), connect] {
            acts += director.react(to: .step(step, state: "running", reasons: [], detail: ""))
            acts += director.react(to: .step(step, state: "running", reasons: [], detail: ""))
        }
        acts += director.react(to: held(connect, "G-NET-04", "unreachable"))
        acts += director.react(to: held(connect, "G-NET-04", "unreachable"))
        #expect(acts.count { $0 == .killCoordinator } == 1)
        #expect(acts.count { $0 == .repairVLAN } == 1)
        #expect(acts.count { $0 == .explain(connect) } == 1)
    }

    @Test("a refused connection is a service that is starting, not a lost VLAN")
    func refused() {
        var director = LabDirector(.missingVLAN)
        func reason(_ detail: String) -> LabEvent.Reason {
            LabEvent.Reason(gate: "G-NET-04", code: "unreachable", subject: "", detail: detail)
        }
        let both = [reason("connection refused (2 tries)"), reason("no answer (2 tries)")]
        #expect(!director.react(to: .step(connect, state: "held", reasons: both, detail: "")).contains(.repairVLAN))
        #expect(director.react(to: .step(connect, state: "held", reasons: [both[1]], detail: "")).contains(.repairVLAN))
    }

    @Test("the second apply counts what is unchanged without naming it")
    func counts() {
        var director = LabDirector(.happy, tellsUnchanged: false)
        #expect(director.react(to: .step(cilium, state: "unchanged", reasons: [], detail: "")).isEmpty)
        let end = director.react(to: .ended(ending: "succeeded", changed: 0))
        #expect(end == [.tell("the run succeeded: 0 steps changed something, 1 were already done", .good)])
    }

    @Test("each of the things that were left is taken away once, and a story that saw only one is not as promised")
    func leftovers() {
        var director = LabDirector(.leftovers)
        for leftover in LabLeftover.allCases {
            #expect(director.react(to: held(cilium, leftover.gate, "inUse")).contains(.removeLeftover(leftover)))
            #expect(!director.react(to: held(cilium, leftover.gate, "inUse")).contains(.removeLeftover(leftover)))
            #expect(director.missing.count == (leftover == .links ? 2 : 1))
        }
        _ = director.react(to: .ended(ending: "succeeded", changed: 1))
        #expect(director.missing.isEmpty)
    }

    @Test("an explanation is told without what passes, and cut where it grows long")
    func essence() {
        let lines = ["step", "gates", "  pass    G-1", "  hold    G-2"] + (0..<30).map { "  line \($0)" }
        let essence = LabCrew.essence(lines.joined(separator: "\n"))
        #expect(!essence.contains("pass") && essence.contains("hold"))
        #expect(essence.hasSuffix("  ... and 19 lines more"))
    }

    @Test(
        "each fault has its one answer",
        arguments: [
            (LabScenario.clockSkew, "G-HST-03", "skewed", LabDirector.Act.rightClock),
            (.silentTracer, "G-TEL-01", "unavailable", .startTracer), (.packetDrops, "G-TEL-03", "unreachable", .removeFirewall),
            (.missingVLAN, "G-NET-04", "unreachable", .repairVLAN), (.mtuHole, "G-NET-06", "mismatch", .repairWay),
            (.droppedUDP, "G-NET-05", "unreachable", .repairWay), (.nat, "G-NET-09", "mismatch", .repairWay),
            (.wrongGuest, "G-PVE-03", "mismatch", .repairGuest), (.caMismatch, "G-CM-02", "mismatch", .removeForeignCA),
        ])
    func answers(scenario: LabScenario, gate: String, code: String, act: LabDirector.Act) {
        var director = LabDirector(scenario)
        #expect(director.missing.count == 2, "the fault was not seen and the run has not ended")
        #expect(director.react(to: held(connect, gate, code)).contains(act))
        _ = director.react(to: .ended(ending: "succeeded", changed: 7))
        #expect(director.missing.isEmpty)
        #expect(director.changed == 7)
    }

    @Test(
        "wrong default routes are mended once; a cable is pulled under the first Cilium that is done, and plugged in where its loss is felt"
    )
    func ground() {
        var kernel = LabDirector(.missingOption)
        #expect(kernel.react(to: held(cilium, "G-HST-04", "unfit")).contains(.restoreOption))
        #expect(!kernel.react(to: held(cilium, "G-HST-04", "unfit")).contains(.restoreOption))
        var routes = LabDirector(.defaultRoutes)
        #expect(routes.react(to: held(cilium, "G-NET-02", "absent")).contains(.repairRoutes))
        #expect(!routes.react(to: held(cilium, "G-NET-02", "mismatch")).contains(.repairRoutes))
        var link = LabDirector(.lostLink)
        func done(_ step: StepID) -> LabEvent { .step(step, state: "done", reasons: [], detail: "") }
        #expect(link.react(to: done(cilium)).contains(.pullCable(cilium)))
        let other = StepID("talos-west", "cilium")
        #expect(!link.react(to: done(other)).contains(.pullCable(other)))
        #expect(!link.react(to: held(connect, "G-NET-01", "unhealthy")).contains(.plugCable), "its own gate is not what the story shows")
        let lost = LabEvent.Reason(gate: "G-NET-01", code: "unhealthy", subject: "", detail: "the ground of x has given way: ens18")
        #expect(link.react(to: .step(connect, state: "held", reasons: [lost], detail: "")).contains(.plugCable))
        _ = link.react(to: .ended(ending: "succeeded", changed: 1))
        #expect(link.missing.isEmpty)
    }

    @Test("each wrong port of a switch has its own answer, given once, and every one of them has to be seen")
    func ports() throws {
        var director = LabDirector(.vlanPorts)
        let target = VLANTarget(
            port: TrunkPort(name: "ens19"), vlan: 3000, end: .node(try #require(NodeID("cp-e-1")), at: TrunkPort(name: "ens19")))
        let facts: [(LabVLANFault, VLANFact)] = [
            (.untagged, VLANFact(target: target, link: "ens19", sent: 3, untagged: [])),
            (.silent, VLANFact(target: target, link: "ens19", sent: 3)),
            (.doubled, VLANFact(target: target, link: "ens19", sent: 3, answered: 3, there: [4000, 3000], back: [3000], untagged: [])),
            (.leaking, VLANFact(target: target, link: "ens19", sent: 3, answered: 3, there: [3000], back: [3000], untagged: [3000])),
        ]
        #expect(facts.map(\.0) == LabVLANFault.allCases)
        let node = try #require(NodeID("wrk-e-1"))
        let now = Moment(wall: Timestamp(seconds: 1_800_000_000), boot: 0)
        for (fault, fact) in facts {
            var table = EvidenceTable()
            table.take(Evidence(subject: .node(node), probe: .vlans, bootID: nil, takenAt: now, facts: [.vlan(fact)]))
            let verdict = Judge(evidence: table, maxAge: .seconds(60), now: now).judge(.tagged(node, [target]))
            // The product's own reason is what the person reads.
            let reason = try #require(verdict.reasons.first)
            #expect(LabVLANFault.allCases.filter { reason.detail.contains($0.mark) } == [fault], "\(reason.detail)")
            #expect(reason.detail.contains("ens19 of wrk-e-1") && !reason.remedy.isEmpty)
            let seen = LabEvent.Reason(gate: reason.gate.rawValue, code: reason.code.rawValue, subject: "", detail: reason.detail)
            #expect(director.react(to: .step(cilium, state: "held", reasons: [seen], detail: "")).contains(.repairPort(fault)))
            #expect(!director.react(to: .step(cilium, state: "held", reasons: [seen], detail: "")).contains(.repairPort(fault)))
        }
        _ = director.react(to: .ended(ending: "succeeded", changed: 1))
        #expect(director.missing.isEmpty)
        var blind = LabDirector(.vlanPorts)
        _ = blind.react(to: .ended(ending: "succeeded", changed: 1))
        #expect(blind.missing.count == LabVLANFault.allCases.count)
    }

    @Test("the director's words are the product's")
    func words() {
        #expect(GateID(rawValue: LabDirector.vlanGate) == .taggedFrames)
        #expect(GateID(rawValue: LabDirector.handshakeGate) == .meshHandshake)
        #expect(GateID(rawValue: LabDirector.routeGate) == .address && GateID(rawValue: LabDirector.linkGate) == .link)
        #expect(GateID(rawValue: LabDirector.guestGate) == .guestAsPlanned)
        #expect(GateID(rawValue: LabWayFault.mtuHole.gate) == .pathMTU && GateID(rawValue: LabWayFault.droppedUDP.gate) == .tunnelReach)
        #expect(GateID(rawValue: LabWayFault.nat.gate) == .sourceKept)
        #expect(GateID(rawValue: LabDirector.telemetryGate) == .telemetryFlows && Reason.Code(rawValue: "unavailable") == .unavailable)
        #expect(GateID(rawValue: LabDirector.dropGate) == .crossingsKept && Reason.Code(rawValue: "unreachable") == .unreachable)
        #expect(GateID(rawValue: LabDirector.kernelGate) == .kernel && Reason.Code(rawValue: "unfit") == .unfit)
    }

    @Test("a run that failed, or in which the promised fault did not show, is not as promised")
    func broken() {
        var failed = LabDirector(.happy)
        _ = failed.react(to: .ended(ending: "failed", changed: 0))
        #expect(failed.missing == ["the run ended as \"failed\""])
        var uneventful = LabDirector(.tour)
        _ = uneventful.react(to: .ended(ending: "succeeded", changed: 0))
        #expect(uneventful.missing.count == 3)
    }

    @Test("every scenario has a plan that can be built, and only dirty ones have something on their disks", arguments: LabScenario.allCases)
    func plans(scenario: LabScenario) throws {
        let topology = try LabTopology(try scenario.plan(directory: "/lab"))
        let dirty = topology.nodes.compactMap(\.disk).filter { $0.content != .blank }
        #expect(dirty.isEmpty == !(scenario == .tour || scenario == .dirtyDisks || scenario == .killedAtEveryStep))
        #expect(LabScenario(rawValue: scenario.rawValue) == scenario)
        #expect(!scenario.summary.isEmpty)
    }
}

@Suite("Lines of meshgate apply --output json")
struct LabEventLineTests {
    private let step = StepID("talos-east", "cilium")

    @Test("a held step comes with every reason")
    func held() {
        let line = """
            {"event":"step","run":"run-1","step":"talos-east/cilium","state":"held","title":"install","detail":"",\
            "reasons":[{"gate":"G-HST-03","subject":"wrk-e-1","code":"skewed","detail":"2m ahead","remedy":"chronyc"}]}
            """
        let reason = LabEvent.Reason(gate: "G-HST-03", code: "skewed", subject: "wrk-e-1", detail: "2m ahead")
        #expect(LabEventLine.parse(line) == .step(step, state: "held", reasons: [reason], detail: ""))
    }

    @Test("the end says how it ended and how many steps changed something")
    func end() {
        #expect(LabEventLine.parse("{\"event\":\"end\",\"ending\":\"succeeded\",\"changed\":7}") == .ended(ending: "succeeded", changed: 7))
        #expect(LabEventLine.parse("{\"event\":\"note\",\"text\":\"waiting\"}") == .note("waiting"))
    }

    @Test(
        "what a story does not need, or cannot read, is left out",
        arguments: [
            "", "not json", "{}", "{\"event\":\"begin\",\"run\":\"a\"}", "{\"event\":\"step\",\"step\":\"a b\",\"state\":\"done\"}",
        ])
    func others(line: String) { #expect(LabEventLine.parse(line) == nil) }
}
