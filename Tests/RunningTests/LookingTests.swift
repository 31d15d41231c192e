// SPDX-License-Identifier: Apache-2.0

import Gating
import MeshModel
import MeshTesting
import Planning
import Rehearsal
import Running
import Testing

@Suite("A run that only looks")
struct LookingTests {
    private let spec: MeshSpec
    private let build: Plan

    init() throws {
        spec = try SmallMesh.spec()
        build = Planner.plan(spec) { _ in .zero }
    }

    /// The world after a finished build.
    private func built() throws -> RehearsedWorld {
        var play = Play(plan: build)
        play.start()
        play.apply(run: try SmallMesh.need(RunID("run-1")))
        for _ in 0..<400 where play.machine.run?.isOver != true { play.tick() }
        try #require(play.machine.run?.ending == .succeeded)
        return play.world
    }

    private func look(at world: RehearsedWorld, onlyConfiguration: Bool = false, seconds: Int = 200) throws -> Play {
        let plan = Planner.lookingOver(spec, onlyConfiguration: onlyConfiguration) { _ in .zero }
        var play = Play(plan: plan, world: world)
        play.start()
        play.apply(run: try SmallMesh.need(RunID("run-2")))
        for _ in 0..<seconds where play.machine.run?.isOver != true { play.tick() }
        return play
    }

    private func failures(_ play: Play) -> [String] {
        (play.machine.run?.steps ?? []).compactMap {
            if case .failed(let problem, _) = $0.status { "\($0.step.id): \(problem)" } else { nil }
        }
    }

    @Test("finds a finished build as it was left, starts nothing and destroys nothing")
    func asPlanned() throws {
        let play = try look(at: built())
        #expect(play.machine.run?.ending == .succeeded)
        #expect(play.machine.run?.steps.count == build.steps.count)
        #expect(!play.journal.contains { if case .stepStarted = $0.entry { true } else { false } })
        #expect(play.plan.steps.allSatisfy { $0.destroys.isEmpty && $0.gates.isEmpty })
    }

    @Test("names what is no longer so, and everything else is still looked at")
    func changed() throws {
        var world = try built()
        let west = try SmallMesh.need(ClusterName("west"))
        world.clusters[west]?.gateway = nil
        world.clusters[west]?.remotes = []
        let play = try look(at: world)
        #expect(play.machine.run?.ending == .failed)
        let failures = failures(play)
        #expect(failures.contains { $0.hasPrefix("west/gateway-api: west has no Gateway API CRDs") })
        #expect(failures.contains { $0.hasPrefix("mesh/connect: ") && $0.contains("west is not configured to east") })
        #expect(failures.count == 2)
        #expect(play.world == world)
    }

    @Test("what cannot be seen is said after its time, and is never taken for good")
    func unseen() throws {
        var world = try built()
        let west = try SmallMesh.need(ClusterName("west"))
        world.clusters[west]?.reachable = false
        let early = try look(at: world, seconds: 100)
        #expect(early.machine.run?.isOver == false)
        let play = try look(at: world)
        #expect(play.machine.run?.ending == .failed)
        #expect(failures(play).contains { $0.contains("nothing is known after 2m") && $0.contains("the API server does not answer") })
    }

    @Test("evidence from before the question does not answer it")
    func fresh() throws {
        let plan = Planner.lookingOver(spec, onlyConfiguration: false) { _ in .zero }
        var play = Play(plan: plan, world: try built())
        play.start()
        play.apply(run: try SmallMesh.need(RunID("run-2")))
        for _ in 0..<200 where play.machine.run?.isOver != true { play.tick() }
        let west = try SmallMesh.need(ClusterName("west"))
        play.world.clusters[west]?.gateway = nil
        play.apply(run: try SmallMesh.need(RunID("run-3")))
        #expect(play.machine.run?.isOver == false)
        for _ in 0..<200 where play.machine.run?.isOver != true { play.tick() }
        #expect(play.machine.run?.ending == .failed)
    }

    @Test("drift asks after configuration only: a node that is down is none, another CA is")
    func drift() throws {
        var world = try built()
        let node = try SmallMesh.need(NodeID("wrk-e-1"))
        world.machines[node]?.online = false
        #expect(try look(at: world, onlyConfiguration: true).machine.run?.ending == .succeeded)
        let west = try SmallMesh.need(ClusterName("west"))
        world.clusters[west]?.authority = "another"
        let play = try look(at: world, onlyConfiguration: true)
        #expect(failures(play).map { $0.prefix { $0 != ":" } } == ["west/cilium-ca"])
    }

    @Test("a step that acts has no place in it, and a question none in a build")
    func check() throws {
        let mixed = Plan(
            body: Plan.Body(spec: spec, planner: Planner.version, steps: build.steps, purpose: .verify(of: .zero)), digest: .zero)
        #expect(PlanCheck.faults(of: mixed).contains { $0.contains("in a plan whose purpose is verify") })
        let looking = Planner.lookingOver(spec, onlyConfiguration: false) { _ in .zero }
        let posing = Plan(body: Plan.Body(spec: spec, planner: Planner.version, steps: looking.steps), digest: .zero)
        #expect(PlanCheck.faults(of: posing).contains { $0.contains("in a plan whose purpose is build") })
        #expect(PlanCheck.faults(of: looking).isEmpty)
    }
}
