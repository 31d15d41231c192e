// SPDX-License-Identifier: Apache-2.0

import Glibc
import MeshModel
import MeshSystem

extension HostProber {
    /// More than this is cut and said so: a node with thousands of pod links would fill a frame with nothing that a gate asks for.
    static let linkLimit = 1024
    static let routeLimit = 2048
    /// Of all links together; kube-ipvs0 alone may carry thousands.
    static let addressLimit = 4096

    /// The links by index with their addresses, then the routes of the main table with the default routes first.
    /// Speaks of the network namespace of the calling thread.
    func networkFacts() throws -> [Fact] {
        var socket = try NetlinkSocket()
        let table = try Self.decode("links") { () throws(HostProbeError) in
            (try socket.dump(.links), try socket.dump(.addresses), try socket.dump(.bridgeVLANs))
        } with: { answers throws(NetlinkFault) in
            try LinkTable(links: answers.0, addresses: answers.1, bridgeVLANs: answers.2)
        }
        let routes = try Self.decode("routes") { () throws(HostProbeError) in
            try socket.dump(.routes)
        } with: { answer throws(NetlinkFault) in
            try RouteTable(answer).routes
        }
        return linkFacts(table, LinkPrograms.read(&socket)) + Self.routeFacts(routes, in: table)
    }

    private func linkFacts(_ table: LinkTable, _ programs: [Int: [LinkFact.Program]]?) -> [Fact] {
        var room = Self.addressLimit
        let names = table.names
        let filtering = Set(table.links.filter { $0.details.filtersVLANs == true }.map(\.index))
        var facts = table.links.prefix(Self.linkLimit).map { link in
            let addresses = (table.addresses[link.index] ?? []).prefix(room)
            room -= addresses.count
            return Fact.link(
                LinkFact(
                    name: link.name, index: link.index, kind: kind(of: link), mac: link.mac, mtu: link.mtu, up: link.up,
                    carrier: link.carrier, addresses: Array(addresses),
                    lapsing: (table.lapsing[link.index] ?? []).filter(addresses.contains),
                    master: link.master.map { names[$0] ?? "#\($0)" },
                    parent: link.parent.flatMap { names[$0] }, vlan: link.details.vlan, vni: link.details.vni,
                    driver: driver(of: link.name), speed: speed(of: link.name),
                    bond: link.details.bondMode.map { .init(mode: $0, active: link.details.bondActive.flatMap { names[$0] }) },
                    filtersVLANs: link.details.filtersVLANs,
                    // The kernel keeps a table for every port; it means something only where the bridge looks at it.
                    vlans: link.master.map(filtering.contains) ?? false ? table.vlans[link.index] ?? [] : nil,
                    programs: programs.map { link.express + ($0[link.index] ?? []) }))
        }
        let total = table.addresses.values.reduce(0) { $0 + $1.count }
        if table.links.count > Self.linkLimit {
            facts.append(.unavailable("this host has \(table.links.count) links; only the first \(Self.linkLimit) by index are listed"))
        }
        if total > Self.addressLimit {
            facts.append(.unavailable("this host has \(total) addresses; only \(Self.addressLimit) of them are listed, by link index"))
        }
        return facts
    }

    static func routeFacts(_ routes: [RouteTable.Route], in table: LinkTable) -> [Fact] {
        let names = table.names
        let ordered = routes.filter { $0.destination == nil } + routes.filter { $0.destination != nil }
        let facts = ordered.prefix(routeLimit).map { route in
            Fact.route(
                RouteFact(
                    destination: route.destination, gateway: route.gateway, interface: names[route.interface] ?? "#\(route.interface)",
                    metric: route.metric, family: route.family, source: route.source))
        }
        guard routes.count > routeLimit else { return facts }
        return facts + [.unavailable("this host has \(routes.count) routes; only \(routeLimit) are listed, default routes first")]
    }

    private func kind(of link: LinkTable.Link) -> String {
        if let kind = link.kind { return kind }
        if link.loopback { return "loopback" }
        // Kernels before 5.14 do not name the device over netlink, sysfs does.
        return link.device != nil || access("\(sysroot)/class/net/\(link.name)/device", F_OK) == 0 ? "physical" : "unknown"
    }

    /// Hardware's driver, by the link that sysfs has to it.
    private func driver(of name: String) -> String? {
        var target = [CChar](repeating: 0, count: Int(PATH_MAX))
        let length = readlink("\(sysroot)/class/net/\(name)/device/driver", &target, target.count - 1)
        guard length > 0 else { return nil }
        return String(decoding: target[..<length].map(UInt8.init(bitPattern:)), as: UTF8.self).split(separator: "/").last.map(String.init)
    }

    /// Mb/s. The kernel says -1 or refuses where there is no such thing, as for links of virtual machines: that is unknown, and no fault.
    private func speed(of name: String) -> Int? {
        guard let text = try? LinuxFileStore().read("\(sysroot)/class/net/\(name)/speed", limit: 32),
            let speed = Int(String(decoding: text, as: UTF8.self).prefix { $0 != "\n" }), speed > 0
        else { return nil }
        return speed
    }

    private static func decode<Answer, Value>(
        _ what: String, _ read: () throws(HostProbeError) -> Answer, with decode: (Answer) throws(NetlinkFault) -> Value
    ) throws(HostProbeError) -> Value {
        let answer = try read()
        do throws(NetlinkFault) { return try decode(answer) } catch { throw .netlinkMalformed(dump: what, fault: error) }
    }
}
