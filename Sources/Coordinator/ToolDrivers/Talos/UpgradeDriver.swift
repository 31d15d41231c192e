// SPDX-License-Identifier: Apache-2.0

import Gating
import MeshModel
import MeshSystem
import MeshTrust
import Rendering
import Running

/// Brings the machines of one Talos cluster to the planned release and image, one after the other, and stops at the first that does not come
/// back as planned.
///
///     all seen ──> every path allowed ──> etcd, machines, Ceph well ──> `upgrade` of one ──> it is back as planned, all well again ──> the next
///                       └── refused                └── refused                                └── failed, no other is touched
///
/// Control planes go first: what fails with a new release shows before workloads move. Talos drains and reboots the machine by itself, and
/// keeps its data; what `talosctl` says of it is not believed, the machine is looked at.
struct UpgradeDriver: Sendable {
    let tools: Toolbox
    let cluster: MeshSpec.Cluster
    /// As the plan's step says it.
    let wanted: Requirement.PlannedTalos
    private var version: SemanticVersion { wanted.version }
    /// Between two looks at a machine that is on its way.
    var pause = Duration.seconds(5)
    /// How long one machine may take, `talosctl`'s own waiting included.
    var patience = Duration.seconds(1200)

    /// Why no machine is touched.
    struct Refusal: Error, Hashable { let words: String }

    init(tools: Toolbox, cluster: MeshSpec.Cluster, wanted: Requirement.PlannedTalos) {
        self.tools = tools
        self.cluster = cluster
        self.wanted = wanted
    }

    func carryOut(step: StepID, deadline: Duration) async throws -> Outcome {
        guard let talos = cluster.talos else {
            return .refused(
                "mesh.yaml pins Talos \(version) and does not describe the image of \(cluster.name) (`talos:`); the plain installer would drop extensions"
            )
        }
        // Two clusters at once would take the mesh down on both sides.
        guard tools.claims.claim(Self.claim, changing: true) else {
            return .refused("another cluster's Talos is being upgraded; apply again when it has ended")
        }
        defer { tools.claims.release(Self.claim) }
        let image = talos.installImage(version, digest: sha256)
        let end = ContinuousClock.now.advanced(by: deadline)
        var done: [NodeID] = []
        while true {
            let facts = await look()
            let remaining: [MeshSpec.Node]
            switch Self.remaining(inOrder, facts, wanted) {
            case .success(let nodes): remaining = nodes
            case .failure(let why): return done.isEmpty ? .refused(why.words) : .failed(why.words)
            }
            guard let node = remaining.first else {
                return .succeeded(
                    done.isEmpty ? "every machine runs it already" : "\(done.map(\.text).joined(separator: ", ")) now run Talos v\(version)"
                )
            }
            let before = try await condition(facts)
            if let problem = before.problem {
                let words = "\(node.name) is not upgraded: \(problem)"
                return done.isEmpty ? .refused(words) : .failed(words)
            }
            if let problem = try await upgrade(node, to: image, before, step: step, until: end) { return problem }
            done.append(node.name)
        }
    }

    private static let claim = "talos-upgrade"

    private var inOrder: [MeshSpec.Node] {
        cluster.nodes.filter { $0.role == .controlPlane } + cluster.nodes.filter { $0.role != .controlPlane }
    }

    // MARK: which

    /// The machines that do not run what they should, when all can be asked and none would have to skip a minor or to go back.
    static func remaining(
        _ nodes: [MeshSpec.Node], _ facts: [NodeID: TalosFact], _ wanted: Requirement.PlannedTalos
    ) -> Result<[MeshSpec.Node], Refusal> {
        var remaining: [MeshSpec.Node] = []
        for node in nodes {
            guard let machine = facts[node.name]?.machine else { return .failure(Refusal(words: "Talos on \(node.name) does not answer")) }
            guard let running = SemanticVersion(machine.version) else {
                return .failure(Refusal(words: "\(node.name) runs \(machine.version), which is no release that is known"))
            }
            if let refusal = refusal(from: running, to: wanted.version) { return .failure(Refusal(words: "\(node.name): \(refusal)")) }
            let hasAgent = machine.extensions.contains { $0.name == Requirement.PlannedTalos.agentExtension }
            if running != wanted.version || (wanted.schematic != nil && machine.schematic != wanted.schematic)
                || (wanted.agents.contains(node.name) && !hasAgent)
            {
                remaining.append(node)
            }
        }
        return .success(remaining)
    }

    /// "This migration is only tested between adjacent minor releases" (docs.siderolabs.com, Upgrading Talos Linux, Supported upgrade paths).
    static func refusal(from running: SemanticVersion, to wanted: SemanticVersion) -> String? {
        if wanted < running { return "going back from \(running) to \(wanted) is not done here; see `talosctl rollback`" }
        guard wanted.major == running.major else { return "from \(running) to \(wanted) no way is known" }
        guard wanted.minor - running.minor > 1 else { return nil }
        return "from \(running) to \(wanted) would skip \(running.major).\(running.minor + 1); pin its latest release in mesh.yaml first"
    }

    // MARK: one machine

    /// How things stand before a machine is touched, and how they have to stand after it.
    private struct Condition {
        /// Whether pods have a network: from then on every node is ready.
        var isReady: Bool
        /// Nodes that nothing may be scheduled on, for a reason that is not ours.
        var cordoned: Set<String>
        /// Health of each CephCluster.
        var ceph: [String: String]
        var problem: String?
    }

