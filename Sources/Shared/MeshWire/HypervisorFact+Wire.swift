// SPDX-License-Identifier: Apache-2.0

import MeshModel

extension GuestSelector {
    init(_ wire: WireProbeHypervisorFiles, _ place: String) throws(WireError) {
        self.init(
            names: try WireField.texts(wire.names, place + ".names", limit: 4096),
            numbers: try WireField.list(wire.numbers, place + ".numbers", limit: 4096) { (number, _) throws(WireError) in Int(number) },
            serials: try WireField.texts(wire.serials, place + ".serials", limit: 4096),
            addresses: try WireField.list(wire.addresses, place + ".addresses", limit: 4096) { (text, place) throws(WireError) in
                try WireField.value(text, place)
            })
    }

    var wire: WireProbeHypervisorFiles {
        var wire = WireProbeHypervisorFiles()
        wire.names = names
        wire.numbers = numbers.map(UInt32.init(clamping:))
        wire.serials = serials
        wire.addresses = addresses.map(\.description)
        return wire
    }
}

extension HypervisorFact {
    /// More of anything is on no host.
    private static let most = 4096

    /// The version is not on the wire: files do not tell it.
    init(_ wire: WireHypervisorFact, _ place: String) throws(WireError) {
        guard wire.stores.count <= Self.most else { throw .badField(place: place + ".stores", problem: "more storages than a host has") }
        var stores: [String: Share] = [:]
        for (name, share) in wire.stores {
            stores[try WireField.text(name, place + ".stores", limit: 256)] = try Share(share, place + ".stores")
        }
        self.init(
            host: try WireField.text(wire.host, place + ".host", limit: 256), version: "", cores: Int(wire.cores),
            memory: try Share(wire.memory, place + ".memory"), coresInUse: Int(wire.coresInUse),
            guests: try WireField.list(wire.guests, place + ".guests", limit: Self.most) { (guest, place) throws(WireError) in
                try Guest(guest, place)
            },
            neighbours: try WireField.list(wire.neighbours, place + ".neighbours", limit: Self.most) { (other, place) throws(WireError) in
                try Neighbour(other, place)
            },
            unread: try WireField.texts(wire.unread, place + ".unread", limit: Self.most), stores: stores,
            vnets: try WireField.list(wire.vnets, place + ".vnets", limit: Self.most) { (vnet, place) throws(WireError) in
                try VNet(vnet, place)
            },
            orphans: wire.hasOrphans
                ? try WireField.list(wire.orphans.orphans, place + ".orphans", limit: Self.most) { (orphan, place) throws(WireError) in
                    try Orphan(orphan, place)
                } : nil)
    }

    var wire: WireHypervisorFact {
        var wire = WireHypervisorFact()
        wire.host = host
        wire.cores = UInt32(clamping: cores)
        wire.memory = memory.wire
        wire.coresInUse = UInt32(clamping: coresInUse)
        wire.guests = guests.map(\.wire)
        wire.neighbours = neighbours.map(\.wire)
        wire.unread = unread.map { $0.shortened(to: WireField.longestText) }
        wire.stores = stores.mapValues(\.wire)
        wire.vnets = vnets.map(\.wire)
        if let orphans { wire.orphans.orphans = orphans.map(\.wire) }
        return wire
    }
}

extension HypervisorFact.Share {
    fileprivate init(_ wire: WireShare, _ place: String) throws(WireError) {
        self.init(
            used: ByteCount(bytes: try WireField.size(wire.used, place + ".used")),
            total: ByteCount(bytes: try WireField.size(wire.total, place + ".total")))
    }

    fileprivate var wire: WireShare {
        var wire = WireShare()
        wire.used = used.bytes
        wire.total = total.bytes
        return wire
    }
}

extension HypervisorFact.Guest {
    fileprivate init(_ wire: WireGuest, _ place: String) throws(WireError) {
        self.init(
            vmid: Int(wire.vmid), name: try WireField.text(wire.name, place + ".name", limit: 256), isRunning: wire.running,
            cores: wire.hasCores ? Int(wire.cores) : nil,
            memory: wire.hasMemory ? ByteCount(bytes: try WireField.size(wire.memory, place + ".memory")) : nil,
            cpu: wire.hasCpu ? try WireField.text(wire.cpu, place + ".cpu", limit: 256) : nil,
            cards: try WireField.list(wire.cards, place + ".cards", limit: 128) { (card, place) throws(WireError) in try Card(card, place)
            },
            disks: try WireField.list(wire.disks, place + ".disks", limit: 512) { (disk, place) throws(WireError) in try Disk(disk, place) }
        )
    }

