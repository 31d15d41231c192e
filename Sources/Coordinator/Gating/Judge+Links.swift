// SPDX-License-Identifier: Apache-2.0

import MeshModel

/// Rules about a node's interfaces, addresses and routes.
extension Judge {
    func link(_ node: NodeID, _ name: String, _ mac: MACAddress?, _ mtu: Int, _ found: Found, _ say: Findings) -> Verdict {
        guard let link = Self.planned(name, mac, among: found.links(node)) else { return lacks(node, name, mac, found, say) }
        let called = Self.called(link, name)
        var reasons: [Reason] = []
        if !link.up || !link.carrier {
            reasons.append(
                say.reason(
                    .node(node), .unhealthy, "\(called) of \(node) \(link.up ? "has no carrier" : "is down")",
                    link.up
                        ? "check the cable, the bridge port and the VM's NIC" : "`ip link set \(link.name) up`, and in its configuration"))
        }
        if link.mtu < mtu {
            reasons.append(
                say.reason(
                    .node(node), .mismatch, "\(called) of \(node) has MTU \(link.mtu), the plan wants \(mtu)",
                    "raise the MTU of the NIC and of its bridge, or lower it in mesh.yaml"))
        }
        return say.pass(unless: reasons)
    }

    /// With another prefix than the network's, the node takes strangers for neighbours, or its neighbours for strangers.
    func hasAddress(_ node: NodeID, _ address: IPAddress, _ network: CIDR?, _ found: Found, _ say: Findings) -> Verdict {
        let all = found.links(node).flatMap(\.addresses)
        guard let own = all.first(where: { $0.split(separator: "/").first.map(String.init) == address.description }) else {
            return say.hold(
                .node(node), .absent,
                "\(node) does not have its planned address \(address); it has \(all.sorted().joined(separator: ", "))",
                "give the node a static address or a DHCP reservation, or correct mesh.yaml")
        }
        guard let network, let prefix = own.split(separator: "/").last, prefix != String(network.prefixLength) else { return .pass }
        return say.hold(
            .node(node), .mismatch, "\(node) has its address as \(own), and the plan's network is \(network)",
            "give the address the prefix /\(network.prefixLength), or correct the network in mesh.yaml")
    }

    /// Replies leave by the default route: a second one, or one through another NIC, sends them where nobody expects them, and Cilium takes its
    /// MTU and its address from there.
    func defaultRoute(
        _ node: NodeID, _ name: String, _ mac: MACAddress?, _ gateway: IPAddress, _ found: Found, _ say: Findings
    ) -> Verdict {
        guard let link = Self.planned(name, mac, among: found.links(node)) else { return lacks(node, name, mac, found, say) }
        let called = Self.called(link, name)
        // An agent of an earlier version names no family; its gateway does.
        let routes = found.routes(node).filter { route in
            route.destination == nil && (route.family ?? route.gateway?.family ?? gateway.family) == gateway.family
        }
        guard let route = routes.first else {
            return say.hold(
                .node(node), .absent, "\(node) has no default route; the plan wants one through \(called) by \(gateway)",
                "give \(node) the gateway \(gateway) on \(link.name), or correct `gateway` in mesh.yaml")
        }
        guard routes.count == 1 else {
            let all = routes.map(Self.words).joined(separator: ", and ")
            return say.hold(
                .node(node), .mismatch,
                "\(node) has \(routes.count) default routes: \(all); the plan wants one, through \(called) by \(gateway)",
                "take the gateway away from the other interfaces of \(node) (DHCP: do not use the routes that it offers)")
        }
        guard route.interface == link.name else {
            return say.hold(
                .node(node), .mismatch, "the default route of \(node) leads \(Self.words(route)); the plan wants it through \(called)",
                "move the gateway to \(link.name), or correct the interfaces in mesh.yaml")
        }
        guard route.gateway == gateway else {
            return say.hold(
                .node(node), .mismatch, "the default route of \(node) leads \(Self.words(route)); the plan's gateway is \(gateway)",
                "correct the gateway on \(node), or `gateway` of the network in mesh.yaml")
        }
        return .pass
    }

    /// A planned MAC decides when there is one: names of interfaces are only guesses of whoever wrote the plan.
    private static func planned(_ name: String, _ mac: MACAddress?, among links: [LinkFact]) -> LinkFact? {
        guard let mac else { return links.first { $0.name == name } }
        // A VLAN or a bridge above a NIC has the NIC's MAC: the planned name breaks the tie, then hardware.
        let same = links.filter { $0.mac == mac }
        return same.first { $0.name == name } ?? same.first { $0.kind == "physical" } ?? same.first
    }

    /// `ens19 (the plan's ens18, by its MAC)`.
    private static func called(_ link: LinkFact, _ name: String) -> String {
        link.name == name ? name : "\(link.name) (the plan's \(name), by its MAC)"
    }

    private func lacks(_ node: NodeID, _ name: String, _ mac: MACAddress?, _ found: Found, _ say: Findings) -> Verdict {
        let links = found.links(node)
        let seen = links.filter { $0.kind != "loopback" }.map { link in
            link.name + (mac == nil ? "" : link.mac.map { " (\($0))" } ?? "")
        }
        return say.hold(
            .node(node), .absent,
            "\(node) has no interface \(mac.map { "with MAC \($0)" } ?? name); seen: \(seen.isEmpty ? "none" : seen.sorted().joined(separator: ", "))",
            "correct the interface in mesh.yaml, or attach the NIC")
    }

    /// `through ens19 by 10.0.0.1`.
    private static func words(_ route: RouteFact) -> String {
        "through \(route.interface)" + (route.gateway.map { " by \($0)" } ?? " without a gateway")
            + (route.metric.map { $0 == 0 ? "" : " (metric \($0))" } ?? "")
    }
}
