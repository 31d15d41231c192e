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
    }

    private enum Attribute {
        static let address: UInt16 = 1
        static let name: UInt16 = 3
        static let mtu: UInt16 = 4
        static let info: UInt16 = 18
        static let infoKind: UInt16 = 1
        static let parentDevice: UInt16 = 56
        static let ifaAddress: UInt16 = 1
        static let ifaLocal: UInt16 = 2
    }
    private enum Flag {
        static let up: UInt32 = 0x1
        static let loopback: UInt32 = 0x8
        static let lowerUp: UInt32 = 0x10000
    }
    private static let ethernet: UInt16 = 1

    private(set) var links: [Link] = []
    private(set) var addresses: [Int: [String]] = [:]

    init(links linkMessages: [NetlinkMessage], addresses addressMessages: [NetlinkMessage]) throws(NetlinkFault) {
        for message in linkMessages { links.append(try Self.link(message.payload)) }
        links.sort { $0.index < $1.index }
        for message in addressMessages {
            guard let (index, address) = try Self.address(message.payload) else { continue }
            addresses[index, default: []].append(address)
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
        let mac = hardware == ethernet ? attributes[Attribute.address].flatMap(macAddress) : nil
        return Link(
            name: try name.text(limit: 16, in: "link name"), index: Int(index), kind: try kind(attributes), mac: mac,
            mtu: Int(try attributes[Attribute.mtu]?.number(at: 0, as: UInt32.self, in: "link MTU") ?? 0),
            loopback: flags & Flag.loopback != 0, up: flags & Flag.up != 0,
            // Not IFLA_CARRIER, which some drivers leave at 1 while the link is down.
            carrier: flags & Flag.lowerUp != 0,
            device: try attributes[Attribute.parentDevice]?.text(limit: 256, in: "parent device"))
    }

    private static func kind(_ attributes: [NetlinkAttribute]) throws(NetlinkFault) -> String? {
        guard let info = attributes[Attribute.info] else { return nil }
        return try NetlinkAttribute.parse(info, in: "link info")[Attribute.infoKind]?.text(limit: 64, in: "link kind")
    }

    private static func macAddress(_ value: NetlinkBytes) -> MACAddress? {
        MACAddress(value.bytes.map { encodeHex([$0]) }.joined(separator: ":"))
    }

    /// `struct ifaddrmsg`, then attributes. On a point-to-point link IFA_ADDRESS is the other end and IFA_LOCAL is ours.
    static func address(_ payload: NetlinkBytes) throws(NetlinkFault) -> (index: Int, address: String)? {
        let family = try payload.number(at: 0, as: UInt8.self, in: "address")
        let prefix = try payload.number(at: 1, as: UInt8.self, in: "address")
        let index = try payload.number(at: 4, as: UInt32.self, in: "address")
        let attributes = try NetlinkAttribute.parse(payload.from(8, in: "address"), in: "address attribute")
        guard Int32(family) == AF_INET || Int32(family) == AF_INET6,
            let value = attributes[Attribute.ifaLocal] ?? attributes[Attribute.ifaAddress]
        else { return nil }
        let address = try ipAddress(value, in: "address")
        guard Int(prefix) <= address.bits else { throw .badValue(what: "prefix length", found: String(prefix)) }
        return (Int(index), "\(address)/\(prefix)")
    }
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
