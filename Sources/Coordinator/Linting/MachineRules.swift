// SPDX-License-Identifier: Apache-2.0

import MeshModel

/// L-NIC-1
func guessedInterfaces(_ spec: MeshSpec) -> [Finding] {
    let nodes = spec.eachNode { node, _, path in
        guard node.interfaces.count > 1, let guess = node.interfaces.firstIndex(where: { $0.mac == nil }) else { return [] }
        let seen = node.interfaces.map(\.name).joined(separator: ", ")
        return [guessed(node.interfaces[guess].name, "\(path).interfaces[\(guess)]", seen: seen)]
    }
    let devices = spec.eachCluster { cluster, path in
        let named: [String] =
            switch cluster.cilium.value("devices") {
            case .string(let text): text.split { $0 == " " || $0 == "," }.map(String.init)
            case .list(let items): items.compactMap(\.text)
            default: []
            }
        let literal = named.filter { !$0.hasSuffix("+") }
        let seen = Set(cluster.nodes.flatMap { $0.interfaces.map(\.name) })
        guard let name = literal.first, seen.count > 1 || !seen.isSubset(of: literal) else { return [] }
        return [guessed(name, "\(path).cilium.values.devices", seen: seen.sorted().joined(separator: ", "))]
    }
    return nodes + devices
}

private func guessed(_ name: String, _ path: String, seen: String) -> Finding {
    .warning("L-NIC-1", path, "NIC \"\(name)\" is a guess; select by MAC or let the agent confirm (seen: \(seen))")
}

/// L-NIC-2
func vlans(_ spec: MeshSpec) -> [Finding] {
    let ids = spec.networks.enumerated().compactMap { index, network -> Finding? in
        guard let vlan = network.vlan, !(1...4094).contains(vlan) else { return nil }
        return .error(
            "L-NIC-2", "spec.networks[\(index)].vlan", "VLAN \(vlan) of \"\(network.name)\" is not a VLAN id; use 1 to 4094")
    }
    let networks = spec.networksByName
    return ids
        + spec.eachNode { node, _, path in
            node.interfaces.enumerated().compactMap { index, interface in
                // The bridge tags already: a sub-interface of the guest would put a second tag into the frame.
                guard let vlan = networks[interface.network]?.vlan, node.hypervisor != nil, interface.name.hasSuffix(".\(vlan)") else {
                    return nil
                }
                return .error("L-NIC-2", "\(path).interfaces[\(index)].name", "VLAN \(vlan) would be tagged twice")
            }
        }
}

/// L-NET-1
func bridgesCarry(_ spec: MeshSpec) -> [Finding] {
    let carried = Dictionary(spec.hypervisors.map { ($0.name, Set($0.bridges.map(\.network))) }, uniquingKeysWith: { $0.union($1) })
    return spec.eachNode { node, _, path in
        guard let host = node.hypervisor, let networks = carried[host] else { return [] }
        return node.interfaces.enumerated().compactMap { index, interface in
            guard !networks.contains(interface.network) else { return nil }
            return .error(
                "L-NET-1", "\(path).interfaces[\(index)].network",
                "node \"\(node.name)\" needs network \"\(interface.network)\", which no bridge of hypervisor \"\(host)\" carries")
        }
    }
}

/// L-MAC-1
func macsDiffer(_ spec: MeshSpec) -> [Finding] {
    var all: [(mac: MACAddress, what: String, path: String)] = []
    for (index, cluster) in spec.clusters.enumerated() {
        for (number, node) in cluster.nodes.enumerated() {
            for (position, interface) in node.interfaces.enumerated() {
                guard let mac = interface.mac else { continue }
                let path = "spec.clusters[\(index)].nodes[\(number)].interfaces[\(position)].mac"
                all.append((mac, "\"\(interface.name)\" of node \"\(node.name)\"", path))
            }
        }
    }
    let group = all.filter { ($0.mac.bytes.first ?? 0) & 1 == 1 || $0.mac.bytes.allSatisfy { $0 == 0 } }
    return group.map { .error("L-MAC-1", $0.path, "\($0.mac) is not the address of one machine") }
        + clashes(all.map(\.mac)).map { first, second in
            .error("L-MAC-1", all[second].path, "\(all[second].what) has the MAC address \(all[second].mac) of \(all[first].what)")
        }
}

/// L-CP-1
func controlPlaneCounts(_ spec: MeshSpec) -> [Finding] {
    spec.eachCluster { cluster, path in
        let count = cluster.nodes.count { $0.role == .controlPlane }
        guard count.isMultiple(of: 2) else { return [] }
        if count == 0 { return [.error("L-CP-1", "\(path).nodes", "\"\(cluster.name)\" has no control plane")] }
        return [
            .warning(
                "L-CP-1", "\(path).nodes",
                "\"\(cluster.name)\" has \(count) control planes; etcd bears no more losses with them than with \(count - 1)")
        ]
    }
}

