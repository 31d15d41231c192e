// SPDX-License-Identifier: Apache-2.0

import Gating
import MeshModel
import MeshTesting
import Planning
import Rehearsal
import Running
import Testing

@Suite("A service that a phase of Terraform brings")
struct ServicePhaseTests {
    private let key = EvidenceKey(.service("object-store"), .provision)

    private func play(_ spec: MeshSpec, _ world: RehearsedWorld? = nil, _ each: (inout Play) throws -> Void = { _ in }) throws -> Play {
        var play = Play(plan: Planner.plan(spec) { _ in .zero }, world: world)
        play.start()
        play.apply(run: try #require(RunID("run-1")))
        for _ in 0..<600 where play.machine.run?.isOver != true {
            try each(&play)
            play.tick()
        }
        return play
    }

    @Test("is not asked about before its clusters stand, and until then spoils nothing of what is seen of the machines")
    func askedLate() throws {
        let spec = try SmallMesh.withObjectStore()
        var askedAt: Int64?
        let play = try play(spec) { play in
            let orders = play.machine.probesDue(now: play.now, seed: .zero)
            guard askedAt == nil, orders.contains(where: { $0.key == key }) else { return }
            askedAt = play.seconds
            let cilium = spec.clusters.map { play.machine.run?[StepID($0.name.text, "cilium")]?.status.isDone }
            #expect(cilium == [true, true])
        }
        #expect(askedAt != nil)
        #expect(play.machine.run?.ending == .succeeded)
        let facts = try #require(play.machine.evidence.newest[EvidenceKey(.mesh, .provision)]?.facts)
        let phases = facts.compactMap { if case .provision(let fact) = $0 { fact.phase } else { nil } }
        #expect(phases == ["machines"])
    }

    @Test("is done when nothing is left of its phase, and a second apply changes nothing")
    func again() throws {
        let spec = try SmallMesh.withObjectStore()
        let first = try play(spec)
        #expect(first.world.provisioned == ["machines", "object-store"])
        let second = try play(spec, first.world)
        #expect(second.machine.run?.ending == .succeeded && second.machine.run?.changed == 0)
    }

    @Test("is in verify and in drift, which find what was taken away behind Terraform's back")
    func looked() throws {
        let spec = try SmallMesh.withObjectStore()
        let built = try play(spec)
        for onlyConfiguration in [false, true] {
            for isThere in [true, false] {
                var world = built.world
                if !isThere { world.provisioned.remove("object-store") }
                var play = Play(plan: Planner.lookingOver(spec, onlyConfiguration: onlyConfiguration) { _ in .zero }, world: world)
                #expect(PlanCheck.faults(of: play.plan).isEmpty)
                play.start()
                play.apply(run: try #require(RunID("run-2")))
                for _ in 0..<600 where play.machine.run?.isOver != true { play.tick() }
                let status = try #require(play.machine.run?[StepID("mesh", "service-object-store")]?.status)
                #expect(status.isDone == isThere, "\(status)")
                #expect(play.machine.run?.ending == (isThere ? .succeeded : .failed))
            }
        }
    }

    @Test("what a service is configured to talk to is said of its step, and a host that is not listed keeps it from being done")
    func egress() throws {
        var spec = try SmallMesh.withObjectStore()
        spec.services[0] = .init(
            name: "robusta", source: .chart(repository: "https://charts.example", name: "robusta", version: "1.0.0"),
            clusters: [spec.clusters[0].name], egress: [try #require(HostPattern("*.robusta.dev"))])
        spec.provision = nil
        let step = StepID("east", "service-robusta")
        var world = RehearsedWorld(spec: spec)
        world.egress["robusta"] = Set(["relay.robusta.dev", "exfil.example"].compactMap(HostName.init))
        let held = try play(spec, world)
        let record = try #require(held.machine.run?[step])
        #expect(!record.status.isDone)
        let reasons = held.machine.judge(now: held.now).judge(record.step.done).reasons
        #expect(reasons.map(\.gate.rawValue) == ["G-D2-04"])
        #expect(
            held.machine.remarks(on: record.step) == [
                "robusta on east is configured to talk to exfil.example, relay.robusta.dev outside of the cluster"
            ])

        world.egress["robusta"]?.remove(try #require(HostName("exfil.example")))
        let play = try play(spec, world)
        #expect(play.machine.run?[step]?.status.isDone == true)
        #expect(
            play.machine.remarks(on: record.step) == ["robusta on east is configured to talk to relay.robusta.dev outside of the cluster"])
        #expect(play.machine.remarks(on: try #require(play.plan.step(StepID("east", "cilium")))).isEmpty)
        // Without a list it is recorded and holds nobody up.
        spec.services[0].egress = nil
        world.egress["robusta"] = Set(["exfil.example"].compactMap(HostName.init))
        var recorded = RehearsedWorld(spec: spec)
        recorded.egress = world.egress
        #expect(try self.play(spec, recorded).machine.run?[step]?.status.isDone == true)
    }
}
