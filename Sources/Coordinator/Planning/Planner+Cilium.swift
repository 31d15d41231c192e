// SPDX-License-Identifier: Apache-2.0

import Gating
import MeshModel

/// What the plan asks of Cilium's releases, of BGP and of the mesh's certificates.
extension Planner {
    /// Before Cilium is installed or upgraded.
    func releaseGates(_ cluster: MeshSpec.Cluster) -> [Requirement] {
        let config = ciliumConfig(cluster)
        let keeps = config.filter { ["cluster-name", "cluster-id", "max-connected-clusters"].contains($0.key) }
        var gates: [Requirement] = [
            .commandLineFits(cluster.name, spec.versions.cilium), .upgradeTurn(cluster.name, to: spec.versions.cilium, keeps: keeps),
        ]
        // Where Cilium is to replace it, a gate of its own wants it gone before.
        if !cluster.cilium.kubeProxyReplacement { gates.append(.kubeProxyCoherent(cluster.name, replaced: false)) }
        return gates
    }

    /// None where mesh.yaml has no BGP.
    func bgpEnds(_ cluster: MeshSpec.Cluster) -> [Requirement] {
        guard let bgp = cluster.cilium.bgp, !bgp.peers.isEmpty else { return [] }
        return [.bgpEstablished(cluster.name, peers: bgp.peers.map(\.address))]
    }

    /// The domain that the others address this cluster's server under, which the admin's own values may change.
    func domain(of cluster: MeshSpec.Cluster) -> String {
        var value = HelmValue.map(cluster.cilium.values)
        for key in ["clustermesh", "config", "domain"] {
            guard case .map(let map) = value, let next = map[key] else { return "mesh.cilium.io" }
            value = next
        }
        guard case .string(let domain) = value, !domain.isEmpty else { return "mesh.cilium.io" }
        return domain
    }

    /// How long the mesh must stay connected before the connect step is done.
    var steadyFor: TimeSpan { spec.policy.steadyFor ?? TimeSpan(.seconds(60)) }
}
