// SPDX-License-Identifier: Apache-2.0

import MeshModel

/// `lbPools`, `l2Policies` and `bgp` of one cluster's Cilium.
struct LoadBalancingReader {
    let log: FaultLog
    /// The nodes of the cluster.
    let nodes: NameBook

    func pools(_ cilium: Section) -> [MeshSpec.Cilium.LBPool]? {
        named("lbPools", "pool", keys: ["name", "blocks", "services"], in: cilium) { section, name in
            guard section.has("blocks") else {
                section.missing("blocks", "a list, each \(AddressBlock.form)")
                return nil
            }
            let blocks = section.list("blocks", Form<AddressBlock>.value) ?? []
            if case .list(let items)? = section.value("blocks")?.content, items.isEmpty {
                log.add(section.place(of: "blocks"), "\"blocks\" of \(section.title) is empty; it wants at least one")
            }
            return MeshSpec.Cilium.LBPool(name: name, blocks: blocks, services: labels(section))
        }
    }

    func policies(_ cilium: Section) -> [MeshSpec.Cilium.L2Policy]? {
        named("l2Policies", "policy", keys: ["name", "interfaces", "nodes", "services"], in: cilium) { section, name in
            MeshSpec.Cilium.L2Policy(
                name: name, interfaces: section.list("interfaces", .text) ?? [], nodes: readNodes(section), services: labels(section))
        }
    }

    func bgp(_ cilium: Section) -> MeshSpec.Cilium.BGP? {
        guard let section = cilium.section("bgp", keys: ["localASN", "peers", "advertise", "nodes", "routerIDs"]) else { return nil }
        let asn = section.required("localASN", .integer())
        let peers = named(
            "peers", "peer", keys: ["name", "address", "asn", "port", "holdTime", "keepalive", "multihop"], in: section, peer)
        if !section.has("peers") { section.missing("peers", "a list of routers") }
        let advertise =
            section.list("advertise", Form<MeshSpec.Cilium.BGP.Advertisement>.word) ?? [.loadBalancerIP]
        let speakers = readNodes(section)
        let routerIDs = section.items("routerIDs").enumerated().compactMap { index, item in
            routerID(item, "router id \(index + 1) of \(section.title)")
        }
        guard let asn else { return nil }
        return MeshSpec.Cilium.BGP(localASN: asn, peers: peers ?? [], advertise: advertise, nodes: speakers, routerIDs: routerIDs)
    }

    /// Numbers are only read here; whether routers would agree is a question for the lint.
    private func peer(_ section: Section, _ name: String) -> MeshSpec.Cilium.BGP.Peer? {
        let (address, asn) = (section.required("address", Form<IPAddress>.value), section.required("asn", .integer()))
        let port = section.optional("port", .port) ?? 179
        let hold = section.optional("holdTime", .integer(0...65535, "a number of seconds")) ?? 90
        let keepalive = section.optional("keepalive", .integer(1...65535, "a number of seconds")) ?? max(1, hold / 3)
        let multihop = section.optional("multihop", .integer(1...255, "a number of hops")) ?? 1
        guard let address, let asn else { return nil }
        return MeshSpec.Cilium.BGP.Peer(
            name: name, address: address, asn: asn, port: port, holdTime: hold, keepalive: keepalive, multihop: multihop)
    }

    private func routerID(_ item: YAMLTree, _ title: String) -> MeshSpec.Cilium.BGP.RouterID? {
        guard let section = Section(item, title, keys: ["node", "id"], log: log) else { return nil }
        let (node, id) = (section.required("node", Form<NodeID>.id), section.required("id", .routerID))
        if let node { nodes.check(node.text, at: section.place(of: "node"), from: title, log: log) }
        guard let node, let id else { return nil }
        return MeshSpec.Cilium.BGP.RouterID(node: node, id: id)
    }

    /// Named items of a list; `nil` when there are none, so that a file that says nothing is a spec that says nothing.
    private func named<Item>(
        _ key: String, _ kind: String, keys: [String], in parent: Section, _ read: (Section, String) -> Item?
    ) -> [Item]? {
        var names = NameBook(kind, list: key)
        let items = parent.items(key).enumerated().compactMap { index, item -> Item? in
            names.claim(item, log: log)
            let title = "\(item.title(kind, index)) of \(parent.title)"
            guard let section = Section(item, title, keys: keys, log: log) else { return nil }
            // Its other faults are told too.
            let name = section.required("name", .name)
            let read = read(section, name ?? "")
            return name == nil ? nil : read
        }
        return items.isEmpty ? nil : items
    }

    private func readNodes(_ section: Section) -> [NodeID] {
        if case .list(let items)? = section.value("nodes")?.content {
            for case (let item, .scalar(let name, _)) in items.map({ ($0, $0.content) }) {
                nodes.check(name, at: item.place, from: section.title, log: log)
            }
        }
        return section.list("nodes", Form<NodeID>.id) ?? []
    }

    private func labels(_ section: Section) -> [String: String] {
        guard let value = section.value("services") else { return [:] }
        guard case .map(let entries) = value.content else {
            log.add(value.place, "\"services\" of \(section.title) wants a map of labels, not \(value.kindInWords)")
            return [:]
        }
        var labels: [String: String] = [:]
        for entry in entries {
            // `true` and `1` are labels as texts only, and that has to be seen in the file.
            guard case .scalar(let text, let plain) = entry.value.content, !plain || !isOtherThanText(text) else {
                log.add(entry.value.place, "label \(quoted(entry.key)) of \(section.title) wants a text, not \(entry.value.kindInWords)")
                continue
            }
            labels[entry.key] = text
        }
        return labels
    }

    private func isOtherThanText(_ text: String) -> Bool {
        isNullWord(text) || Double(text) != nil || ["true", "false", "yes", "no", "on", "off", "y", "n"].contains(text.lowercased())
    }
}

extension Form where Value == IPAddress {
    /// A router id is a number of 32 bits that is written like an IPv4 address, in IPv6 meshes too.
    fileprivate static var routerID: Self {
        Form(wanted: "a router id such as 192.168.15.11") { text, _ in IPAddress(text).flatMap { $0.family == .v4 ? $0 : nil } }
    }
}
