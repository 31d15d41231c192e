// SPDX-License-Identifier: Apache-2.0

import MeshModel

extension LinkFact {
    /// A bridge's port has fewer ranges than there are ids.
    private static let mostRanges = 4096
    private static let mostID: UInt32 = 4095
    /// Of one link.
    private static let mostPrograms = 256
    private static let longestProgram = 256

    init(_ wire: WireLinkFact, _ place: String) throws(WireError) {
        self.init(
            name: try WireField.text(wire.name, place + ".name"), index: Int(wire.index),
            kind: try WireField.text(wire.kind, place + ".kind"), mac: wire.hasMac ? try WireField.value(wire.mac, place + ".mac") : nil,
            mtu: Int(wire.mtu), up: wire.up, carrier: wire.carrier, addresses: try WireField.texts(wire.addresses, place + ".addresses"),
            lapsing: wire.hasLapsing ? try WireField.texts(wire.lapsing.names, place + ".lapsing") : nil,
            master: wire.hasMaster ? try WireField.text(wire.master, place + ".master") : nil,
            parent: wire.hasParent ? try WireField.text(wire.parent, place + ".parent") : nil,
            vlan: wire.hasVlan ? try Self.vlan(wire.vlan, place + ".vlan") : nil, vni: wire.hasVni ? Int(wire.vni) : nil,
            driver: wire.hasDriver ? try WireField.text(wire.driver, place + ".driver") : nil,
            speed: wire.hasSpeed ? Int(wire.speed) : nil, bond: wire.hasBond ? try Bond(wire.bond, place + ".bond") : nil,
            filtersVLANs: wire.hasFiltersVlans ? wire.filtersVlans : nil,
            vlans: wire.hasVlans ? try Self.table(wire.vlans.ranges, place + ".vlans") : nil,
            programs: wire.hasPrograms
                ? try WireField.list(wire.programs.programs, place + ".programs", limit: Self.mostPrograms) {
                    (item, place) throws(WireError) in
                    Program(
                        hook: try WireField.text(item.hook, place + ".hook", limit: Self.longestProgram),
                        name: item.hasName ? try WireField.text(item.name, place + ".name", limit: Self.longestProgram) : nil,
                        id: item.hasID ? Int(item.id) : nil)
                } : nil)
    }

    private static func vlan(_ id: UInt32, _ place: String) throws(WireError) -> Int {
        guard id <= mostID else { throw .badField(place: place, problem: "\(id) is not a VLAN id") }
        return Int(id)
    }

    private static func table(_ ranges: [WireVLANRange], _ place: String) throws(WireError) -> [VLANs] {
        try WireField.list(ranges, place, limit: mostRanges) { (range, place) throws(WireError) in
            let (first, last) = (try vlan(range.first, place + ".first"), try vlan(range.last, place + ".last"))
            guard first <= last else { throw WireError.badField(place: place, problem: "the range ends before it begins") }
            return VLANs(first: first, last: last, isUntagged: range.untagged, isNative: range.native)
        }
    }

    var wire: WireLinkFact {
        var wire = WireLinkFact()
        wire.name = name
        wire.index = Int32(clamping: index)
        wire.kind = kind
        if let mac { wire.mac = mac.description }
        wire.mtu = UInt32(clamping: mtu)
        wire.up = up
        wire.carrier = carrier
        wire.addresses = addresses
        if let lapsing {
            var list = WireNameList()
            list.names = lapsing
            wire.lapsing = list
        }
        if let master { wire.master = master }
        if let parent { wire.parent = parent }
        if let vlan { wire.vlan = UInt32(clamping: vlan) }
        if let vni { wire.vni = UInt32(clamping: vni) }
        if let driver { wire.driver = driver }
        if let speed { wire.speed = UInt32(clamping: speed) }
        if let bond {
            wire.bond.mode = bond.mode
            if let active = bond.active { wire.bond.active = active }
        }
        if let filtersVLANs { wire.filtersVlans = filtersVLANs }
        if let vlans {
            wire.vlans.ranges = vlans.map { vlans in
                var range = WireVLANRange()
                range.first = UInt32(clamping: vlans.first)
                range.last = UInt32(clamping: vlans.last)
                range.untagged = vlans.isUntagged
                range.native = vlans.isNative
                return range
            }
        }
        if let programs {
            wire.programs.programs = programs.prefix(Self.mostPrograms).map { program in
                var wire = WireLinkProgram()
                wire.hook = program.hook
                if let name = program.name { wire.name = name.shortened(to: Self.longestProgram) }
                if let id = program.id { wire.id = UInt32(clamping: id) }
                return wire
            }
        }
        return wire
    }
}

extension LinkFact.Bond {
    init(_ wire: WireBond, _ place: String) throws(WireError) {
        self.init(
            mode: try WireField.text(wire.mode, place + ".mode"),
            active: wire.hasActive ? try WireField.text(wire.active, place + ".active") : nil)
    }
}
