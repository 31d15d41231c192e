// SPDX-License-Identifier: Apache-2.0

package import MeshModel
import Running

/// The Talos machines of one rehearsed cluster, as far as decisions depend on them.
package struct RehearsedTalos: Hashable, Sendable {
    /// How often etcd was begun. More than once would be two clusters under one name.
    package var bootstraps = 0
    /// What each machine runs.
    package var versions: [NodeID: SemanticVersion]
    /// Machines that were upgraded, in order.
    package var upgrades: [NodeID] = []
    /// Machines whose API does not answer.
    package var silent: Set<NodeID> = []
    private let controlPlanes: [NodeID]

    init(_ cluster: MeshSpec.Cluster, of spec: MeshSpec) {
        let version = spec.versions.talos ?? SemanticVersion(1, 11, 3)
        versions = Dictionary(cluster.nodes.map { ($0.name, version) }, uniquingKeysWith: { first, _ in first })
        controlPlanes = cluster.nodes.filter { $0.role == .controlPlane }.map(\.name)
    }

    /// As the driver does: with nothing there, and never without having seen every control plane.
    mutating func bootstrap() -> Outcome {
        if bootstraps > 0 { return .succeeded("etcd has members already; nothing was sent") }
        if let hidden = controlPlanes.first(where: silent.contains) { return .refused("\(hidden) cannot be seen") }
        bootstraps += 1
        return .succeeded("exit code 0")
    }

    mutating func upgrade(_ nodes: [NodeID], to version: SemanticVersion) {
        for node in nodes where versions[node] != version {
            versions[node] = version
            upgrades.append(node)
        }
    }

    /// Takes over what stood before; machines that are new stay new.
    mutating func keep(_ old: RehearsedTalos) {
        bootstraps = old.bootstraps
        versions.merge(old.versions.filter { versions[$0.key] != nil }) { _, old in old }
    }

    /// - Parameter ready: whether the nodes have a network for pods.
    func fact(_ node: NodeID, ready: Bool) -> TalosFact {
        guard !silent.contains(node) else { return TalosFact(node: node, answer: .silent("connection refused")) }
        let isControlPlane = controlPlanes.contains(node)
        let unmet = ready ? [] : [TalosMachine.Condition(name: "nodeReady", reason: "node \"\(node)\" is not ready")]
        return TalosFact(
            node: node,
            answer: .machine(
                TalosMachine(
                    version: "v\(versions[node] ?? SemanticVersion(0, 0, 0))", stage: "running", ready: ready, unmet: unmet,
                    kubePrism: .init(endpoint: "127.0.0.1:7445", healthy: true),
                    manifests: isControlPlane ? .init(proxyEnabled: false, flannelEnabled: false) : nil,
                    etcd: isControlPlane ? etcd(node) : nil)))
    }

    private func etcd(_ node: NodeID) -> EtcdFact {
        guard bootstraps > 0 else { return EtcdFact(service: .init(state: "Preparing", isSettled: true, hasData: false)) }
        let members = controlPlanes.map { EtcdFact.Member(id: id(of: $0), hostname: $0.text, isLearner: false) }
        return EtcdFact(
            members: members,
            status: .init(
                member: id(of: node), leader: members[0].id, raftTerm: 2, unapplied: 0, isLearner: false, errors: ""))
    }

    private func id(of node: NodeID) -> String { encodeHex(Array(node.text.utf8.suffix(8))) }
}

extension RehearsedWorld {
    /// The same world under another spec: what stands stays, and what is new is as at the beginning.
    package func under(_ spec: MeshSpec) -> RehearsedWorld {
        var world = RehearsedWorld(spec: spec)
        world.machines.merge(machines) { _, old in old }
        world.clusters.merge(clusters) { _, old in old }
        for (name, old) in talos { world.talos[name]?.keep(old) }
        world.provisioned = provisioned
        world.egress = egress
        return world
    }

    func machines(_ name: ClusterName, _ state: ClusterState) -> [Fact] {
        (spec.cluster(name)?.nodes ?? []).compactMap { node in talos[name].map { .talos($0.fact(node.name, ready: state.cilium)) } }
    }
}
