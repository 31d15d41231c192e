// SPDX-License-Identifier: Apache-2.0

package import MeshModel

/// By which ways a hypervisor is asked about its machines.
package enum HypervisorWay: String, Hashable, Sendable, Codable {
    case api
    /// By its agent, which reads what the host has written down.
    case files
    /// The API has to answer; what the agent reads besides must not differ.
    case both
}

/// A machine as the plan wants its hypervisor to have it.
package struct PlannedMachine: Hashable, Sendable, Codable {
    package struct Card: Hashable, Sendable, Codable {
        package var mac: MACAddress?
        /// The hypervisor's bridge or vnet for the card's network; absent when mesh.yaml does not say.
        package var bridge: String?
        package var vlan: Int?
        package var mtu: Int
        package init(mac: MACAddress?, bridge: String?, vlan: Int?, mtu: Int) {
            self.mac = mac
            self.bridge = bridge
            self.vlan = vlan
            self.mtu = mtu
        }
    }
    package var name: NodeID
    package var vmid: Int?
    package var cores: Int?
    package var memory: ByteCount?
    package var cards: [Card]
    package var disks: [Requirement.PlannedDisk]
    package init(
        name: NodeID, vmid: Int? = nil, cores: Int? = nil, memory: ByteCount? = nil, cards: [Card] = [],
        disks: [Requirement.PlannedDisk] = []
    ) {
        self.name = name
        self.vmid = vmid
        self.cores = cores
        self.memory = memory
        self.cards = cards
        self.disks = disks
    }

    /// Whether a guest was made to be this one: by number, or by name where the plan leaves the number open.
    func isMeant(_ guest: HypervisorFact.Guest) -> Bool { vmid.map { guest.vmid == $0 } ?? (guest.name == name.text) }
}
