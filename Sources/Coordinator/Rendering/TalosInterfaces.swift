// SPDX-License-Identifier: Apache-2.0

import MeshModel

/// `machine.network.interfaces` of one machine. An interface called `PARENT.VLAN` is a VLAN of its parent; every other is a device, meant by
/// its MAC address where mesh.yaml has one, because names are only the order in which the kernel found them.
struct TalosInterfaces {
    let spec: MeshSpec
    let node: MeshSpec.Node

    var entries: [HelmValue] {
        let tagged = node.interfaces.filter { parent(of: $0) != nil }
        var devices = node.interfaces.filter { parent(of: $0) == nil }.map { interface in
            (name: interface.name, entry: device(interface))
        }
        for name in Set(tagged.compactMap(parent)).sorted() where !devices.contains(where: { $0.name == name }) {
            // A parent that carries tagged frames only has no address of its own.
            devices.append((name, ["interface": .string(name), "dhcp": .bool(false)]))
        }
        return devices.map { name, entry in
            let vlans = tagged.filter { parent(of: $0) == name }.compactMap(vlan)
            return .map(vlans.isEmpty ? entry : entry.merging(["vlans": .list(vlans)]) { old, _ in old })
        }
    }

    private func parent(of interface: MeshSpec.Node.Interface) -> String? {
        guard let vlan = spec.network(interface.network)?.vlan, interface.name.hasSuffix(".\(vlan)") else { return nil }
        return String(interface.name.dropLast(String(vlan).count + 1))
    }

    private func device(_ interface: MeshSpec.Node.Interface) -> [String: HelmValue] {
        var entry = addressing(interface)
        if let mac = interface.mac {
            entry["deviceSelector"] = .map(["hardwareAddr": .string(mac.description)])
        } else {
            entry["interface"] = .string(interface.name)
        }
        return entry
    }

    private func vlan(_ interface: MeshSpec.Node.Interface) -> HelmValue? {
        guard let id = spec.network(interface.network)?.vlan else { return nil }
        return .map(addressing(interface).merging(["vlanId": .integer(Int64(id))]) { old, _ in old })
    }

    private func addressing(_ interface: MeshSpec.Node.Interface) -> [String: HelmValue] {
        guard let network = spec.network(interface.network) else { return ["dhcp": .bool(true)] }
        var entry: [String: HelmValue] = ["mtu": .integer(Int64(network.mtu))]
        let isHome = network.cidr.contains(node.address) && isFirst(interface)
        guard let address = interface.address ?? (isHome ? node.address : nil) else {
            entry["dhcp"] = .bool(true)
            return entry
        }
        entry["dhcp"] = .bool(false)
        entry["addresses"] = .list([.string("\(address)/\(network.cidr.prefixLength)")])
        // One default route, on the network that the node's address is in.
        if isHome, let gateway = network.gateway {
            let all = gateway.family == .v4 ? "0.0.0.0/0" : "::/0"
            entry["routes"] = .list([.map(["network": .string(all), "gateway": .string(gateway.description)])])
        }
        return entry
    }

    /// Two interfaces on one network must not get one address.
    private func isFirst(_ interface: MeshSpec.Node.Interface) -> Bool {
        node.interfaces.first { $0.network == interface.network }?.name == interface.name
    }
}