    fileprivate var wire: WireGuest {
        var wire = WireGuest()
        wire.vmid = UInt32(clamping: vmid)
        wire.name = name
        wire.running = isRunning
        if let cores { wire.cores = UInt32(clamping: cores) }
        if let memory { wire.memory = memory.bytes }
        if let cpu { wire.cpu = cpu }
        wire.cards = cards.map(\.wire)
        wire.disks = disks.map(\.wire)
        return wire
    }
}

extension HypervisorFact.Guest.Card {
    fileprivate init(_ wire: WireGuestCard, _ place: String) throws(WireError) {
        self.init(
            slot: try WireField.text(wire.slot, place + ".slot", limit: 64),
            model: try WireField.text(wire.model, place + ".model", limit: 256),
            mac: wire.hasMac ? try WireField.value(wire.mac, place + ".mac") : nil,
            bridge: wire.hasBridge ? try WireField.text(wire.bridge, place + ".bridge", limit: 256) : nil,
            tag: wire.hasTag ? Int(wire.tag) : nil, mtu: wire.hasMtu ? Int(wire.mtu) : nil, isDown: wire.down)
    }

    fileprivate var wire: WireGuestCard {
        var wire = WireGuestCard()
        wire.slot = slot
        wire.model = model
        if let mac { wire.mac = mac.description }
        if let bridge { wire.bridge = bridge }
        if let tag { wire.tag = UInt32(clamping: tag) }
        if let mtu { wire.mtu = UInt32(clamping: mtu) }
        wire.down = isDown
        return wire
    }
}

extension HypervisorFact.Guest.Disk {
    fileprivate init(_ wire: WireGuestDisk, _ place: String) throws(WireError) {
        self.init(
            slot: try WireField.text(wire.slot, place + ".slot", limit: 64), volume: try WireField.text(wire.volume, place + ".volume"),
            serial: wire.hasSerial ? try WireField.text(wire.serial, place + ".serial", limit: 256) : nil,
            size: wire.hasSize ? ByteCount(bytes: try WireField.size(wire.size, place + ".size")) : nil)
    }

    fileprivate var wire: WireGuestDisk {
        var wire = WireGuestDisk()
        wire.slot = slot
        wire.volume = volume
        if let serial { wire.serial = serial }
        if let size { wire.size = size.bytes }
        return wire
    }
}

extension HypervisorFact.Neighbour {
    fileprivate init(_ wire: WireNeighbour, _ place: String) throws(WireError) {
        self.init(
            vmid: Int(wire.vmid), name: try WireField.text(wire.name, place + ".name", limit: 256),
            host: try WireField.text(wire.host, place + ".host", limit: 256),
            addresses: try WireField.list(wire.addresses, place + ".addresses", limit: 512) { (text, place) throws(WireError) in
                try WireField.value(text, place)
            }, serials: try WireField.texts(wire.serials, place + ".serials", limit: 512))
    }

    fileprivate var wire: WireNeighbour {
        var wire = WireNeighbour()
        wire.vmid = UInt32(clamping: vmid)
        wire.name = name
        wire.host = host
        wire.addresses = (addresses ?? []).map(\.description)
        wire.serials = serials ?? []
        return wire
    }
}

extension HypervisorFact.VNet {
    fileprivate init(_ wire: WireVNet, _ place: String) throws(WireError) {
        self.init(
            name: try WireField.text(wire.name, place + ".name", limit: 256),
            zone: try WireField.text(wire.zone, place + ".zone", limit: 256),
            tag: wire.hasTag ? Int(wire.tag) : nil, isHere: wire.here, isPending: wire.pending)
    }

    fileprivate var wire: WireVNet {
        var wire = WireVNet()
        wire.name = name
        wire.zone = zone
        if let tag { wire.tag = UInt32(clamping: tag) }
        wire.here = isHere
        wire.pending = isPending
        return wire
    }
}

extension HypervisorFact.Orphan {
    fileprivate init(_ wire: WireOrphan, _ place: String) throws(WireError) {
        self.init(
            volume: try WireField.text(wire.volume, place + ".volume"), vmid: Int(wire.vmid),
            size: wire.hasSize ? ByteCount(bytes: try WireField.size(wire.size, place + ".size")) : nil)
    }

    fileprivate var wire: WireOrphan {
        var wire = WireOrphan()
        wire.volume = volume
        wire.vmid = UInt32(clamping: vmid)
        if let size { wire.size = size.bytes }
        return wire
    }
}
