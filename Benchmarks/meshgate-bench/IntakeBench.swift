// SPDX-License-Identifier: Apache-2.0

import Gating
import MeshModel
import MeshSystem
import MeshTesting
import MeshTrust
import Planning
import Running
import Synchronization

/// A run of the whole mesh is going, and every node answers one probe at once: how long until all is decided? The journal takes no time
/// here, so this is the cost of the rules themselves: refusal, decision, every gate that an answer concerns, the snapshot.
struct IntakeBench {
    let clusters: Int
    let nodes: Int
    private static let rounds = 5

    func run() async throws {
        let spec = makeLargeMesh(clusters: clusters, nodesPerCluster: nodes).spec
        let plan = try Planner.plan(spec) { body in sha256(try CanonicalJSON.encode(body)) }
        guard let run = RunID("bench"), let boot = BootID("4be07bbd-1f4b-4f0c-8d8e-2f6a3b1c9d10") else { throw BenchError.usage }
        let controller = RunController(
            machine: RunMachine(), head: .empty, journal: NoJournal(), hands: NoHands(), now: { SystemClock.now() }, seed: { .zero },
            committed: { _ in })
        let loop = Task { try await controller.run(boot: boot) }  // cancelled below
        defer { loop.cancel() }
        try await controller.submit(.apply(run: run, plan: plan, by: "bench"))
        let load = Machine.load
        let names = spec.clusters.flatMap { $0.nodes.map(\.name) }
        var walls: [Double] = []
        var ticks: [Double] = []
        for round in 0...Self.rounds {
            let start = Machine.now()
            try await withThrowingTaskGroup(of: Void.self) { group in
                for name in names {
                    group.addTask {
                        let fact = HostFact(
                            hostname: name.text, bootID: boot, uptime: TimeSpan(.seconds(Int64(1000 + round))),
                            kernelRelease: "6.12.52-talos",
                            machine: "x86_64", agentVersion: "0.1.0")
                        let evidence = Evidence(
                            subject: .node(name), probe: .host, bootID: boot, takenAt: SystemClock.now(), facts: [.host(fact)])
                        try await controller.submit(.evidence(evidence))
                    }
                }
                try await group.waitForAll()
            }
            let wall = Machine.now() - start
            let ticking = Machine.now()
            try await controller.tick()
            if round > 0 {
                walls.append(wall * 1000)
                ticks.append((Machine.now() - ticking) * 1000)
            }
            if wall > 20 { break }
        }
        let wall = Samples(walls)
        Machine.row(
            "\(clusters)", "\(names.count)", "\(plan.steps.count)", wall.median.text(1), wall.range(0),
            (wall.median * 1000 / Double(names.count)).text(1), Samples(ticks).median.text(1), load)
    }
}

/// Takes everything and keeps nothing.
private final class NoJournal: Journal {
    private let last = Mutex(JournalHead.empty)
    func append(_ entries: [JournalEntry], at: Moment) async throws -> JournalHead {
        last.withLock { head in
            head = JournalHead(sequence: head.sequence + UInt64(entries.count), hash: .zero)
            return head
        }
    }
    func replay(_ body: (JournalRecord) throws -> Void) async throws {}
    func hash(at sequence: UInt64) async throws -> Digest? { nil }
}
