// SPDX-License-Identifier: Apache-2.0

/// What a Proxmox host says through its API: its means, the guests that concern the mesh, and its networks. Of guests that have nothing to do
/// with the plan only sums are kept.
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
        package init(vmid: Int, name: String, host: String) {
            self.vmid = vmid
            self.name = name
            self.host = host
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
    package init(
        host: String, version: String, cores: Int, memory: Share, coresInUse: Int = 0, guests: [Guest] = [], neighbours: [Neighbour] = [],
        unread: [String] = [], stores: [String: Share] = [:], vnets: [VNet] = []
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

/// The options of one line of a guest's configuration: `VALUE,key=value,...` (Proxmox: `PVE::JSONSchema` property strings).
package struct ProxmoxProperty: Hashable, Sendable {
    /// What stands first and has no key, such as the volume of a disk.
    package let first: String?
    package let options: [String: String]

    package init(_ text: String) {
        var first: String?
        var options: [String: String] = [:]
        for (index, part) in text.split(separator: ",", omittingEmptySubsequences: true).enumerated() {
            let pair = part.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            if pair.count == 2 { options[pair[0]] = pair[1] } else if index == 0 { first = pair[0] }
        }
        self.first = first
        self.options = options
    }

    /// `128G`, `512M`, `1T` or plain bytes; powers of 1024.
    package static func bytes(_ text: String) -> ByteCount? {
        let shifts: [Character: UInt64] = ["K": 10, "M": 20, "G": 30, "T": 40]
        guard let last = text.last else { return nil }
        guard let shift = shifts[last] else { return UInt64(text).flatMap { $0 < 1 << 60 ? ByteCount(bytes: $0) : nil } }
        guard let number = UInt64(text.dropLast()), number < 1 << 20 else { return nil }
        return ByteCount(bytes: number << shift)
    }
}

extension HypervisorFact.Guest.Card {
    /// From `net0: virtio=BC:24:11:00:00:01,bridge=vmbr0,tag=120`: the model is the key of the address. `nil` when there is no model.
    package init?(slot: String, _ text: String) {
        let property = ProxmoxProperty(text)
        let known = ["virtio", "e1000", "e1000e", "rtl8139", "vmxnet3"]
        let keyed = known.first { property.options[$0] != nil }
        guard let model = keyed ?? property.options["model"] ?? property.first else { return nil }
        self.init(
            slot: slot, model: model, mac: (keyed.flatMap { property.options[$0] } ?? property.options["macaddr"]).flatMap(MACAddress.init),
            bridge: property.options["bridge"], tag: property.options["tag"].flatMap { Int($0) },
            mtu: property.options["mtu"].flatMap { Int($0) }, isDown: property.options["link_down"] == "1")
    }
}

extension HypervisorFact.Guest.Disk {
    /// From `virtio1: local-lvm:vm-101-disk-1,serial=wrk-1-data,size=128G`. `nil` for a CD-ROM, an empty drive and cloud-init's.
    package init?(slot: String, _ text: String) {
        let property = ProxmoxProperty(text)
        guard let volume = property.first ?? property.options["file"], volume != "none", volume != "cdrom",
            property.options["media"] != "cdrom"
        else { return nil }
        self.init(
            slot: slot, volume: volume, serial: property.options["serial"], size: property.options["size"].flatMap(ProxmoxProperty.bytes))
    }

    /// Whether a key of the configuration is a disk's.
    package static func isSlot(_ key: String) -> Bool {
        ["virtio", "scsi", "sata", "ide"].contains { bus in
            let number = key.dropFirst(bus.count)
            return key.hasPrefix(bus) && (1...2).contains(number.utf8.count) && number.utf8.allSatisfy { (48...57).contains($0) }
        }
    }
}
