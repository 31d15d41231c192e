// SPDX-License-Identifier: Apache-2.0

/// What is known of a Proxmox host, from its API or from its own files: its means, the guests that concern the mesh, and its networks. Of guests
/// that have nothing to do with the plan only sums are kept. Which of the two spoke is the kind of the `Fact`.
package struct HypervisorFact: Hashable, Sendable, Codable {
    /// One guest of this host that has a planned name, number, network card or disk.
    package struct Guest: Hashable, Sendable, Codable {
        package struct Card: Hashable, Sendable, Codable {
            /// `net0`.
            package var slot: String
            package var model: String
            package var mac: MACAddress?
            package var bridge: String?
            /// The VLAN that the host puts on its frames.
            package var tag: Int?
            /// Absent for 1500; 1 takes over the bridge's.
            package var mtu: Int?
            /// The cable is pulled.
            package var isDown: Bool
            package init(slot: String, model: String, mac: MACAddress?, bridge: String?, tag: Int?, mtu: Int?, isDown: Bool) {
                self.slot = slot
                self.model = model
                self.mac = mac
                self.bridge = bridge
                self.tag = tag
                self.mtu = mtu
                self.isDown = isDown
            }
        }
        package struct Disk: Hashable, Sendable, Codable {
            /// `virtio1`.
            package var slot: String
            /// `STORE:NAME`.
            package var volume: String
            package var serial: String?
            package var size: ByteCount?
            package init(slot: String, volume: String, serial: String?, size: ByteCount?) {
                self.slot = slot
                self.volume = volume
                self.serial = serial
                self.size = size
            }
            /// The storage that the volume is in; absent for a path.
            package var store: String? { volume.contains(":") ? volume.split(separator: ":").first.map(String.init) : nil }
        }
        package var vmid: Int
        package var name: String
        package var isRunning: Bool
        package var cores: Int?
        package var memory: ByteCount?
        /// `host`, `x86-64-v2-AES`...; absent for Proxmox' default, `kvm64`.
        package var cpu: String?
        package var cards: [Card]
        package var disks: [Disk]
        package init(
            vmid: Int, name: String, isRunning: Bool, cores: Int? = nil, memory: ByteCount? = nil, cpu: String? = nil, cards: [Card] = [],
            disks: [Disk] = []
        ) {
            self.vmid = vmid
            self.name = name
            self.isRunning = isRunning
            self.cores = cores
            self.memory = memory
            self.cpu = cpu
            self.cards = cards
            self.disks = disks
        }
    }
    /// A guest of another host of the same Proxmox cluster that has a planned name or number.
    package struct Neighbour: Hashable, Sendable, Codable {
        package var vmid: Int
        package var name: String
        package var host: String
        /// Planned addresses and serials that it has. Absent from the API, which is asked for the configurations of one host only.
        package var addresses: [MACAddress]?
        package var serials: [String]?
        package init(vmid: Int, name: String, host: String, addresses: [MACAddress]? = nil, serials: [String]? = nil) {
            self.vmid = vmid
            self.name = name
            self.host = host
            self.addresses = addresses
            self.serials = serials
        }
    }
    /// A volume with the number of a planned machine in its name that no configuration of a guest names.
    package struct Orphan: Hashable, Sendable, Codable {
        /// `STORE:NAME`: what Proxmox would remove by this name.
        package var volume: String
        package var vmid: Int
        /// Absent where it could not be told.
        package var size: ByteCount?
        package init(volume: String, vmid: Int, size: ByteCount?) {
            self.volume = volume
            self.vmid = vmid
            self.size = size
        }
    }
    /// How much there is of something, and how much of it is taken.
    package struct Share: Hashable, Sendable, Codable {
        package var used: ByteCount
        package var total: ByteCount
        package init(used: ByteCount, total: ByteCount) {
            self.used = used
            self.total = total
        }
        /// Percent, rounded down; what changes within a percent is no news.
        package var percent: Int { total.bytes == 0 ? 0 : Int(Double(used.bytes) / Double(total.bytes) * 100) }
    }
    /// A virtual network of Proxmox' SDN.
    package struct VNet: Hashable, Sendable, Codable {
        package var name: String
        package var zone: String
        package var tag: Int?
        /// Whether its zone reaches this host.
        package var isHere: Bool
        /// Configured, and not applied yet.
        package var isPending: Bool
        package init(name: String, zone: String, tag: Int?, isHere: Bool, isPending: Bool) {
            self.name = name
            self.zone = zone
            self.tag = tag
            self.isHere = isHere
            self.isPending = isPending
        }
    }

    /// Proxmox' own name of the host.
    package var host: String
    /// Of Proxmox; empty from its files, which do not say.
    package var version: String
    package var cores: Int
    package var memory: Share
    /// Virtual cores of the guests that run here.
    package var coresInUse: Int
    package var guests: [Guest]
    package var neighbours: [Neighbour]
    /// Guests whose configuration the token may not read, by number and with the server's words.
    package var unread: [String]
    /// Active storages by name; of disks of planned guests.
    package var stores: [String: Share]
    package var vnets: [VNet]
    /// Absent where nobody looked, here or in some storage.
    package var orphans: [Orphan]?
    package init(
        host: String, version: String, cores: Int, memory: Share, coresInUse: Int = 0, guests: [Guest] = [], neighbours: [Neighbour] = [],
        unread: [String] = [], stores: [String: Share] = [:], vnets: [VNet] = [], orphans: [Orphan]? = nil
    ) {
        self.host = host
        self.version = version
        self.cores = cores
        self.memory = memory
        self.coresInUse = coresInUse
        self.guests = guests
        self.neighbours = neighbours
        self.unread = unread
        self.stores = stores
        self.vnets = vnets
        self.orphans = orphans
    }
}

extension HypervisorFact {
    /// Memory and storages are never twice the same; a percent more or less of them is no news.
    func says(sameAs other: HypervisorFact) -> Bool {
        var theirs = other
        guard memory.percent == other.memory.percent, stores.mapValues(\.percent) == other.stores.mapValues(\.percent) else { return false }
        theirs.memory = memory
        theirs.stores = stores
        return self == theirs
    }
}
