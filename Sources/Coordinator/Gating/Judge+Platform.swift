// SPDX-License-Identifier: Apache-2.0

import MeshModel

/// Rules about what a host is made of, what others have left on it, and what it needs from outside.
extension Judge {
    /// G-HST-05. Without bpffs at /sys/fs/bpf Cilium mounts one of its own, so that is no obstacle.
    func controlGroups(_ node: NodeID, _ found: Found, _ say: Findings) -> Verdict {
        guard let kernel = Self.kernel(node, found) else { return say.nothing(about: "its kernel", .node(node)) }
        guard !kernel.cgroup2 else { return .pass }
        return say.hold(.node(node), .unfit, "cgroup2 is not mounted on \(node)", "boot with the unified cgroup hierarchy")
    }

    /// G-PVE-05.
    func processorLevel(_ node: NodeID, _ level: Int, _ found: Found, _ say: Findings) -> Verdict {
        guard let platform = Self.kernel(node, found)?.platform else { return say.nothing(about: "its processors", .node(node)) }
        guard let own = platform.processorLevel else {
            return say.hold(
                .node(node), .unfit, "\(node) tells no level of x86-64, and images for x86-64-v\(level) are planned",
                "take it out of the cluster, or correct `hosts.processor` in mesh.yaml")
        }
        guard own < level else { return .pass }
        return say.hold(
            .node(node), .unfit,
            "the processors of \(node) (\(platform.processorModel ?? "of an unknown model")) reach x86-64-v\(own), and images for "
                + "x86-64-v\(level) are planned",
            "give the machine another CPU type (Proxmox: `x86-64-v\(level == 2 ? "2-AES" : "\(level)")` or `host`) and stop and start it")
    }

    /// G-K8S-02, by the host itself. Rules stay when kube-proxy goes, and send packets to Services that are no more.
    func serviceChainsGone(_ node: NodeID, _ found: Found, _ say: Findings) -> Verdict {
        guard let platform = Self.kernel(node, found)?.platform else { return say.nothing(about: "its packet filter", .node(node)) }
        guard let chains = platform.serviceChains else {
            let why = platform.unseen.filter { $0.contains("chains of ") || $0.contains("tables-legacy") }
            return .unknown([
                say.reason(
                    .node(node), .unavailable,
                    "\(node) cannot list its packet filter" + (why.isEmpty ? "" : ": \(why.joined(separator: "; "))"),
                    "let its prober look (`meshgate-agent prober serve --packet-filter`, docs/guide/network.md), or leave "
                        + "`hosts.packetFilter` out of mesh.yaml")
            ])
        }
        guard !chains.isEmpty else { return .pass }
        return say.hold(
            .node(node), .inUse, "kube-proxy has left \(chains.prefix(6).joined(separator: ", ")) in the packet filter of \(node)",
            "reboot \(node), or remove them there: `kube-proxy --cleanup`, or "
                + "`iptables-save | grep -v KUBE | iptables-restore` and the same with ip6tables")
    }

    /// G-NET-07.
    func addressStable(_ node: NodeID, _ address: IPAddress, _ pool: AddressBlock?, _ found: Found, _ say: Findings) -> Verdict {
        func isOwn(_ text: String) -> Bool { text.split(separator: "/").first.map(String.init) == address.description }
        guard let link = found.links(node).first(where: { $0.addresses.contains(where: isOwn) }) else {
            return say.nothing(about: "its address \(address)", .node(node))
        }
        guard let lapsing = link.lapsing else {
            return .unknown([
                say.reason(
                    .node(node), .missing, "the agent of \(node) does not tell how long its addresses last", "upgrade the agent on \(node)")
            ])
        }
        guard lapsing.contains(where: isOwn) else { return .pass }
        if let pool {
            // What the server hands out to anybody is told; an address beside it was reserved.
            guard pool.contains(address) else { return .pass }
            return say.hold(
                .node(node), .mismatch,
                "\(node) has \(address) on \(link.name) by a lease that ends within a week, from the range \(pool) that DHCP hands out to anybody",
                "give \(node) a static address or a reservation outside of \(pool)")
        }
        return say.hold(
            .node(node), .mismatch,
            "\(node) has \(address) on \(link.name) by a lease that ends within a week, and whether it is reserved is not known",
            "give \(node) a static address; or say in mesh.yaml, with `dhcp` of the network, which addresses the server hands out to anybody"
        )
    }

    /// G-NET-10.
    func outsideAnswers(_ node: NodeID, _ targets: [OutsideTarget], _ found: Found, _ say: Findings) -> Verdict {
        var facts: [OutsideTarget: OutsideFact] = [:]
        for case .outside(let fact) in found.of(node, .outside) { facts[fact.target] = fact }
        let unasked = targets.filter { facts[$0] == nil }
        guard unasked.isEmpty else {
            let names = unasked.prefix(3).map(\.description).joined(separator: ", ")
            return .unknown([say.reason(.node(node), .missing, "\(node) has not asked \(names) yet", "wait for the next probe")])
        }
        return say.pass(
            unless: targets.compactMap { facts[$0] }.filter { $0.result != .answered }.map { fact in
                let seen = (fact.address.map { " (\($0))" } ?? "") + (fact.detail.map { ": \($0)" } ?? "")
                return say.reason(
                    .node(node), fact.result == .unsynchronised ? .unhealthy : .unreachable,
                    "\(node) asked \(fact.target), and \(Self.words(fact.result))\(seen)", Self.remedy(fact))
            })
    }

    private static func words(_ result: OutsideFact.Result) -> String {
        switch result {
        case .answered: "it answered"
        case .unresolved: "the name has no address"
        case .timedOut: "nobody answers"
        case .refused: "it refuses"
        case .unreachable: "there is no route to it"
        case .unsynchronised: "it does not know the time itself"
        case .failed: "the attempt failed"
        }
    }

    private static func remedy(_ fact: OutsideFact) -> String {
        switch (fact.result, fact.target.kind) {
        case (.unresolved, _): "correct the host's DNS servers (Talos: `machine.network.nameservers`), or the name in `hosts` of mesh.yaml"
        case (.unsynchronised, _): "ask another time server, or mend this one (`chronyc tracking` there)"
        case (_, .time): "let UDP \(OutsideTarget.timePort) through to it, or name another time server"
        case (_, .registry): "let TCP \(fact.target.port ?? 443) through to it, or name a mirror that the host reaches"
        case (_, .name): "look at the host's resolver"
        }
    }

    static func kernel(_ node: NodeID, _ found: Found) -> KernelFact? {
        for case .kernel(let kernel) in found.of(node, .kernel) { return kernel }
        return nil
    }
}
