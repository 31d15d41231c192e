// SPDX-License-Identifier: Apache-2.0

import Glibc
import MeshModel

/// The eBPF programs on network links that no link of the kernel holds there: filters of `tc`, as Cilium attaches them where the kernel has no tcx,
/// and XDP. rtnetlink tells of them without any privilege, and they stay when their maker goes. Layouts: linux/pkt_cls.h, linux/if_link.h.
enum LinkPrograms {
    private enum Attribute {
        // TCA_KIND, TCA_OPTIONS
        static let kind: UInt16 = 1
        static let options: UInt16 = 2
        // TCA_BPF_NAME, TCA_BPF_ID
        static let name: UInt16 = 7
        static let id: UInt16 = 11
        // IFLA_XDP_ATTACHED, IFLA_XDP_PROG_ID, and those of each way where there are several
        static let attached: UInt16 = 2
        static let expressID: UInt16 = 4
        static let expressIDs: ClosedRange<UInt16> = 5...7
    }
    /// TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS) and its like; the older `ingress` answers to the first one, too.
    private static let hooks: [(name: String, parent: UInt32)] = [("tc ingress", 0xffff_fff2), ("tc egress", 0xffff_fff3)]
    /// `struct tcmsg`.
    private static let header = 20
    /// A link has one or two; whoever makes thousands only fills frames.
    private static let most = 64
    /// By IFLA_XDP_ATTACHED.
    private static let ways = ["", "xdp", "xdp generic", "xdp offloaded", "xdp"]

    /// By the index of the link; links without any are not in it. `nil` where the kernel has no traffic control, or does not list it.
    static func read(_ socket: inout NetlinkSocket) -> [Int: [LinkFact.Program]]? {
        do {
            var programs: [Int: [LinkFact.Program]] = [:]
            // Filters stand only where there is a place for them, which most links do not have: those are not asked one by one.
            for index in try links(withHooks: try socket.dump(.disciplines)).prefix(HostProber.linkLimit) {
                for (name, parent) in hooks {
                    let messages = try socket.dump(.filters(index, parent: parent))
                    programs[Int(index), default: []] += try messages.compactMap { try program($0.payload, name) }.prefix(most)
                }
            }
            return programs.filter { !$0.value.isEmpty }
        } catch {
            return nil
        }
    }

    /// Each program of a link of the calling thread's network namespace, with the link's name.
    static func placed() -> [(link: String, program: LinkFact.Program)] {
        guard var socket = try? NetlinkSocket(), let links = try? socket.dump(.links),
            let table = try? LinkTable(links: links, addresses: [])
        else { return [] }
        let programs = read(&socket) ?? [:]
        return table.links.flatMap { link in (link.express + (programs[link.index] ?? [])).map { (link.name, $0) } }
    }

    static func links(withHooks messages: [NetlinkMessage]) throws(NetlinkFault) -> [Int32] {
        var found: [Int32] = []
        for message in messages {
            let index = try message.payload.number(at: 4, as: Int32.self, in: "queueing discipline")
            let attributes = try NetlinkAttribute.parse(message.payload.from(header, in: "queueing discipline"), in: "queueing discipline")
            let kind = try attributes[Attribute.kind]?.text(limit: 64, in: "kind of queueing discipline")
            if kind == "clsact" || kind == "ingress", !found.contains(index) { found.append(index) }
        }
        return found
    }

    /// `nil` for other filters, and for the head that stands before the filters of each priority.
    static func program(_ payload: NetlinkBytes, _ hook: String) throws(NetlinkFault) -> LinkFact.Program? {
        let attributes = try NetlinkAttribute.parse(payload.from(header, in: "filter"), in: "filter attribute")
        guard try attributes[Attribute.kind]?.text(limit: 64, in: "kind of filter") == "bpf", let options = attributes[Attribute.options]
        else {
            return nil
        }
        let values = try NetlinkAttribute.parse(options, in: "eBPF filter")
        let name = try values[Attribute.name]?.text(limit: 256, in: "name of an eBPF filter")
        let id = try values[Attribute.id]?.number(at: 0, as: UInt32.self, in: "number of an eBPF program")
        return name == nil && id == nil ? nil : LinkFact.Program(hook: hook, name: name, id: id.map { Int($0) })
    }

    /// Of one link (IFLA_XDP).
    static func express(_ value: NetlinkBytes) throws(NetlinkFault) -> [LinkFact.Program] {
        let values = try NetlinkAttribute.parse(value, in: "XDP")
        guard let way = try values[Attribute.attached]?.number(at: 0, as: UInt8.self, in: "XDP"), way != 0 else { return [] }
        let hook = Int(way) < ways.count ? ways[Int(way)] : "xdp"
        var ids: [Int] = []
        for entry in values where entry.type == Attribute.expressID || Attribute.expressIDs.contains(entry.type) {
            let id = Int(try entry.value.number(at: 0, as: UInt32.self, in: "number of an XDP program"))
            if id != 0, !ids.contains(id) { ids.append(id) }
        }
        return ids.isEmpty ? [LinkFact.Program(hook: hook)] : ids.map { LinkFact.Program(hook: hook, id: $0) }
    }
}