/// L-EP-1
func endpointsAreNodes(_ spec: MeshSpec) -> [Finding] {
    spec.eachCluster { cluster, path in
        guard let address = endpointAddress(cluster.endpoint), cluster.nodes.contains(where: { $0.address == address }) else { return [] }
        return [
            .warning(
                "L-EP-1", "\(path).endpoint", "losing \(address) loses the API of \"\(cluster.name)\"",
                fix: "a virtual address or a load balancer")
        ]
    }
}

private func endpointAddress(_ endpoint: String) -> IPAddress? {
    guard endpoint.hasPrefix("https://"), let colon = endpoint.lastIndex(of: ":") else { return nil }
    let host = endpoint[..<colon].dropFirst(8)
    return IPAddress(String(host.hasPrefix("[") ? host.dropFirst().dropLast() : host))
}

/// L-DISK-1
func diskSerials(_ spec: MeshSpec) -> [Finding] {
    var seen: [String: String] = [:]
    return spec.eachNode { node, _, path in
        node.disks.enumerated().compactMap { index, disk in
            let place = "\(path).disks[\(index)]"
            guard let serial = disk.serial else {
                guard disk.use != .none else { return nil }
                return .error(
                    "L-DISK-1", place, "disk \(disk.name) of \"\(node.name)\" has no serial; \"\(disk.name)\" is only probe order",
                    fix: serialFix(String("\(node.name)-\(disk.name)".suffix(20))))
            }
            if !isSerial(serial) {
                return .error(
                    "L-DISK-1", "\(place).serial",
                    "serial \"\(serial)\" of disk \(disk.name) of \"\(node.name)\" is not 1 to 20 of A-Z, a-z, 0-9, '_' and '-'; "
                        + "the guest would see it cut")
            }
            let what = "disk \(disk.name) of \"\(node.name)\""
            if let other = seen.updateValue(what, forKey: serial) {
                return .error(
                    "L-DISK-1", "\(place).serial", "\(what) has the serial \"\(serial)\" of \(other); a wipe could not tell them apart")
            }
            return nil
        }
    }
}

/// Both halves: what mesh.yaml says, and what makes it so in the machine.
private func serialFix(_ serial: String) -> String {
    "serial: \(serial), and `serial = \"\(serial)\"` in the disk block of the machine in Terraform (Proxmox shows it to the guest, up to 20 bytes)"
}

/// L-DISK-3
func diskWitnesses(_ spec: MeshSpec) -> [Finding] {
    guard (spec.policy.wipes ?? MeshSpec.Wipes()).witnesses > 1 else { return [] }
    return spec.eachNode { node, _, path in
        guard spec.askableHypervisor(of: node) == nil, let index = node.disks.firstIndex(where: { $0.use != .none }) else { return [] }
        return [
            Finding(
                rule: "L-DISK-3", severity: .info, path: "\(path).disks[\(index)]",
                message:
                    "nobody but \"\(node.name)\" itself can say which of its disks is \(node.disks[index].name), because "
                    + (node.hypervisor.map { "hypervisor \"\($0)\" has no agent" } ?? "it names no hypervisor"),
                fix: "hypervisor: the host of its machine, with an agent on it")
        ]
    }
}

/// L-AGT-1
func agentlessNodes(_ spec: MeshSpec) -> [Finding] {
    spec.eachNode { node, cluster, path in
        guard !node.hasAgent else { return [] }
        var findings: [Finding] = []
        if cluster.kind != .talos {
            findings.append(
                .error("L-AGT-1", "\(path).agent", "\"\(node.name)\" has no agent and is no Talos machine, so nothing can be known of it"))
        }
        for (index, disk) in node.disks.enumerated() where disk.use != .none {
            let place = "\(path).disks[\(index)]"
            if disk.wipe != .zero {
                findings.append(
                    .error(
                        "L-AGT-1", place,
                        "\(disk.name) of \"\(node.name)\" would be wiped by Talos itself, which can only be trusted to write zeroes everywhere",
                        fix: "wipe: zero"))
            }
            if spec.askableHypervisor(of: node) == nil {
                findings.append(
                    .error(
                        "L-AGT-1", place, "nobody could look into \(disk.name) of \"\(node.name)\", which has no agent",
                        fix: "hypervisor: the host of its machine, with an agent on it"))
            }
        }
        return findings
    }
}

private func isSerial(_ text: String) -> Bool {
    (1...20).contains(text.utf8.count)
        && text.utf8.allSatisfy { byte in
            let letter = byte | 0x20
            return (97...122).contains(letter) || (48...57).contains(byte) || byte == 95 || byte == 45
        }
}

/// L-DISK-2
func diskSizes(_ spec: MeshSpec) -> [Finding] {
    spec.eachNode { node, _, path in
        node.disks.enumerated().compactMap { index, disk in
            guard disk.size <= .gibibytes(1) else { return nil }
            return .error(
                "L-DISK-2", "\(path).disks[\(index)].size",
                "disk \(disk.name) of \"\(node.name)\" has \(disk.size); that is too small to hold anything, was another unit meant?")
        }
    }
}
