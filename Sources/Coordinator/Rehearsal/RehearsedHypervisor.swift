// SPDX-License-Identifier: Apache-2.0

import MeshModel

extension RehearsedWorld {
    /// What a hypervisor would say, by its API and by its files alike: every machine that Terraform has made, or that was there from the start, just as planned.
    func hypervisor(_ name: NodeID) -> HypervisorFact {
        let host = spec.hypervisors.first { $0.name == name }
        let isMade = spec.provision == nil || !provisioned.isEmpty
        let guests = spec.members.filter { $0.node.hypervisor == name && isMade && stands($0.node.name) }.enumerated().map {
            index, member in
            guest(member.node, number: 100 + index, on: host)
        }
        return HypervisorFact(
            host: name.text, version: "8.4.1", cores: 64,
            memory: .init(used: .gibibytes(16), total: .gibibytes(512)), coresInUse: guests.reduce(0) { $0 + ($1.cores ?? 0) },
            guests: guests,
            stores: ["rehearsed": .init(used: .gibibytes(10), total: .gibibytes(1000))])
    }

    private func guest(_ node: MeshSpec.Node, number: Int, on host: MeshSpec.Hypervisor?) -> HypervisorFact.Guest {
        HypervisorFact.Guest(
            vmid: node.vmid ?? number, name: node.name.text, isRunning: true, cores: node.cores ?? 2, memory: node.memory, cpu: "host",
            cards: node.interfaces.enumerated().map { index, interface in
                .init(
                    slot: "net\(index)", model: "virtio", mac: interface.mac,
                    bridge: host?.bridges.first { $0.network == interface.network }?.name, tag: nil, mtu: 1, isDown: false)
            },
            disks: node.disks.enumerated().map { index, disk in
                .init(slot: "virtio\(index + 1)", volume: "rehearsed:\(disk.name)", serial: disk.serial, size: disk.size)
            })
    }
}
