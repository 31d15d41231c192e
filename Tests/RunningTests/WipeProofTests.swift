// SPDX-License-Identifier: Apache-2.0

import Gating
import MeshModel
import MeshTesting
import Planning
import Rehearsal
import Running
import Testing

/// A wipe is done when it was reported, is seen to be so, and is proven where a seed said to look.
@Suite("The proof of a wipe")
struct WipeProofTests {
    private let wipe = StepID("east", "wrk-e-1", "wipe-vdb")
    private let node: NodeID

    init() throws { node = try SmallMesh.need(NodeID("wrk-e-1")) }

    private func play(_ change: (inout MeshSpec) throws -> Void = { _ in }) throws -> Play {
        var spec = try SmallMesh.spec(clusters: 1, services: false)
        try change(&spec)
        var play = Play(plan: Planner.plan(spec) { _ in .zero })
        play.world.machines[node]?.contents["wrk-e-1-data"] = "ext4 'old'"
        play.start()
        play.apply(run: try SmallMesh.need(RunID("run-1")))
        return play
    }

    private func agentless(_ spec: inout MeshSpec) throws {
        let host = try SmallMesh.need(NodeID("pve-1"))
        spec.hypervisors = [.init(name: host, address: try SmallMesh.need(IPAddress("192.168.88.11")))]
        spec.clusters[0].nodes[1].agent = MeshSpec.Node.Agent.none
        spec.clusters[0].nodes[1].hypervisor = host
        spec.clusters[0].nodes[1].disks[0].wipe = .zero
    }

    private func status(_ play: Play) -> StepStatus? { play.machine.run?[wipe]?.status }

    private func tick(_ play: inout Play, _ count: Int = 40, until: (Play) -> Bool) {
        for _ in 0..<count where !until(play) { play.tick() }
    }

    private func approved(_ play: inout Play) {
        tick(&play) { if case .held = $0.machine.run?[wipe]?.status { true } else { false } }
        #expect(play.approve(wipe) == nil)
    }

    @Test("is asked for only after the report, and a wipe that passes it is done")
    func proven() throws {
        var play = try play()
        approved(&play)
        #expect(!play.machine.probesDue(now: play.now, seed: .zero).contains { $0.key.probe == .blankness })
        tick(&play) { $0.machine.run?[wipe]?.status.isDone == true }
        #expect(status(play)?.isDone == true)
        let proofs = play.journal.filter { if case .evidenceTaken(let item) = $0.entry { item.probe == .blankness } else { false } }
        #expect(proofs.count == 1)
    }

    @Test("of a disk that is blank already is never asked for: a second run reads nothing and changes nothing")
    func skipped() throws {
        var play = try play()
        play.world.machines[node]?.contents = [:]
        tick(&play) { $0.machine.run?[wipe]?.status.isDone == true }
        #expect(status(play)?.isDone == true)
        #expect(!play.journal.contains { if case .evidenceTaken(let item) = $0.entry { item.probe == .blankness } else { false } })
    }

