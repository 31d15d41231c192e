// SPDX-License-Identifier: Apache-2.0

import Glibc
import MeshModel

/// What the kernel says about links and their addresses, decoded but not yet joined. Layouts: linux/if_link.h, linux/if_addr.h.
struct LinkTable {
    struct Link: Equatable {
        var name: String
        var index: Int
        /// The kernel's word for a made interface; absent for hardware and loopback.
        var kind: String?
        var mac: MACAddress?
        var mtu: Int
        var loopback: Bool
        var up: Bool
        var carrier: Bool
        /// The bus device behind it, where the kernel tells (since 5.14).
        var device: String?
        /// Index of the bridge or bond that it is a port of.
        var master: Int?
        /// Index of the link below, when it lies in the same network namespace.
        var parent: Int?
        var details = Details()
        /// Its XDP programs.
        var express: [LinkFact.Program] = []
    }

    /// What a kind of link says of itself (IFLA_INFO_DATA).
    struct Details: Equatable {
        var vlan: Int?
        var vni: Int?
        var filtersVLANs: Bool?
        var bondMode: String?
        /// Index of the active port.
        var bondActive: Int?
    }

    private enum Attribute {
        static let address: UInt16 = 1
        static let name: UInt16 = 3
        static let mtu: UInt16 = 4
        static let parent: UInt16 = 5
        static let master: UInt16 = 10
        static let info: UInt16 = 18
        static let infoKind: UInt16 = 1
        static let infoData: UInt16 = 2
        static let parentNamespace: UInt16 = 37
        static let family: UInt16 = 26
        static let bridgeVLAN: UInt16 = 2
        // IFLA_VLAN_ID, IFLA_VXLAN_ID, IFLA_BR_VLAN_FILTERING, IFLA_BOND_MODE, IFLA_BOND_ACTIVE_SLAVE
        static let vlanID: UInt16 = 1
        static let vxlanID: UInt16 = 1
        static let vlanFiltering: UInt16 = 7
        static let bondMode: UInt16 = 1
        static let bondActive: UInt16 = 2
        static let parentDevice: UInt16 = 56
        static let express: UInt16 = 43
        static let ifaAddress: UInt16 = 1
        static let ifaLocal: UInt16 = 2
        static let ifaCacheInfo: UInt16 = 6
    }
    private enum Flag {
        static let up: UInt32 = 0x1
        static let loopback: UInt32 = 0x8
        static let lowerUp: UInt32 = 0x10000
    }
    private static let ethernet: UInt16 = 1
    /// By number (linux/if_bonding.h).
    private static let bondModes = ["balance-rr", "active-backup", "balance-xor", "broadcast", "802.3ad", "balance-tlb", "balance-alb"]

    private(set) var links: [Link] = []
    private(set) var addresses: [Int: [String]] = [:]
    /// Those of them that end within a week unless they are renewed.
    private(set) var lapsing: [Int: [String]] = [:]
    /// By the index of the port.
    private(set) var vlans: [Int: [LinkFact.VLANs]] = [:]
    var names: [Int: String] { Dictionary(links.map { ($0.index, $0.name) }) { first, _ in first } }

    init(
        links linkMessages: [NetlinkMessage], addresses addressMessages: [NetlinkMessage], bridgeVLANs: [NetlinkMessage] = []
    ) throws(NetlinkFault) {
        for message in bridgeVLANs {
            guard let (index, ranges) = try Self.vlans(message.payload) else { continue }
            vlans[index] = ranges
        }
        for message in linkMessages { links.append(try Self.link(message.payload)) }
        links.sort { $0.index < $1.index }
        for message in addressMessages {
            guard let (index, address, valid) = try Self.address(message.payload) else { continue }
            addresses[index, default: []].append(address)
            if let valid, valid <= Self.week { lapsing[index, default: []].append(address) }
        }
    }

