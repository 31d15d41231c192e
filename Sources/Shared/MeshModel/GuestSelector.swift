// SPDX-License-Identifier: Apache-2.0

/// By what the mesh's machines are recognised among all guests of a hypervisor.
package struct GuestSelector: Hashable, Sendable, Codable {
    package var names: [String]
    package var numbers: [Int]
    package var serials: [String]
    package var addresses: [MACAddress]

    package init(names: [String] = [], numbers: [Int] = [], serials: [String] = [], addresses: [MACAddress] = []) {
        self.names = names
        self.numbers = numbers
        self.serials = serials
        self.addresses = addresses
    }

    /// For these nodes.
    package init(_ nodes: [MeshSpec.Node]) {
        self.init(
            names: nodes.map(\.name.text), numbers: nodes.compactMap(\.vmid), serials: nodes.flatMap { $0.disks.compactMap(\.serial) },
            addresses: nodes.flatMap { $0.interfaces.compactMap(\.mac) })
    }

    /// By what the list of a whole Proxmox cluster says.
    package func concerns(vmid: Int, name: String) -> Bool { names.contains(name) || numbers.contains(vmid) }

    /// By its whole configuration.
    package func concerns(_ guest: HypervisorFact.Guest) -> Bool {
        concerns(vmid: guest.vmid, name: guest.name) || guest.disks.contains { $0.serial.map(serials.contains) ?? false }
            || guest.cards.contains { $0.mac.map(addresses.contains) ?? false }
    }

    /// The number of a machine in the name of a volume as Proxmox gives it: `STORE:vm-101-disk-1`, `STORE:101/vm-101-disk-1.raw`.
    package static func number(inVolume volume: String) -> Int? {
        guard let name = volume.split(separator: ":", maxSplits: 1).last?.split(separator: "/").last else { return nil }
        let parts = name.split(separator: "-")
        guard parts.count >= 3, parts[0] == "vm" || parts[0] == "base" else { return nil }
        return ProxmoxProperty.number(String(parts[1]))
    }
}