    private func condition(_ facts: [NodeID: TalosFact]) async throws -> Condition {
        let isReady = try await hasNetwork(facts)
        var condition = Condition(isReady: isReady, cordoned: [], ceph: [:])
        condition.problem = verdict(facts, ready: isReady)
        // Without a network for pods there may be nothing in the cluster yet that could be asked or could suffer.
        guard isReady, condition.problem == nil else { return condition }
        (condition.cordoned, condition.ceph) = try await workloads()
        let sick = condition.ceph.filter { $0.value == "HEALTH_ERR" }.keys.sorted()
        if !sick.isEmpty { condition.problem = "Ceph is in HEALTH_ERR: \(sick.joined(separator: ", "))" }
        return condition
    }

    /// Where Cilium is installed and no node is ready the network is broken, which is not the same as not being there yet.
    private func hasNetwork(_ facts: [NodeID: TalosFact]) async throws -> Bool {
        if facts.values.contains(where: { $0.machine?.ready == true }) { return true }
        return try await tools.client(for: cluster).get("/apis/apps/v1/namespaces/kube-system/daemonsets/cilium") != nil
    }

    private func upgrade(
        _ node: MeshSpec.Node, to image: String, _ before: Condition, step: StepID, until end: ContinuousClock.Instant
    ) async throws -> Outcome? {
        let clock = ContinuousClock()
        let limit = min(end, clock.now.advanced(by: patience))
        guard clock.now < end else { return .failed("no time was left for \(node.name)") }
        let result = try await Talosctl(tools: tools, cluster: cluster).run(
            [node], ["upgrade", "--image", image, "--timeout", "15m"], step: step, deadline: clock.now.duration(to: limit))
        var problem: String
        while true {
            let facts = await look()
            problem = try await self.problem(node, facts, before)
            if problem.isEmpty { return nil }
            if isHopeless(result, facts[node.name]?.machine) || clock.now.advanced(by: pause) >= limit { break }
            try await clock.sleep(for: pause)
        }
        return .failed(
            "\(node.name) did not come back as planned (`talosctl upgrade` ended with \(result.exit)): \(problem). No other was upgraded")
    }

    /// Refused without having begun: the machine answers, runs what it ran, and `talosctl` says that it failed. Waiting would not change it.
    private func isHopeless(_ result: CommandResult, _ machine: TalosMachine?) -> Bool {
        guard case .exited(let code) = result.exit, code != 0, let machine else { return false }
        return machine.stage == "running" && SemanticVersion(machine.version) != version
    }

    private func problem(
        _ node: MeshSpec.Node, _ facts: [NodeID: TalosFact], _ before: Condition
    ) async throws -> String {
        let asked: Verdict = judge(facts).judge([.talosRelease(cluster.name, [node.name], wanted)])
        if !asked.passes { return asked.reasons.map(\.detail).joined(separator: "; ") }
        if let problem = verdict(facts, ready: before.isReady) { return problem }
        guard before.isReady else { return "" }
        let (cordoned, ceph): (Set<String>, [String: String])
        do {
            (cordoned, ceph) = try await workloads()
        } catch is CancellationError {
            throw CancellationError()
        } catch {
            return "\(error)"
        }
        if cordoned.contains(node.name.text), !before.cordoned.contains(node.name.text) {
            return "it is still cordoned (`kubectl uncordon \(node.name)`)"
        }
        let worse = ceph.filter { $0.value != "HEALTH_OK" && before.ceph[$0.key] == "HEALTH_OK" }
        return worse.isEmpty ? "" : "Ceph is not well again: \(worse.map { "\($0.key) \($0.value)" }.sorted().joined(separator: ", "))"
    }

    // MARK: looking

    private func look() async -> [NodeID: TalosFact] {
        let facts = await TalosObserver(tools: tools, cluster: cluster).observe()
        return facts.reduce(into: [:]) { all, fact in if case .talos(let machine) = fact { all[machine.node] = machine } }
    }

    /// The same rules as the gates have.
    private func judge(_ facts: [NodeID: TalosFact]) -> Judge {
        let now = tools.now()
        var table = EvidenceTable()
        table.take(
            Evidence(subject: .cluster(cluster.name), probe: .talos, bootID: nil, takenAt: now, facts: facts.values.map { .talos($0) }))
        return Judge(evidence: table, maxAge: .seconds(60), now: now)
    }

    private func verdict(_ facts: [NodeID: TalosFact], ready: Bool) -> String? {
        let controlPlanes = cluster.nodes.filter { $0.role == .controlPlane }.map(\.name)
        let verdict = judge(facts).judge([
            .etcdHealthy(cluster.name, members: controlPlanes), .machinesRunning(cluster.name, cluster.nodes.map(\.name), ready: ready),
        ])
        return verdict.passes ? nil : verdict.reasons.prefix(3).map(\.detail).joined(separator: "; ")
    }

    private func workloads() async throws -> (cordoned: Set<String>, ceph: [String: String]) {
        let client = try tools.client(for: cluster)
        let nodes = try await client.list("/api/v1/nodes")
        let cordoned = nodes.filter { $0["spec", "unschedulable"]?.bool == true }.compactMap { $0["metadata", "name"]?.string }
        let clusters = try await client.listIfServed("/apis/ceph.rook.io/v1/cephclusters") ?? []
        let health = clusters.map { item in
            (item["metadata", "name"]?.string ?? "?", item["status", "ceph", "health"]?.string ?? "unknown")
        }
        return (Set(cordoned), Dictionary(health, uniquingKeysWith: { first, _ in first }))
    }
}
