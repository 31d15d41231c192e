// SPDX-License-Identifier: Apache-2.0

import Gating
import MeshModel
import MeshTesting
import Planning
import Rehearsal
import Running
import Testing

@Suite("A teardown")
struct TeardownTests {
    private let spec: MeshSpec
    private let build: Plan
    private let rook = [StepID("east", "service-rook-ceph", "undo"), StepID("west", "service-rook-ceph", "undo")]

    init() throws {
        spec = try SmallMesh.spec()
        build = Planner.plan(spec) { _ in .zero }
    }

    private func teardown(_ scope: Purpose.Scope = .mesh) -> Plan { Planner.takingDown(spec, scope) { _ in .zero } }

    /// A mesh whose machines are Terraform's, built, and then taken down with a signature for each step that wants one.
    private func takeDown(_ scope: Purpose.Scope, _ world: RehearsedWorld, signing: Bool = true) throws -> Play {
        var play = Play(plan: Planner.takingDown(world.spec, scope) { _ in .zero }, world: world)
        #expect(PlanCheck.faults(of: play.plan).isEmpty)
        play.start()
        play.apply(run: try #require(RunID("run-2")))
        for _ in 0..<600 where play.machine.run?.isOver != true {
            for step in play.plan.steps where signing && play.machine.warrants[step.id] == nil && play.machine.losses(of: step) != nil {
                _ = play.approveLosses(of: step.id)
            }
            play.tick()
        }
        return play
    }

    private func machines() throws -> RehearsedWorld {
        var spec = spec
        spec.provision = .init(
            terraformDirectory: "tf", phases: [.init(name: "network", addresses: ["module.net"]), .init(name: "machines")])
        spec.secrets = .init(dopplerProject: "homelab", dopplerConfig: "dev")
        var play = Play(plan: Planner.plan(spec) { _ in .zero })
        play.start()
        play.apply(run: try #require(RunID("run-1")))
        for _ in 0..<600 where play.machine.run?.isOver != true { play.tick() }
        try #require(play.machine.run?.ending == .succeeded)
        return play.world
    }

    @Test("a worker leaves once Ceph has let go of it: its pods first, then its object, and a second time nothing is done")
    func nodeLeaves() throws {
        var play = Play(plan: build)
        play.start()
        play.apply(run: try #require(RunID("run-1")))
        for _ in 0..<600 where play.machine.run?.isOver != true { play.tick() }
        let node = try #require(spec.clusters[0].nodes.first { $0.role == .worker }).name
        let plan = teardown(.node(node))
        #expect(PlanCheck.faults(of: plan).isEmpty)
        #expect(plan.steps.map(\.id.text) == ["east/\(node)/workloads/undo", "east/\(node)/node/undo"])
        let controlPlane = try #require(spec.clusters[0].nodes.first { $0.role == .controlPlane }).name
        #expect(teardown(.node(controlPlane)).steps.isEmpty)

        var world = play.world
        world.osds[node] = [2]
        var leave = Play(plan: plan, world: world)
        leave.start()
        leave.apply(run: try #require(RunID("run-2")))
        for _ in 0..<30 { leave.tick() }
        guard case .held(let verdict, _)? = leave.machine.run?.steps.first?.status else { return #expect(Bool(false)) }
        #expect(verdict.reasons.map(\.gate) == [.osdsAway] && verdict.reasons[0].remedy.contains("ceph osd safe-to-destroy 2"))
        #expect(leave.world.drained.isEmpty)
        leave.world.osds = [:]
        for _ in 0..<100 where leave.machine.run?.isOver != true { leave.tick() }
        #expect(leave.machine.run?.ending == .succeeded && leave.world.drained == [node] && leave.world.unregistered == [node])

        var again = Play(plan: plan, world: leave.world)
        again.start()
        again.apply(run: try #require(RunID("run-3")))
        for _ in 0..<100 where again.machine.run?.isOver != true { again.tick() }
        #expect(again.machine.run?.ending == .succeeded && again.machine.run?.steps.allSatisfy { $0.attempts == 0 } == true)
    }

    @Test("the steps of a node that leaves are in no other plan, and not without their gate")
    func nodeLeavesChecked() throws {
        let node = try #require(spec.clusters[0].nodes.first { $0.role == .worker }).name
        let plan = teardown(.node(node))
        var other = plan.body
        other.purpose = .teardown(.mesh, of: .zero)
        #expect(PlanCheck.faults(of: Plan(body: other, digest: .zero)).count == 2)
        var ungated = plan.body
        ungated.steps[0].gates.removeAll { $0.gate == .osdsAway }
        #expect(PlanCheck.faults(of: Plan(body: ungated, digest: .zero)).count == 1)
    }

    @Test("machines stay unless they are asked for, and go last, phase by phase in the opposite order")
    func machinesLast() throws {
        let world = try machines()
        let kept = try takeDown(.mesh, world)
        #expect(kept.machine.run?.ending == .succeeded)
        #expect(kept.world.provisioned == ["network", "machines"])
        #expect(!kept.plan.steps.contains { $0.terraform != nil })

        let play = try takeDown(.everything, world)
        #expect(play.machine.run?.ending == .succeeded)
        #expect(play.world.provisioned.isEmpty)
        #expect(
            play.plan.steps.filter { $0.terraform != nil }.map(\.id.text) == [
                "mesh/provision/machines/undo", "mesh/provision/network/undo",
            ])
        let ends = play.transcript.filter { $0.hasSuffix(" done") }.compactMap { $0.split(separator: " ").dropFirst().first }
        #expect(ends.suffix(4).prefix(2) == ["mesh/provision/machines/undo", "mesh/provision/network/undo"])
        #expect(Set(ends.suffix(2)) == ["mesh/secrets/undo", "mesh/contexts/undo"])
        #expect(play.world.contextsGone && !kept.world.contextsGone)
        #expect(world.secrets == Set(SecretNames.planned(world.spec)) && play.world.secrets.isEmpty && kept.world.secrets == world.secrets)
        // Machines that go are not rebooted first.
        #expect(!play.plan.steps.contains { $0.id.text.contains("host-state") })

        // No cluster answers any more, and yet a second time there is nothing to do and nobody to be asked.
        let again = try takeDown(.everything, play.world, signing: false)
        #expect(again.machine.run?.ending == .succeeded)
        #expect(again.machine.run?.changed == 0)
    }

    /// The small mesh with an object store that Terraform brings once the clusters stand, built.
    private func objectStore() throws -> RehearsedWorld {
        var play = Play(plan: Planner.plan(try SmallMesh.withObjectStore()) { _ in .zero })
        play.start()
        play.apply(run: try #require(RunID("run-1")))
        for _ in 0..<600 where play.machine.run?.isOver != true { play.tick() }
        try #require(play.machine.run?.ending == .succeeded)
        return play.world
    }

    private func done(_ play: Play) -> [Substring] {
        play.transcript.filter { $0.hasSuffix(" done") }.compactMap { $0.split(separator: " ").dropFirst().first }
    }

    @Test("a service that Terraform brought goes under a warrant for its objects before Cilium does, with the machines or without")
    func servicePhase() throws {
        let world = try objectStore()
        #expect(world.provisioned == ["machines", "object-store"])
        let step = StepID("mesh", "service-object-store", "undo")

        let unsigned = try takeDown(.mesh, world, signing: false)
        guard case .held(let verdict, _) = unsigned.machine.run?[step]?.status else { return #expect(Bool(false), "not held") }
        #expect(verdict.reasons.map(\.code) == [.needsWarrant])
        #expect(unsigned.machine.losses(of: try #require(unsigned.plan.step(step)))?.lines == ["delete bucket.object-store"])
        #expect(unsigned.world.provisioned.contains("object-store") && unsigned.world.clusters.values.allSatisfy(\.cilium))

        let kept = try takeDown(.mesh, world)
        #expect(kept.machine.run?.ending == .succeeded)
        #expect(kept.world.provisioned == ["machines"])
        #expect(kept.plan.steps.filter { $0.terraform != nil }.map(\.id) == [step])
        let order = done(kept)
        let mine = try #require(order.firstIndex { $0 == step.text })
        for name in ["east/cilium/undo", "west/cilium/undo"] { #expect(try #require(order.firstIndex { $0 == name }) > mine) }

        let all = try takeDown(.everything, world)
        #expect(all.machine.run?.ending == .succeeded)
        #expect(all.world.provisioned.isEmpty && all.world.unplugged)
        #expect(done(all).filter { $0.contains("object-store") }.count == 1)
        #expect(all.plan.steps.filter { $0.terraform != nil }.map(\.id.text) == [step.text, "mesh/provision/machines/undo"])
        // No cluster answers any more, and nothing is left to be asked of them.
        let again = try takeDown(.everything, all.world, signing: false)
        #expect(again.machine.run?.ending == .succeeded && again.machine.run?.changed == 0)
    }

    @Test("the machines alone take no service's phase with them, and a cluster that leaves only one that is its own")
    func servicePhaseScopes() throws {
        let world = try objectStore()
        #expect(teardownSteps(world.spec, .machines) == ["mesh/provision/machines/undo"])
        let east = try #require(world.spec.clusters.first?.name)
        #expect(!teardownSteps(world.spec, .cluster(east)).contains("mesh/service-object-store/undo"))
        var own = world.spec
        own.services[0].clusters = [east]
        #expect(teardownSteps(own, .cluster(east)).contains("mesh/service-object-store/undo"))
        #expect(teardownSteps(world.spec, .step(StepID("mesh", "service-object-store"))) == ["mesh/service-object-store/undo"])
        // Whoever undoes Cilium undoes what stands on it.
        #expect(teardownSteps(world.spec, .step(StepID("east", "cilium"))).contains("mesh/service-object-store/undo"))
        let alone = try takeDown(.machines, world)
        #expect(alone.machine.run?.ending == .succeeded && alone.world.unplugged && alone.world.provisioned == ["object-store"])
    }

    private func teardownSteps(_ spec: MeshSpec, _ scope: Purpose.Scope) -> [String] {
        let plan = Planner.takingDown(spec, scope) { _ in .zero }
        #expect(PlanCheck.faults(of: plan).isEmpty)
        return plan.steps.map(\.id.text).filter { $0.contains("object-store") || $0.contains("provision") }
    }

    @Test("what a hypervisor has left of the mesh is named with the command, and the teardown waits until it is gone")
    func orphans() throws {
        var spec = try machines().spec
        let host = MeshSpec.Hypervisor(name: try #require(NodeID("pve1")), address: try #require(IPAddress("10.0.0.2")))
        spec.hypervisors = [host]
        for cluster in spec.clusters.indices {
            for node in spec.clusters[cluster].nodes.indices { spec.clusters[cluster].nodes[node].hypervisor = host.name }
        }
        var world = RehearsedWorld(spec: spec)
        world.provisioned = ["network", "machines"]
        let left = try #require(spec.members.first { !$0.node.disks.isEmpty }?.node.name)
        world.orphans = [left]
        var play = try takeDown(.machines, world)
        let step = StepID("mesh", "orphans", "undo")
        guard case .held(let verdict, _) = play.machine.run?[step]?.status else { return #expect(Bool(false), "not held") }
        #expect(verdict.reasons.map(\.gate) == [.orphans])
        #expect(verdict.reasons.first?.detail.contains(" \(left) is still on ") == true)
        #expect(play.machine.run?.steps.allSatisfy { $0.step.id == step || $0.status.isDone } == true)
        play.world.orphans = []
        for _ in 0..<60 where play.machine.run?.isOver != true { play.tick() }
        #expect(play.machine.run?.ending == .succeeded)
    }

    @Test("clusters that do not answer hold the teardown while their machines stand, and the machines alone can be destroyed")
    func dead() throws {
        var world = try machines()
        for name in world.spec.clusters.map(\.name) { world.clusters[name]?.reachable = false }
        let stuck = try takeDown(.everything, world)
        #expect(stuck.machine.run?.isOver == false)
        #expect(stuck.world.provisioned == ["network", "machines"])
        let unsigned = try takeDown(.machines, world, signing: false)
        #expect(unsigned.machine.run?.isOver == false && unsigned.world.provisioned == world.provisioned)
        let play = try takeDown(.machines, world)
        #expect(play.machine.run?.ending == .succeeded)
        #expect(play.world.provisioned.isEmpty)
    }

    @Test("a warrant for machines is for a list, and no override opens that gate")
    func machinesWarrant() throws {
        let world = try machines()
        var play = Play(plan: Planner.takingDown(world.spec, .machines) { _ in .zero }, world: world)
        play.start()
        play.apply(run: try #require(RunID("run-2")))
        for _ in 0..<10 { play.tick() }
        let step = StepID("mesh", "provision", "machines", "undo")
        let hurry = GateOverride(step: step, gate: .teardownWarrant, by: "eve", reason: "hurry", until: play.now.wall + .seconds(600))
        #expect(play.take(.override(hurry)) == .overrideImpossible(step, .teardownWarrant))
        #expect(play.approveLosses(of: step) == nil)
        // The list has grown before the step's turn to be looked at came.
        var grown = Play(plan: play.plan, world: world)
        grown.start()
        grown.apply(run: try #require(RunID("run-3")))
        for _ in 0..<10 { grown.tick() }
        let terms = TeardownTerms(
            mesh: world.spec.name, id: try #require(WarrantID(String(repeating: "b", count: 32))), plan: play.plan.digest, step: step,
            destroys: ["delete vm.other"], objects: .zero, notBefore: grown.now.wall, notAfter: grown.now.wall + .seconds(600))
        let refusal = grown.take(
            .warrant(step: step, id: terms.id, notAfter: terms.notAfter, envelope: WarrantEnvelope(text: terms.text, signatures: ["x"])))
        #expect(refusal == .warrantMismatch(step, "it names other losses than the step has"))
    }

    private func cluster(_ name: String) throws -> ClusterName { try #require(ClusterName(name)) }

    private func built() throws -> RehearsedWorld {
        var play = Play(plan: build)
        play.start()
        play.apply(run: try #require(RunID("run-1")))
        for _ in 0..<400 where play.machine.run?.isOver != true { play.tick() }
        try #require(play.machine.run?.ending == .succeeded)
        return play.world
    }

    private func begin(_ plan: Plan, _ world: RehearsedWorld) throws -> Play {
        var play = Play(plan: plan, world: world)
        play.start()
        play.apply(run: try #require(RunID("run-2")))
        return play
    }

    private func finish(_ play: inout Play, signing: Bool = true) {
        for _ in 0..<600 where play.machine.run?.isOver != true {
            if signing {
                for step in rook where play.plan.step(step) != nil && play.machine.warrants[step] == nil {
                    _ = play.approveLosses(of: step)
                }
            }
            play.tick()
        }
    }

    private let empty = RehearsedWorld.ClusterState()

    @Test("goes the opposite way: services, connections, clustermesh, Cilium, the CA, the Gateway API")
    func order() throws {
        let plan = teardown()
        #expect(PlanCheck.faults(of: plan).isEmpty)
        let order = [
            "east/service-rook-ceph/undo", "mesh/connect/undo", "east/clustermesh/undo", "east/cilium/undo", "east/cilium-ca/undo",
        ]
        let positions = order.map { name in plan.steps.firstIndex { $0.id.text == name } }
        #expect(positions.compactMap(\.self) == positions.compactMap(\.self).sorted() && !positions.contains(nil))
        // The first cluster's CA is what the others were compared with: it goes last.
        let ca = try #require(plan.step(StepID("east", "cilium-ca", "undo")))
        #expect(Set(ca.after.map(\.text)) == ["east/cilium/undo", "west/cilium-ca/undo"])
        #expect(plan.steps.filter { !$0.destroys.isEmpty }.map(\.id).sorted() == rook)
    }

    @Test("without a signature the data stays and so does what it stands on; with it nothing is left")
    func warrant() throws {
        var play = try begin(teardown(), built())
        for _ in 0..<200 { play.tick() }
        for name in spec.clusters.map(\.name) {
            #expect(play.world.clusters[name]?.ceph ?? 0 > 0)
            #expect(play.world.clusters[name]?.cilium == true)
        }
        for step in rook {
            guard case .held(let verdict, _) = play.machine.run?[step]?.status else { return #expect(Bool(false), "not held") }
            #expect(verdict.reasons.map(\.gate) == [.teardownWarrant])
        }
        finish(&play)
        #expect(play.machine.run?.ending == .succeeded)
        for name in spec.clusters.map(\.name) {
            var state = try #require(play.world.clusters[name])
            state.tested = []
            #expect(state == empty)
        }
    }

    @Test("a warrant that is refused when it is used leaves the step waiting for another")
    func refusedInUse() throws {
        var play = try begin(teardown(), built())
        for _ in 0..<60 { play.tick() }
        #expect(play.approveLosses(of: rook[0]) == nil)
        let attempt = try #require(play.machine.run?[rook[0]]?.attempts)
        play.take(.outcome(run: try #require(RunID("run-2")), step: rook[0], attempt: attempt, .refused("the warrant does not count")))
        play.tick()
        guard case .held(let verdict, _) = play.machine.run?[rook[0]]?.status else { return #expect(Bool(false), "not held") }
        #expect(verdict.reasons.map(\.code) == [.needsWarrant])
        finish(&play)
        #expect(play.machine.run?.ending == .succeeded)
    }

    @Test("a second time there is nothing to do, and nobody is asked to sign")
    func twice() throws {
        var first = try begin(teardown(), built())
        finish(&first)
        var second = try begin(teardown(), first.world)
        finish(&second, signing: false)
        #expect(second.machine.run?.ending == .succeeded)
        #expect(second.machine.run?.changed == 0)
    }

    @Test("killed after any entry of its journal it comes to the same end")
    func killed() throws {
        let world = try built()
        var whole = try begin(teardown(), world)
        finish(&whole)
        for count in stride(from: 2, to: whole.journal.count, by: 3) {
            var play = try begin(teardown(), world)
            while play.journal.count < count, play.machine.run?.isOver != true {
                for step in rook where play.machine.warrants[step] == nil { _ = play.approveLosses(of: step) }
                play.tick()
            }
            play.killCoordinator(keeping: count)
            finish(&play)
            #expect(play.machine.run?.ending == .succeeded, "killed after \(count) entries")
            #expect(play.world.clusters.values.allSatisfy { !$0.cilium && $0.authority == nil && $0.services.isEmpty && $0.ceph == 0 })
        }
    }

    @Test("one cluster leaves and the others are untouched")
    func cluster() throws {
        let three = try SmallMesh.spec(clusters: 3)
        let plan = Planner.plan(three) { _ in .zero }
        var play = Play(plan: plan)
        play.start()
        play.apply(run: try #require(RunID("run-1")))
        for _ in 0..<600 where play.machine.run?.isOver != true { play.tick() }
        try #require(play.machine.run?.ending == .succeeded)
        let leaving = three.clusters[1].name
        let before = play.world
        var leave = Play(plan: Planner.takingDown(three, .cluster(leaving)) { _ in .zero }, world: before)
        #expect(PlanCheck.faults(of: leave.plan).isEmpty)
        leave.start()
        leave.apply(run: try #require(RunID("run-2")))
        finish(&leave)
        #expect(leave.machine.run?.ending == .succeeded)
        for state in three.clusters.map(\.name) where state != leaving {
            var expected = try #require(before.clusters[state])
            expected.remotes.remove(leaving)
            #expect(leave.world.clusters[state] == expected)
        }
        #expect(leave.world.clusters[leaving]?.cilium == false && leave.world.clusters[leaving]?.remotes == [])
    }

    @Test("one step is undone with all that stands on it, and nothing else")
    func step() throws {
        let plan = teardown(.step(StepID("west", "clustermesh")))
        #expect(plan.steps.map(\.id.text) == ["mesh/connect/undo", "west/clustermesh/undo"])
        var play = try begin(plan, built())
        finish(&play)
        #expect(play.machine.run?.ending == .succeeded)
        #expect(play.world.clusters[try cluster("west")]?.apiserver == false)
        #expect(play.world.clusters[try cluster("east")]?.apiserver == true)
        #expect(teardown(.step(StepID("east", "nodes"))).steps.isEmpty == false)
    }

    @Test("a warrant for another plan, for a step that loses nothing, or an override opens nothing")
    func refused() throws {
        var play = try begin(teardown(), built())
        for _ in 0..<30 { play.tick() }
        let other = try #require(Digest(hex: String(repeating: "1", count: 64)))
        guard case .warrantMismatch = play.approveLosses(of: rook[0], plan: other) else { return #expect(Bool(false), "taken") }
        #expect(play.approveLosses(of: StepID("east", "cilium", "undo")) == .notAWipe(StepID("east", "cilium", "undo")))
        let hurry = GateOverride(
            step: rook[0], gate: .teardownWarrant, by: "eve", reason: "hurry", until: play.now.wall + .seconds(600))
        #expect(play.take(.override(hurry)) == .overrideImpossible(rook[0], .teardownWarrant))
        #expect(play.world.clusters[try cluster("east")]?.ceph ?? 0 > 0)
    }

    @Test("the second pair of eyes sees data going without a signature, and an undo in a build")
    func check() throws {
        var steps = teardown().steps
        let index = try #require(steps.firstIndex { $0.id == rook[0] })
        steps[index].gates.removeAll { $0.gate == .teardownWarrant }
        steps[index].destroys = []
        let purpose = Purpose.teardown(.mesh, of: .zero)
        let bad = Plan(body: Plan.Body(spec: spec, planner: Planner.version, steps: steps, purpose: purpose), digest: .zero)
        let faults = PlanCheck.faults(of: bad)
        #expect(
            faults.contains { $0.contains("lacks the gate G-UND-01") } && faults.contains { $0.contains("does not say what it destroys") })
        let posing = Plan(body: Plan.Body(spec: spec, planner: Planner.version, steps: teardown().steps), digest: .zero)
        #expect(PlanCheck.faults(of: posing).contains { $0.contains("whose purpose is build") })
        let mixed = Plan(body: Plan.Body(spec: spec, planner: Planner.version, steps: build.steps, purpose: purpose), digest: .zero)
        #expect(PlanCheck.faults(of: mixed).contains { $0.contains("whose purpose is teardown") })
    }
}
