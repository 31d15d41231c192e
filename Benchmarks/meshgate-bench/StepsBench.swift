// SPDX-License-Identifier: Apache-2.0

import Gating
import JournalSQLite
import MeshModel
import MeshSystem
import MeshTesting
import MeshTrust
import Planning
import Rehearsal
import Running
import Synchronization

/// A whole run with the real loop, the real journal and the real second hand, over a rehearsed world in which each tool takes a given time and
/// a look takes none: what is left beside the tools is what Meshgate adds.
///
/// The shortest that the run can take is the longest chain of steps that wait for each other; the sum of all is what one thing after the other
/// would take.
struct StepsBench {
    let clusters: Int
    /// What each step's tool takes, in milliseconds.
    let toolTime: Int
    /// How many times longer the tools of the last cluster take.
    let slowness: Int
    let directory: String
    private static let rounds = 3

    func run() async throws {
        var spec = makeLargeMesh(clusters: clusters, nodesPerCluster: 3).spec
        let names = spec.clusters.map(\.name)
        // Waiting on purpose until a mesh is steady is no work of ours.
        spec.policy.steadyFor = TimeSpan(.zero)
        spec.services = ServiceCatalogue.all.compactMap { known in
            if case .chart(let repository, let name, let version) = known.origin {
                return .init(
                    name: known.name, source: .chart(repository: repository, name: name, version: version ?? "1.2.3"), clusters: names)
            }
            return nil
        }
        let plan = try Planner.plan(spec) { body in sha256(try CanonicalJSON.encode(body)) }
        let load = Machine.load
        var walls: [Double] = []
        var carriedOut: Set<StepID> = []
        for round in 0..<Self.rounds {
            let (wall, steps) = try await once(plan, round)
            walls.append(wall * 1000)
            carriedOut = steps
        }
        let bounds = Bounds(plan) { carriedOut.contains($0.id) ? time($0) : 0 }
        let wall = Samples(walls)
        let added = walls.map { ($0 - bounds.chain) / Double(bounds.stepsInChain) }
        Machine.row(
            "\(clusters)", "\(plan.steps.count)", "\(toolTime)", "\(slowness)", (bounds.sum / 1000).text(1), (bounds.chain / 1000).text(2),
            "\(bounds.stepsInChain)", (wall.median / 1000).text(2), (wall.median / bounds.chain).text(2), Samples(added).median.text(0),
            Samples(added).range(0), load)
    }

    /// In milliseconds.
    private func time(_ step: Step) -> Double {
        // Steps of a cluster are called `CLUSTER/...`.
        let isSlow = step.id.text.hasPrefix("c-\(clusters)/")
        return Double(toolTime * (isSlow ? slowness : 1))
    }

    /// How long the run took, and the steps that had something to do.
    private func once(_ plan: Plan, _ round: Int) async throws -> (seconds: Double, carriedOut: Set<StepID>) {
        let path = "\(directory)/steps-\(clusters)-\(slowness)-\(round).sqlite"
        let journal = try SQLiteJournal.open(path: path, digester: sha256)
        guard let run = RunID("bench"), let boot = BootID("4be07bbd-1f4b-4f0c-8d8e-2f6a3b1c9d10") else { throw BenchError.usage }
        let world = RehearsedTools(RehearsedWorld(spec: plan.spec)) { .milliseconds(Int64(time($0))) }
        let controller = RunController(
            machine: RunMachine(), head: .empty, journal: journal, hands: world, now: { SystemClock.now() }, seed: { .zero },
            committed: { _ in })
        let start = Machine.now()
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await controller.run(boot: boot) }
            group.addTask { await world.work(for: controller) }
            group.addTask {
                while !Task.isCancelled {
                    try await Task.sleep(for: .seconds(1))
                    try await controller.tick()
                }
            }
            try await controller.submit(.apply(run: run, plan: plan, by: "bench"))
            try await controller.tick()
            while controller.snapshot.run?.isOver != true { try await Task.sleep(for: .milliseconds(2)) }
            group.cancelAll()
            do { try await group.waitForAll() } catch is CancellationError {}
        }
        guard controller.snapshot.run?.ending == .succeeded else { throw BenchError.failed("the run did not succeed") }
        return (Machine.now() - start, world.carriedOut.withLock { $0 })
    }

    /// What no scheduler can beat, and what none should reach.
    private struct Bounds {
        var sum = 0.0
        var chain = 0.0
        var stepsInChain = 0

        init(_ plan: Plan, time: (Step) -> Double) {
            var ends: [StepID: (at: Double, steps: Int)] = [:]
            for step in plan.steps {
                let own = time(step)
                let before = step.after.compactMap { ends[$0] }.max { $0.at < $1.at } ?? (0, 0)
                let end = (at: before.at + own, steps: before.steps + (own > 0 ? 1 : 0))
                ends[step.id] = end
                sum += own
                if end.at > chain { (chain, stepsInChain) = (end.at, end.steps) }
            }
        }
    }
}