    @Test("that finds a byte fails the step at once, however blank the inventory looks")
    func disproven() throws {
        var play = try play()
        approved(&play)
        // The wiper says that it is done, and nothing was done; the inventory is made to look blank all the same.
        play.world.lies[wipe] = .nothingDone
        play.world.hidden = ["wrk-e-1-data"]
        let began = play.seconds
        tick(&play) { if case .failed = $0.machine.run?[wipe]?.status { true } else { false } }
        guard case .failed(let problem, _)? = status(play) else { return #expect(Bool(false), "\(String(describing: status(play)))") }
        #expect(problem.contains("byte 0 (labels)") && play.seconds - began < 20)
    }

    @Test(
        "of a disk that was to be zeroed is asked for before it is called done already: blank ends are what a wipe leaves that died half way"
    )
    func halfWay() throws {
        var play = try play { $0.clusters[0].nodes[1].disks[0].wipe = .zero }
        play.world.hidden = ["wrk-e-1-data"]
        tick(&play, 20) { _ in false }
        guard case .held(let verdict, _)? = status(play) else { return #expect(Bool(false), "\(String(describing: status(play)))") }
        #expect(verdict.reasons.contains { $0.code == .needsWarrant })
        play.world.hidden = []
        play.world.machines[node]?.contents = [:]
        tick(&play, 90) { $0.machine.run?[wipe]?.status.isDone == true }
        #expect(status(play) == play.machine.run?[wipe]?.status && status(play)?.word == "unchanged")
    }

    @Test("an agent that says again and again that nobody knows fills no journal and begins no waiting anew")
    func unknownAgain() throws {
        var play = try play()
        approved(&play)
        tick(&play) { if case .running = $0.machine.run?[wipe]?.status { true } else { false } }
        let run = try SmallMesh.need(RunID("run-1"))
        play.take(.outcome(run: run, step: wipe, attempt: 1, .unknown("busy")))
        let length = play.journal.count
        for _ in 0..<50 { play.take(.outcome(run: run, step: wipe, attempt: 1, .unknown("busy"))) }
        #expect(play.journal.count == length)
        play.take(.outcome(run: run, step: wipe, attempt: 1, .failed("interrupted")))
        guard case .failed? = status(play) else { return #expect(Bool(false)) }
    }

    @Test("a stopped run whose report never came lets the next one begin after the deadline")
    func stopped() throws {
        var play = try play()
        approved(&play)
        play.world.lies[wipe] = .hangs
        tick(&play) { if case .running = $0.machine.run?[wipe]?.status { true } else { false } }
        play.take(.stop(by: "admin"))
        var machine = play.machine
        let next = Input.apply(run: try SmallMesh.need(RunID("run-2")), plan: play.plan, by: "admin")
        guard case .windingDown? = machine.refusal(of: next, now: play.now) else { return #expect(Bool(false)) }
        let late = play.now.advanced(by: .seconds(8000))
        _ = machine.take(.tick, now: late)
        #expect(machine.refusal(of: next, now: late) == nil)
    }

    @Test("of a machine without an agent comes from its hypervisor, and its disks through Talos")
    func throughTalos() throws {
        var play = try play(agentless)
        approved(&play)
        tick(&play) { $0.machine.run?[wipe]?.status.isDone == true }
        #expect(status(play)?.isDone == true)
        #expect(play.world.machines[node]?.wipes == ["wrk-e-1-data": 1])
        let host = try SmallMesh.need(NodeID("pve-1"))
        #expect(play.machine.evidence.newest[EvidenceKey(.node(host), .blankness)] != nil)
        #expect(play.machine.evidence.newest[EvidenceKey(.node(node), .host)] == nil)
    }

    @Test("through Talos does not begin when the disk holds something else than what was signed for, and begins once that was signed for")
    func changedSinceSigning() throws {
        var play = try play(agentless)
        tick(&play) { if case .held = $0.machine.run?[wipe]?.status { true } else { false } }
        // Signed for was what lay there before; it was written to since, and the hypervisor's look of now shows that.
        let id = try SmallMesh.need(WarrantID(String(repeating: "c", count: 32)))
        let identity = DiskIdentity(
            kind: .virtio, serial: "wrk-e-1-data", wwid: nil, sizeInBytes: 12 << 30, sectorSize: 512, path: "p", sequence: 0)
        let terms = WarrantTerms(
            mesh: play.plan.spec.name, id: id, plan: play.plan.digest, step: wipe, node: node, nodeKey: .zero,
            boot: try SmallMesh.need(BootID("aaaaaaaa")), store: RehearsedWorld.store, disk: identity,
            holds: ["rehearsed at byte 0: ext4 'older'"], fingerprint: .zero, method: .zero, notBefore: play.now.wall,
            notAfter: play.now.wall + .seconds(3600))
        let envelope = WarrantEnvelope(text: terms.text, signatures: ["x"])
        #expect(play.take(.warrant(step: wipe, id: id, notAfter: terms.notAfter, envelope: envelope)) == nil)
        tick(&play, 20) { $0.machine.run?[wipe]?.status.isActive == true }
        guard case .held(let verdict, _)? = status(play) else { return #expect(Bool(false), "\(String(describing: status(play)))") }
        #expect(verdict.reasons.contains { $0.code == .needsWarrant && $0.detail.contains("sees rehearsed at byte 0: ext4 'old',") })
        #expect(play.world.machines[node]?.wipes == [:])
        #expect(play.approve(wipe) == nil)
        tick(&play) { $0.machine.run?[wipe]?.status.isDone == true }
        #expect(status(play)?.isDone == true && play.world.machines[node]?.wipes == ["wrk-e-1-data": 1])
    }

    @Test("through Talos of which nobody knows the end is not called done while Talos may still be writing, however blank the disk looks")
    func unseenEnd() throws {
        var play = try play(agentless)
        approved(&play)
        tick(&play) { if case .running = $0.machine.run?[wipe]?.status { true } else { false } }
        play.killCoordinator()
        // It goes on, and the places that are looked at are zero already.
        play.world.machines[node]?.contents = [:]
        let began = play.now
        tick(&play, 300) { $0.machine.run?[wipe]?.status.isDone == true }
        guard case .verifying(.unknown, let since)? = status(play) else {
            return #expect(Bool(false), "\(String(describing: status(play)))")
        }
        let host = try SmallMesh.need(NodeID("pve-1"))
        let proof = EvidenceKey(.node(host), .blankness)
        #expect(play.machine.evidence.newest[proof] == nil, "a proof of what is being written proves nothing")

        let deadline = try SmallMesh.need(play.plan.step(wipe)).deadline.duration
        var late = play.machine
        let after = since.advanced(by: deadline + .seconds(10))
        #expect(late.take(.tick, now: after).isEmpty && late.run?[wipe]?.status.isActive == true)
        #expect(late.probesDue(now: after, seed: .zero).contains { $0.key == proof })
        // Looks of that time count.
        for order in late.probesDue(now: after, seed: .zero) {
            if let evidence = play.world.answer(order, now: after) { _ = late.take(.evidence(evidence), now: after) }
        }
        #expect(late.run?[wipe]?.status.isDone == true)
        // Without any, a person has to look.
        var silent = play.machine
        _ = silent.take(.tick, now: after.advanced(by: deadline))
        guard case .failed? = silent.run?[wipe]?.status else { return #expect(Bool(false), "\(began)") }
    }
}
