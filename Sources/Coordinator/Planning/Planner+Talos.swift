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