    /// `struct ifinfomsg`, then attributes.
    static func link(_ payload: NetlinkBytes) throws(NetlinkFault) -> Link {
        let hardware = try payload.number(at: 2, as: UInt16.self, in: "link")
        let index = try payload.number(at: 4, as: Int32.self, in: "link")
        let flags = try payload.number(at: 8, as: UInt32.self, in: "link")
        let attributes = try NetlinkAttribute.parse(payload.from(16, in: "link"), in: "link attribute")
        guard index > 0 else { throw .badValue(what: "link index", found: String(index)) }
        guard let name = attributes[Attribute.name] else { throw .badValue(what: "link without a name", found: "#\(index)") }
        let (kind, details) = try kind(attributes)
        let mac = hardware == ethernet ? attributes[Attribute.address].flatMap(macAddress) : nil
        return Link(
            name: try name.text(limit: 16, in: "link name"), index: Int(index), kind: kind, mac: mac,
            mtu: Int(try attributes[Attribute.mtu]?.number(at: 0, as: UInt32.self, in: "link MTU") ?? 0),
            loopback: flags & Flag.loopback != 0, up: flags & Flag.up != 0,
            // Not IFLA_CARRIER, which some drivers leave at 1 while the link is down.
            carrier: flags & Flag.lowerUp != 0,
            device: try attributes[Attribute.parentDevice]?.text(limit: 256, in: "parent device"),
            master: try reference(attributes, Attribute.master),
            parent: attributes[Attribute.parentNamespace] == nil ? try reference(attributes, Attribute.parent) : nil, details: details,
            express: try attributes[Attribute.express].map { value throws(NetlinkFault) in try LinkPrograms.express(value) } ?? [])
    }

    /// The index of another link; 0 stands for none.
    private static func reference(_ attributes: [NetlinkAttribute], _ type: UInt16) throws(NetlinkFault) -> Int? {
        guard let index = try attributes[type]?.number(at: 0, as: Int32.self, in: "index of another link"), index > 0 else { return nil }
        return Int(index)
    }

    private static func kind(_ attributes: [NetlinkAttribute]) throws(NetlinkFault) -> (String?, Details) {
        guard let info = attributes[Attribute.info] else { return (nil, Details()) }
        let parts = try NetlinkAttribute.parse(info, in: "link info")
        guard let kind = try parts[Attribute.infoKind]?.text(limit: 64, in: "link kind") else { return (nil, Details()) }
        guard let data = parts[Attribute.infoData], ["vlan", "vxlan", "bridge", "bond"].contains(kind) else { return (kind, Details()) }
        let values = try NetlinkAttribute.parse(data, in: "\(kind) data")
        var details = Details()
        switch kind {
        case "vlan": details.vlan = try values[Attribute.vlanID].map { value throws(NetlinkFault) in try vlanID(value) }
        case "vxlan": details.vni = (try values[Attribute.vxlanID]?.number(at: 0, as: UInt32.self, in: "VXLAN identifier")).map { Int($0) }
        case "bridge":
            details.filtersVLANs = try values[Attribute.vlanFiltering].map { value throws(NetlinkFault) in
                try value.number(at: 0, as: UInt8.self, in: "VLAN filtering") != 0
            }
        default:
            if let mode = try values[Attribute.bondMode]?.number(at: 0, as: UInt8.self, in: "bond mode") {
                details.bondMode = Int(mode) < bondModes.count ? bondModes[Int(mode)] : "mode \(mode)"
            }
            details.bondActive = try reference(values, Attribute.bondActive)
        }
        return (kind, details)
    }

    private static func vlanID(_ value: NetlinkBytes) throws(NetlinkFault) -> Int {
        let id = try value.number(at: 0, as: UInt16.self, in: "VLAN id")
        guard id < 4096 else { throw .badValue(what: "VLAN id", found: String(id)) }
        return Int(id)
    }

