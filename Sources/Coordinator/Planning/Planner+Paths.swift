// SPDX-License-Identifier: Apache-2.0

import Gating
import MeshModel

/// What the plan asks of the ways between nodes.
extension Planner {
    private var sample: PeerSample { PeerSample(sizes: spec.clusters.map(\.nodes.count)) }

    /// The port that the mesh will use of a node's peers in other clusters.
    func reachTargets(of node: Int, in cluster: Int) -> [ReachTarget] {
        sample.peers(of: .init(cluster: cluster, node: node)).map { place in
            let other = spec.clusters[place.cluster]
            let peer = other.nodes[place.node]
            return ReachTarget(node: peer.name, address: peer.address, port: reachPort(of: other))
        }
    }

    /// Before clusters are connected: what shows the nodes a certificate that their cluster does not trust is never connected to.
    func handshakeGate(_ node: Int, in cluster: Int) -> [Requirement] {
        let (own, (targets, balanced)) = (spec.clusters[cluster], servers(for: node, in: cluster))
        guard !(targets.isEmpty && balanced.isEmpty) else { return [] }
        return [.handshakes(own.nodes[node].name, of: own.name, targets, balanced: balanced)]
    }

    /// Before a CA is dropped: nobody shows a certificate of it any more.
    func renewedGate(_ node: Int, in cluster: Int) -> [Requirement] {
        let (own, (targets, balanced)) = (spec.clusters[cluster], servers(for: node, in: cluster))
        guard !(targets.isEmpty && balanced.isEmpty) else { return [] }
        return [.serversRenewed(own.nodes[node].name, of: own.name, targets, balanced: balanced)]
    }

    /// The API servers of other clusters that a node speaks to.
    func servers(for node: Int, in cluster: Int) -> (targets: [HandshakeTarget], balanced: [BalancedServer]) {
        var targets: [HandshakeTarget] = []
        var balanced: [BalancedServer] = []
        for place in sample.peers(of: .init(cluster: cluster, node: node)) {
            let other = spec.clusters[place.cluster]
            let name = "\(other.name).\(domain(of: other))"
            if other.cilium.clustermesh.serviceType == .nodePort, let port = other.cilium.clustermesh.nodePort {
                let address = other.nodes[place.node].address
                targets.append(HandshakeTarget(cluster: other.name, address: address, port: UInt16(clamping: port), serverName: name))
            } else {
                let server = BalancedServer(cluster: other.name, serverName: name)
                if !balanced.contains(server) { balanced.append(server) }
            }
        }
        return (targets, balanced)
    }

    /// Before Cilium stands on them. Its own port is free then, and a way that is too narrow, lossy or translated shows here and not as pods
    /// that hang.
    func wayGates(_ cluster: MeshSpec.Cluster) -> [Requirement] {
        guard let index = spec.clusters.firstIndex(where: { $0.name == cluster.name }) else { return [] }
        return cluster.nodes.enumerated().flatMap { place, node -> [Requirement] in
            guard node.hasAgent else { return [] }
            let own = PeerSample.Place(cluster: index, node: place)
            let targets = (sample.siblings(of: own) + sample.peers(of: own)).map { way(from: own, to: $0) }
            guard !targets.isEmpty else { return [] }
            let measured = targets.filter { $0.port != nil }
            let gates: [Requirement] =
                measured.isEmpty
                ? [] : [.answered(node.name, measured), .carries(node.name, measured), .untranslated(node.name, node.address, measured)]
            return gates + [.healthReaches(node.name, targets)]
        }
    }

    /// Before clusters are connected: what was true of the ways to other clusters still is.
    func stillOpen(_ node: Int, in cluster: Int) -> [Requirement] {
        let own = PeerSample.Place(cluster: cluster, node: node)
        let measured = sample.peers(of: own).map { way(from: own, to: $0) }.filter { $0.port != nil }
        let name = spec.clusters[cluster].nodes[node].name
        return measured.isEmpty ? [] : [.answered(name, measured), .carries(name, measured)]
    }

    /// Only an agent answers datagrams. The smaller of both ends' packets has to get through: larger ones are not sent to it.
    private func way(from own: PeerSample.Place, to place: PeerSample.Place) -> PathTarget {
        let (here, there) = (spec.clusters[own.cluster], spec.clusters[place.cluster])
        let peer = there.nodes[place.node]
        let size = min(spec.packetSize(of: here.nodes[own.node], in: here), spec.packetSize(of: peer, in: there))
        return PathTarget(
            node: peer.name, address: peer.address, port: peer.hasAgent ? there.cilium.datagramPort : nil,
            mtu: min(max(size, PathTarget.sizes.lowerBound), PathTarget.sizes.upperBound))
    }
}
