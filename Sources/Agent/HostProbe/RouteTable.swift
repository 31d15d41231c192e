// SPDX-License-Identifier: Apache-2.0

import Glibc
import MeshModel

/// The unicast routes of the main table, one per next hop. Layout: linux/rtnetlink.h.
struct RouteTable {
    struct Route: Equatable {
        var destination: CIDR?
        var gateway: IPAddress?
        var interface: Int
        var family: IPAddress.Family
        /// 0 where none is set, which is how the kernel compares it.
        var metric = 0
        var source: IPAddress?
    }

    private enum Attribute {
        static let destination: UInt16 = 1
        static let interface: UInt16 = 4
        static let gateway: UInt16 = 5
        static let priority: UInt16 = 6
        static let preferredSource: UInt16 = 7
        static let multipath: UInt16 = 9
        static let table: UInt16 = 15
        static let via: UInt16 = 18
    }
    private static let mainTable: UInt32 = 254
    private static let unicast: UInt8 = 1
    /// A cached exception such as a learned path MTU, not a route that somebody set.
    private static let cloned: UInt32 = 0x200

    private(set) var routes: [Route] = []

    init(_ messages: [NetlinkMessage]) throws(NetlinkFault) {
        for message in messages { routes += try Self.routes(message.payload) }
    }

    /// `struct rtmsg`, then attributes; none for routes of other tables, kinds or families.
    static func routes(_ payload: NetlinkBytes) throws(NetlinkFault) -> [Route] {
        let family = Int32(try payload.number(at: 0, as: UInt8.self, in: "route"))
        let prefix = try payload.number(at: 1, as: UInt8.self, in: "route")
        let shortTable = try payload.number(at: 4, as: UInt8.self, in: "route")
        let kind = try payload.number(at: 7, as: UInt8.self, in: "route")
        let flags = try payload.number(at: 8, as: UInt32.self, in: "route")
        let attributes = try NetlinkAttribute.parse(payload.from(12, in: "route"), in: "route attribute")
        let table = try attributes[Attribute.table]?.number(at: 0, as: UInt32.self, in: "route table") ?? UInt32(shortTable)
        guard family == AF_INET || family == AF_INET6, table == mainTable, kind == unicast, flags & cloned == 0 else { return [] }
        var route = Route(
            destination: try self.destination(attributes, family: family, prefix: prefix), interface: 0,
            family: family == AF_INET ? .v4 : .v6)
        route.metric = Int(try attributes[Attribute.priority]?.number(at: 0, as: UInt32.self, in: "route metric") ?? 0)
        if let source = attributes[Attribute.preferredSource] { route.source = try ipAddress(source, in: "preferred source") }
        if let hops = attributes[Attribute.multipath] { return try nextHops(hops, of: route) }
        guard let interface = try attributes[Attribute.interface]?.number(at: 0, as: Int32.self, in: "route interface") else { return [] }
        route.gateway = try gateway(attributes)
        route.interface = Int(interface)
        return [route]
    }

    private static func destination(_ attributes: [NetlinkAttribute], family: Int32, prefix: UInt8) throws(NetlinkFault) -> CIDR? {
        if prefix == 0 { return nil }
        guard let value = attributes[Attribute.destination] else {
            throw .badValue(what: "route without a destination", found: "/\(prefix)")
        }
        let base = try ipAddress(value, in: "route destination")
        guard base.family == (family == AF_INET ? .v4 : .v6), let range = CIDR("\(base)/\(prefix)") else {
            throw .badValue(what: "route destination", found: "\(base)/\(prefix)")
        }
        return range
    }

    /// RTA_VIA carries a gateway of the other family: two bytes of family before the address.
    private static func gateway(_ attributes: [NetlinkAttribute]) throws(NetlinkFault) -> IPAddress? {
        if let value = attributes[Attribute.gateway] { return try ipAddress(value, in: "gateway") }
        guard let value = attributes[Attribute.via] else { return nil }
        return try ipAddress(value.from(2, in: "gateway"), in: "gateway")
    }

    /// `struct rtnexthop` (length, flags, weight, interface), then attributes, repeated.
    private static func nextHops(_ area: NetlinkBytes, of route: Route) throws(NetlinkFault) -> [Route] {
        var routes: [Route] = []
        var rest = area.bytes
        while !rest.isEmpty {
            let head = NetlinkBytes(bytes: rest)
            let length = Int(try head.number(at: 0, as: UInt16.self, in: "next hop"))
            let interface = try head.number(at: 4, as: Int32.self, in: "next hop")
            guard length >= 8, length <= rest.count else { throw .badLength(what: "next hop", length: length, room: rest.count) }
            let attributes = try NetlinkAttribute.parse(NetlinkBytes(bytes: rest.prefix(length).dropFirst(8)), in: "next hop attribute")
            var hop = route
            hop.gateway = try gateway(attributes)
            hop.interface = Int(interface)
            routes.append(hop)
            rest = rest.dropFirst(aligned(length))
        }
        return routes
    }
}