    /// The VLANs of one port: `struct bridge_vlan_info` in a row, a range as its first and its last id (linux/if_bridge.h). `nil` for a message
    /// that has no table: the port's bridge keeps no VLANs apart.
    static func vlans(_ payload: NetlinkBytes) throws(NetlinkFault) -> (index: Int, ranges: [LinkFact.VLANs])? {
        let index = try payload.number(at: 4, as: Int32.self, in: "bridge port")
        let attributes = try NetlinkAttribute.parse(payload.from(16, in: "bridge port"), in: "bridge port attribute")
        guard index > 0 else { throw .badValue(what: "bridge port's index", found: String(index)) }
        guard let table = attributes[Attribute.family] else { return nil }
        var ranges: [LinkFact.VLANs] = []
        var begun: Int?
        for entry in try NetlinkAttribute.parse(table, in: "VLAN table") where entry.type == Attribute.bridgeVLAN {
            let flags = try entry.value.number(at: 0, as: UInt16.self, in: "VLAN entry")
            let id = try vlanID(entry.value.from(2, in: "VLAN entry"))
            if flags & VLANFlag.rangeBegin != 0 {
                begun = id
                continue
            }
            let first = flags & VLANFlag.rangeEnd != 0 ? begun ?? id : id
            begun = nil
            guard first <= id else { throw .badValue(what: "VLAN range", found: "\(first)-\(id)") }
            ranges.append(
                LinkFact.VLANs(
                    first: first, last: id, isUntagged: flags & VLANFlag.untagged != 0, isNative: flags & VLANFlag.native != 0))
        }
        return (Int(index), ranges)
    }

    private enum VLANFlag {
        static let native: UInt16 = 2
        static let untagged: UInt16 = 4
        static let rangeBegin: UInt16 = 8
        static let rangeEnd: UInt16 = 16
    }

    private static func macAddress(_ value: NetlinkBytes) -> MACAddress? {
        MACAddress(value.bytes.map { encodeHex([$0]) }.joined(separator: ":"))
    }

    /// `struct ifaddrmsg`, then attributes. On a point-to-point link IFA_ADDRESS is the other end and IFA_LOCAL is ours.
    /// `valid`: seconds that are left of it; absent for one that stays.
    static func address(_ payload: NetlinkBytes) throws(NetlinkFault) -> (index: Int, address: String, valid: UInt32?)? {
        let family = try payload.number(at: 0, as: UInt8.self, in: "address")
        let prefix = try payload.number(at: 1, as: UInt8.self, in: "address")
        let index = try payload.number(at: 4, as: UInt32.self, in: "address")
        let attributes = try NetlinkAttribute.parse(payload.from(8, in: "address"), in: "address attribute")
        guard Int32(family) == AF_INET || Int32(family) == AF_INET6,
            let value = attributes[Attribute.ifaLocal] ?? attributes[Attribute.ifaAddress]
        else { return nil }
        let address = try ipAddress(value, in: "address")
        guard Int(prefix) <= address.bits else { throw .badValue(what: "prefix length", found: String(prefix)) }
        // struct ifa_cacheinfo: preferred time, valid time, and two stamps.
        let valid = try attributes[Attribute.ifaCacheInfo]?.number(at: 4, as: UInt32.self, in: "address lifetime") ?? .max
        return (Int(index), "\(address)/\(prefix)", valid == .max ? nil : valid)
    }

    private static let week: UInt32 = 7 * 86_400
}

/// Network byte order, 4 or 16 bytes.
func ipAddress(_ value: NetlinkBytes, in what: String) throws(NetlinkFault) -> IPAddress {
    let number = value.bytes.reduce(UInt128(0)) { $0 << 8 | UInt128($1) }
    switch value.count {
    case 4: return IPAddress(family: .v4, value: number)
    case 16: return IPAddress(family: .v6, value: number)
    default: throw .badLength(what: what, length: value.count, room: 16)
    }
}
