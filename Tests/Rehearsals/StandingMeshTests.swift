// SPDX-License-Identifier: Apache-2.0

import Gating
import MeshModel
import MeshTesting
import Planning
import Rehearsal
import Running
import Testing

/// Day 2, rehearsed: another mesh.yaml on a mesh that stands.
@Suite("A mesh that stands")
struct StandingMeshTests {
    private func plan(_ spec: MeshSpec) -> Plan { Planner.plan(spec) { _ in .zero } }

    /// What a finished run has left, taken over into the world of another spec.
    private func world(_ spec: MeshSpec, after built: MeshSpec) throws -> RehearsedWorld {
        let play = try run(built, RehearsedWorld(spec: built))
        #expect(play.machine.run?.ending == .succeeded)
        return play.world.under(spec)
    }

    private func run(_ spec: MeshSpec, _ world: RehearsedWorld, seconds: Int = 600, _ each: (inout Play) -> Void = { _ in }) throws -> Play
    {
        var play = Play(plan: plan(spec), world: world)
        play.start()
        play.apply(run: try SmallMesh.need(RunID("run-1")))
        for _ in 0..<seconds where play.machine.run?.isOver != true {
            each(&play)
            play.tick()
        }
        return play
    }

    private func changed(_ play: Play) -> [String] {
        (play.machine.run?.steps ?? []).filter { if case .done(false, _) = $0.status { true } else { false } }.map(\.step.id.text)
    }

    @Test("with one more worker only what that node needs is done, and its disk is wiped under a warrant of its own")
    func oneMoreNode() throws {
        let built = try SmallMesh.spec()
        var spec = built
        let name = try SmallMesh.need(NodeID("wrk-e-3"))
        spec.clusters[0].nodes.append(
            .init(
                name: name, role: .worker, address: try SmallMesh.need(IPAddress("192.168.15.23")),
                interfaces: [.init(name: "ens18", network: "lan-0")],
                disks: [.init(name: "vdb", serial: "wrk-e-3-data", size: .gibibytes(12))]))
        var world = try world(spec, after: built)
        world.unregistered = [name]
        world.machines[name]?.contents["wrk-e-3-data"] = "an old BlueStore label"
        let play = try run(spec, world) { play in
            for id in play.plan.steps.filter(\.takesWarrant).map(\.id) where play.machine.warrants[id] == nil {
                if case .held = play.machine.run?[id]?.status { _ = play.approve(id) }
            }
        }
        #expect(play.machine.run?.ending == .succeeded, "\(play.transcript.suffix(5))")
        #expect(changed(play) == ["east/nodes", "east/wrk-e-3/wipe-vdb", "east/service-rook-ceph"])
        #expect(play.world.machines[name]?.wipes == ["wrk-e-3-data": 1])
        #expect(play.world.machines.values.reduce(0) { $0 + $1.wipes.count } == 1)
        #expect(play.world.clusters[spec.clusters[0].name]?.ceph == 3)
        #expect(play.world.talos[spec.clusters[0].name]?.bootstraps == 1)
    }

    @Test("with one more cluster the others are only connected anew")
    func oneMoreCluster() throws {
        let play = try run(try SmallMesh.spec(clusters: 3), world(SmallMesh.spec(clusters: 3), after: SmallMesh.spec()))
        #expect(play.machine.run?.ending == .succeeded)
        let others = changed(play).filter { !$0.hasPrefix("north/") }
        #expect(others == ["mesh/connect", "connectivity/west/north"], "\(changed(play))")
    }

    @Test("with another release of Talos only the machines are upgraded, one cluster after the other")
    func upgrade() throws {
        let built = try SmallMesh.spec()
        var spec = built
        spec.versions.talos = SemanticVersion(1, 12, 1)
        var together = false
        let play = try run(spec, world(spec, after: built)) { play in
            let running = play.machine.run?.steps.filter { $0.status.isActive }.map(\.step.id.text) ?? []
            if running.count(where: { $0.hasSuffix("/talos-upgrade") }) > 1 { together = true }
        }
        #expect(play.machine.run?.ending == .succeeded, "\(play.transcript.suffix(5))")
        #expect(changed(play) == ["east/talos-upgrade", "west/talos-upgrade"])
        #expect(!together)
        for cluster in spec.clusters {
            #expect(play.world.talos[cluster.name]?.upgrades.count == 3)
        }
    }

    @Test("a bootstrap of which no answer comes is settled by looking, and etcd is begun once", arguments: 1...24)
    func bootstrapKilled(second: Int) throws {
        var play = Play(plan: plan(try SmallMesh.spec()))
        play.start()
        play.apply(run: try SmallMesh.need(RunID("run-1")))
        for tick in 0..<400 where play.machine.run?.isOver != true {
            if tick == second { play.killCoordinator() }
            play.tick()
        }
        #expect(play.machine.run?.ending == .succeeded)
        #expect(play.world.talos.values.allSatisfy { $0.bootstraps == 1 })
    }

    @Test("a control plane that cannot be seen holds the bootstrap, and nothing is sent until it can")
    func bootstrapHeld() throws {
        var play = Play(plan: plan(try SmallMesh.spec()))
        let (east, node) = (try SmallMesh.need(ClusterName("east")), try SmallMesh.need(NodeID("cp-e-1")))
        play.world.talos[east]?.silent = [node]
        play.start()
        play.apply(run: try SmallMesh.need(RunID("run-1")))
        for _ in 0..<60 { play.tick() }
        let step = try SmallMesh.need(play.plan.step(StepID("east", "bootstrap")))
        guard case .unknown(let reasons) = play.machine.gateVerdict(of: step, now: play.now) else {
            return #expect(Bool(false), "\(play.transcript)")
        }
        #expect(reasons.contains { $0.gate == .etcdBootstrap && $0.detail.contains("Talos on cp-e-1 does not answer") })
        #expect(play.machine.run?[step.id]?.status.word == "held")
        #expect(play.world.talos[east]?.bootstraps == 0)
        play.world.talos[east]?.silent = []
        for _ in 0..<400 where play.machine.run?.isOver != true { play.tick() }
        #expect(play.machine.run?.ending == .succeeded && play.world.talos[east]?.bootstraps == 1)
    }
}
