// SPDX-License-Identifier: Apache-2.0

package import Gating
package import MeshModel
import Planning
package import Running

/// Clusters, their nodes, and what is known of the ways between them.
package struct MeshPicture: Hashable, Sendable {
    package struct Cluster: Hashable, Sendable {
        package var name: ClusterName
        package var id: Int
        package var nodes: [Node]
        /// `Cilium 1.18.5`, once it was seen.
        package var cilium: String?
        package init(name: ClusterName, id: Int, nodes: [Node], cilium: String?) {
            self.name = name
            self.id = id
            self.nodes = nodes
            self.cilium = cilium
        }
    }

    package struct Node: Hashable, Sendable {
        package var name: NodeID
        package var role: String
        package var isConnected: Bool
        package init(name: NodeID, role: String, isConnected: Bool) {
            self.name = name
            self.role = role
            self.isConnected = isConnected
        }
    }

    /// What was found on the ways between two clusters, or within one, all nodes together.
    package struct Ways: Hashable, Sendable {
        package var from: ClusterName
        package var to: ClusterName
        package var good: Int
        package var bad: Int
        /// Not measured yet, or too long ago.
        package var unknown: Int
        /// What the narrowest way carries in one piece, and what the tunnel sends, in bytes.
        package var narrowest: Int?
        package var needed: Int?
        /// Of the slowest way, half of its round trips, in microseconds.
        package var roundTrip: Int?
        /// The first thing that is wrong.
        package var problem: Reason?

        package init(
            from: ClusterName, to: ClusterName, good: Int = 0, bad: Int = 0, unknown: Int = 0, narrowest: Int? = nil, needed: Int? = nil,
            roundTrip: Int? = nil, problem: Reason? = nil
        ) {
            self.from = from
            self.to = to
            self.good = good
            self.bad = bad
            self.unknown = unknown
            self.narrowest = narrowest
            self.needed = needed
            self.roundTrip = roundTrip
            self.problem = problem
        }

        package var planned: Int { good + bad + unknown }
        package var state: State { bad > 0 ? .bad : unknown > 0 || planned == 0 ? .unknown : .good }
    }

    /// Whether clustermesh itself connects two clusters, as both ends say.
    package struct Connection: Hashable, Sendable {
        package var first: ClusterName
        package var second: ClusterName
        package var state: State
    }

    package enum State: String, Hashable, Sendable { case good, bad, unknown }

    package var clusters: [Cluster] = []
    package var hypervisors: [Node] = []
    /// Each direction on its own; a cluster to itself, too, where nodes of one are measured among each other.
    package var ways: [Ways] = []
    package var connections: [Connection] = []

    package init() {}

    /// - Parameter connected: the nodes whose agents are connected now.
    package init(machine: RunMachine, connected: Set<NodeID>, now: Moment) {
        guard let plan = machine.run?.plan else { return }
        let spec = plan.spec
        let facts = spec.clusters.map { machine.clusterFact(of: $0.name) }
        clusters = zip(spec.clusters, facts).map { cluster, fact in
            Cluster(
                name: cluster.name, id: cluster.id,
                nodes: cluster.nodes.map { Node(name: $0.name, role: $0.role.rawValue, isConnected: connected.contains($0.name)) },
                cilium: fact?.releases["kube-system/cilium"].map { "Cilium \($0.version)" })
        }
        hypervisors = spec.hypervisors.map { Node(name: $0.name, role: "hypervisor", isConnected: connected.contains($0.name)) }
        ways = Self.ways(plan, machine: machine, now: now)
        connections = Self.connections(zip(spec.clusters.map(\.name), facts))
    }

    /// What the gates themselves say of each planned way, added up by cluster.
    private static func ways(_ plan: Plan, machine: RunMachine, now: Moment) -> [Ways] {
        let owners = Dictionary(plan.spec.members.map { ($0.node.name, $0.cluster.name) }, uniquingKeysWith: { first, _ in first })
        var planned: [NodeID: Set<PathTarget>] = [:]
        for requirement in plan.steps.flatMap(\.gates) {
            switch requirement {
            case .answered(let node, let targets), .carries(let node, let targets), .healthReaches(let node, let targets),
                .untranslated(let node, _, let targets):
                planned[node, default: []].formUnion(targets)
            default: continue
            }
        }
        let judge = machine.judge(now: now)
        var sums: [Pair: Ways] = [:]
        for (node, targets) in planned.sorted(by: { $0.key < $1.key }) {
            guard let from = owners[node] else { continue }
            let facts = machine.pathFacts(of: node)
            for target in targets.sorted() {
                guard let to = owners[target.node] else { continue }
                let verdict = Verdict.all(
                    [Requirement.answered(node, [target]), .carries(node, [target]), .healthReaches(node, [target])].map(judge.judge))
                sums[Pair(from: from, to: to), default: Ways(from: from, to: to)].add(verdict, facts[target], target)
            }
        }
        return sums.sorted { $0.key < $1.key }.map(\.value)
    }

    private static func connections(_ seen: some Sequence<(ClusterName, ClusterFact?)>) -> [Connection] {
        let seen = Array(seen)
        var result: [Connection] = []
        for (index, (first, ours)) in seen.enumerated() {
            for (second, theirs) in seen.dropFirst(index + 1) {
                let ends = [ours?.clustermesh?.remotes[second.text], theirs?.clustermesh?.remotes[first.text]]
                guard ends.contains(where: { $0 != nil }) else { continue }
                let state: State = ends.contains(false) ? .bad : ends.allSatisfy({ $0 == true }) ? .good : .unknown
                result.append(Connection(first: first, second: second, state: state))
            }
        }
        return result
    }

    private struct Pair: Hashable, Comparable {
        var from: ClusterName
        var to: ClusterName
        static func < (left: Self, right: Self) -> Bool { (left.from, left.to) < (right.from, right.to) }
    }
}

extension MeshPicture.Ways {
    fileprivate mutating func add(_ verdict: Verdict, _ fact: PathFact?, _ target: PathTarget) {
        switch verdict {
        case .pass: good += 1
        case .hold, .deny:
            bad += 1
            problem = problem ?? verdict.reasons.first
        case .unknown: unknown += 1
        }
        needed = max(needed ?? 0, target.mtu)
        guard let echo = fact?.echo else { return }
        narrowest = min(narrowest ?? .max, min(echo.there, echo.back))
        roundTrip = max(roundTrip ?? 0, echo.median)
    }
}

extension RunMachine {
    fileprivate func clusterFact(of name: ClusterName) -> ClusterFact? {
        for case .cluster(let fact) in evidence.newest[EvidenceKey(.cluster(name), .cluster)]?.facts ?? [] { return fact }
        return nil
    }

    fileprivate func pathFacts(of node: NodeID) -> [PathTarget: PathFact] {
        var facts: [PathTarget: PathFact] = [:]
        for case .path(let fact) in evidence.newest[EvidenceKey(.node(node), .paths)]?.facts ?? [] { facts[fact.target] = fact }
        return facts
    }
}
