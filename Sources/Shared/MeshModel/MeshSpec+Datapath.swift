// SPDX-License-Identifier: Apache-2.0

extension MeshSpec.Cilium {
    /// Where WireGuard listens on every node that encrypts with it.
    package static let wireGuardPort: UInt16 = 51871

    /// What tunnel and encryption put around a pod's packet in bytes, as Cilium reckons it.
    package func wrapping(release: SemanticVersion) -> [(bytes: Int, name: String)] {
        var parts: [(bytes: Int, name: String)] = routingMode == .tunnel ? [(50, tunnelProtocol.rawValue)] : []
        switch encryption {
        case .none: break
        case .wireguard: parts.append((release < SemanticVersion(1, 19, 0) ? 80 : 95, "wireguard"))
        case .ipsec: parts.append((77, "ipsec"))
        }
        return parts
    }

    /// The UDP port that packets between nodes go to; absent where they are no datagrams: with native routing, and with IPsec.
    package var datagramPort: UInt16? {
        switch encryption {
        case .wireguard: Self.wireGuardPort
        case .ipsec: nil
        case .none: routingMode == .tunnel ? UInt16(exactly: tunnelPort) : nil
        }
    }
}

extension MeshSpec {
    /// How large the packets are in bytes that a node sends to others, with all that is around a pod's.
    package func packetSize(of node: Node, in cluster: Cluster) -> Int {
        if let mtu = cluster.cilium.mtu { return mtu + cluster.cilium.wrapping(release: versions.cilium).reduce(0) { $0 + $1.bytes } }
        // Cilium takes the MTU of the link that has the node's address.
        let own = node.interfaces.compactMap { network($0.network) }.first { $0.cidr.contains(node.address) }
        return (own ?? cluster.network.flatMap(network))?.mtu ?? 1500
    }
}
