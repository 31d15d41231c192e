// SPDX-License-Identifier: Apache-2.0

import Gating
import MeshModel

/// What the plan asks of VLANs: that tagged frames pass between the ports that send them. A machine whose bridge puts the tag on has no such
/// port; there it is the hypervisor's uplink.
extension Planner {
    /// Before Cilium stands on them: each port that carries a network of the cluster tries the two ports that follow it in the mesh, and the
    /// network's router. In a ring every port is both asked and asks, and the work of one does not grow with the mesh.
    func tagGates(_ cluster: MeshSpec.Cluster) -> [Requirement] {
        let machines = Set(cluster.nodes.map(\.name)).union(cluster.nodes.compactMap(\.hypervisor))
        let used = Set(cluster.nodes.flatMap { $0.interfaces.map(\.network) })
        var targets: [NodeID: [VLANTarget]] = [:]
        var order: [NodeID] = []
        for network in spec.networks where used.contains(network.name) {
            guard let vlan = network.vlan, VLANTarget.ids.contains(vlan) else { continue }
            let ports = trunkPorts(of: network)
            for (index, own) in ports.enumerated() where machines.contains(own.node) {
                let others = [1, 2].map { ports[(index + $0) % ports.count] }.filter { $0.node != own.node }
                var ends = others.reduce(into: [VLANTarget.End]()) { ends, other in
                    let end = VLANTarget.End.node(other.node, at: other.port)
                    if !ends.contains(end) { ends.append(end) }
                }
                // Routers are asked by ARP.
                if let gateway = network.gateway, gateway.family == .v4 { ends.append(.router(gateway)) }
                if targets[own.node] == nil { order.append(own.node) }
                targets[own.node, default: []] += ends.map { VLANTarget(port: own.port, vlan: vlan, end: $0) }
            }
        }
        return order.compactMap { node in
            guard let targets = targets[node], !targets.isEmpty else { return nil }
            return .tagged(node, targets)
        }
    }

    /// Of hypervisors and machines whose agent can send frames, in the order of the file.
    private func trunkPorts(of network: MeshSpec.Network) -> [(node: NodeID, port: TrunkPort)] {
        let uplinks = spec.hypervisors.filter(\.hasAgent).flatMap { host in
            host.bridges.filter { $0.network == network.name }.map { (host.name, TrunkPort(name: $0.name, isBridge: true)) }
        }
        let own = spec.members.map(\.node).filter(\.hasAgent).flatMap { node in
            node.interfaces.filter { $0.network == network.name }.compactMap { interface -> (NodeID, TrunkPort)? in
                // A VLAN of its parent, as `meshgate render talos` has it, too.
                guard let vlan = network.vlan, interface.name.hasSuffix(".\(vlan)") else { return nil }
                return (node.name, TrunkPort(name: String(interface.name.dropLast(String(vlan).count + 1)), mac: interface.mac))
            }
        }
        return (uplinks + own).map { (node: $0.0, port: $0.1) }
    }
}
