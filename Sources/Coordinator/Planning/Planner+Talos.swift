// SPDX-License-Identifier: Apache-2.0

import Gating
import MeshModel
import Rendering

/// Steps and requirements that only clusters of Talos machines have.
extension Planner {
    func bootstrapStepID(_ cluster: MeshSpec.Cluster) -> StepID { StepID(cluster.name.text, "bootstrap") }

    /// Where Terraform or a person has done it already there is nothing left to do.
    func bootstrapSteps(_ cluster: MeshSpec.Cluster) -> [Step] {
        guard cluster.kind == .talos else { return [] }
        let controlPlanes = Self.controlPlanes(of: cluster)
        return [
            Step(
                id: bootstrapStepID(cluster), title: "bootstrap etcd on one control plane, if no etcd is there",
                place: .cluster(cluster.name), action: .bootstrapTalos(cluster.name), after: provisionStep.map { [$0] } ?? [],
                gates: bridgeGates(cluster.nodes) + [.awaitingBootstrap(cluster.name, controlPlanes)],
                done: [.etcdBootstrapped(cluster.name, controlPlanes)],
                deadline: TimeSpan(.seconds(300)), settling: TimeSpan(.seconds(300)))
        ]
    }

    private func upgradeStepID(_ cluster: MeshSpec.Cluster) -> StepID { StepID(cluster.name.text, "talos-upgrade") }

    /// What everything that needs the machines of a cluster to stay up waits for.
    func groundStepID(_ cluster: MeshSpec.Cluster) -> StepID {
        plannedTalos(cluster) == nil ? StepID(cluster.name.text, "nodes") : upgradeStepID(cluster)
    }

    /// One cluster after the other: it is a gate and not an order of steps, so that a cluster which has nothing to upgrade waits for none.
    func upgradeSteps(_ cluster: MeshSpec.Cluster) -> [Step] {
        guard let wanted = plannedTalos(cluster) else { return [] }
        let earlier = spec.clusters.prefix { $0.name != cluster.name }.last { plannedTalos($0) != nil }
        let turn = earlier.flatMap { earlier in
            plannedTalos(earlier).map { Requirement.talosRelease(earlier.name, earlier.nodes.map(\.name), $0) }
        }
        return [
            Step(
                id: upgradeStepID(cluster), title: "bring every machine to Talos \(wanted.version), one by one",
                place: .cluster(cluster.name),
                action: .upgradeTalos(cluster.name), after: [StepID(cluster.name.text, "nodes")],
                gates: groundEnds(cluster) + (turn.map { [$0] } ?? []),
                done: [.talosRelease(cluster.name, cluster.nodes.map(\.name), wanted)],
                // The driver gives each machine twenty minutes.
                deadline: TimeSpan(.seconds(1200 * max(1, cluster.nodes.count))), settling: TimeSpan(.seconds(120)))
        ]
    }

    /// `nil` where mesh.yaml pins no release.
    private func plannedTalos(_ cluster: MeshSpec.Cluster) -> Requirement.PlannedTalos? {
        guard cluster.kind == .talos, let version = spec.versions.talos else { return nil }
        guard let talos = cluster.talos else { return .init(version: version) }
        // What is in an installer of one's own was decided when it was made; that the agent is there is what Meshgate itself needs.
        guard talos.installer == nil else { return .init(version: version, agents: cluster.nodes.filter(\.hasAgent).map(\.name)) }
        return .init(version: version, schematic: hash.map { Schematic(talos).id($0) })
    }

    /// What is true of machines that stand, before there is a network for pods.
    func groundEnds(_ cluster: MeshSpec.Cluster) -> [Requirement] {
        guard cluster.kind == .talos else { return [] }
        return [
            .etcdHealthy(cluster.name, members: Self.controlPlanes(of: cluster)),
            .machinesRunning(cluster.name, cluster.nodes.map(\.name), ready: false),
        ]
    }

    /// What Cilium relies on. It is asked before the installation, and again of what stands.
    func talosConfiguration(_ cluster: MeshSpec.Cluster) -> [Requirement] {
        guard cluster.kind == .talos else { return [] }
        var requirements: [Requirement] = [
            .talosManifests(cluster.name, Self.controlPlanes(of: cluster), proxy: !cluster.cilium.kubeProxyReplacement)
        ]
        if let port = cluster.cilium.localPort { requirements.append(.kubePrism(cluster.name, cluster.nodes.map(\.name), port: port)) }
        return requirements
    }

    /// Nodes are ready once pods have a network, and only then.
    func readyEnds(_ cluster: MeshSpec.Cluster) -> [Requirement] {
        cluster.kind == .talos ? [.machinesRunning(cluster.name, cluster.nodes.map(\.name), ready: true)] : []
    }

    static func controlPlanes(of cluster: MeshSpec.Cluster) -> [NodeID] {
        cluster.nodes.filter { $0.role == .controlPlane }.map(\.name)
    }
}
