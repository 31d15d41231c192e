// SPDX-License-Identifier: Apache-2.0

import Gating
import MeshModel

/// What is asked of the hosts that carry the machines.
extension Planner {
    /// Each bridge once that nodes need, on hypervisors whose agent can tell.
    func bridgeGates(_ nodes: [MeshSpec.Node]) -> [Requirement] {
        var gates: [Requirement] = []
        for host in spec.hypervisors where host.hasAgent {
            let needed = Set(nodes.filter { $0.hypervisor == host.name }.flatMap { $0.interfaces.map(\.network) })
            for bridge in host.bridges where needed.contains(bridge.network) {
                guard let network = spec.network(bridge.network) else { continue }
                gates.append(.bridgeCarries(host.name, bridge: bridge.name, vlan: network.vlan, mtu: network.mtu))
            }
        }
        return gates
    }

    /// Before anything is made: that there is room, and that nobody else has what the machines are to have.
    func groundGates(_ nodes: [MeshSpec.Node]) -> [Requirement] {
        let rooms = spec.hypervisors.compactMap { host -> Requirement? in
            let own = nodes.filter { $0.hypervisor == host.name }.map { machine($0, on: host) }
            guard !own.isEmpty, let way = way(to: host) else { return nil }
            return .room(host.name, own, by: way)
        }
        return bridgeGates(nodes) + rooms + asked(nodes).map { .guestUnique(machine($0, on: $1), hypervisor: $1.name, by: $2) }
    }

    /// Once machines stand: that they are those of the plan.
    func machineGates(_ nodes: [MeshSpec.Node]) -> [Requirement] {
        asked(nodes).flatMap { node, host, way -> [Requirement] in
            let machine = machine(node, on: host)
            return [.guestUnique(machine, hypervisor: host.name, by: way), .guestAsPlanned(machine, hypervisor: host.name, by: way)]
        }
    }

    /// Nodes whose hypervisor can be asked about them.
    private func asked(_ nodes: [MeshSpec.Node]) -> [(MeshSpec.Node, MeshSpec.Hypervisor, HypervisorWay)] {
        nodes.compactMap { node in
            guard let host = spec.hypervisors.first(where: { $0.name == node.hypervisor }), let way = way(to: host) else { return nil }
            return (node, host, way)
        }
    }

    private func way(to host: MeshSpec.Hypervisor) -> HypervisorWay? {
        switch (host.api != nil, host.hasAgent) {
        case (true, true): .both
        case (true, false): .api
        case (false, true): .files
        case (false, false): nil
        }
    }

    private func machine(_ node: MeshSpec.Node, on host: MeshSpec.Hypervisor) -> PlannedMachine {
        PlannedMachine(
            name: node.name, vmid: node.vmid, cores: node.cores, memory: node.memory,
            cards: node.interfaces.compactMap { interface in
                guard let network = spec.network(interface.network) else { return nil }
                return PlannedMachine.Card(
                    mac: interface.mac, bridge: host.bridges.first { $0.network == network.name }?.name, vlan: network.vlan,
                    mtu: network.mtu)
            }, disks: node.disks.map { .init(name: $0.name, serial: $0.serial, size: $0.size) })
    }
}
