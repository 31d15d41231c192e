// SPDX-License-Identifier: Apache-2.0

import MeshModel

/// Rules about the ways between nodes, by datagrams that went over them.
extension Judge {
    /// G-NET-05.
    func answered(_ node: NodeID, _ targets: [PathTarget], _ found: Found, _ say: Findings) -> Verdict {
        judged(node, targets, found, say) { fact in
            let target = fact.target
            guard let port = target.port else { return nil }
            guard let echo = fact.echo else {
                let detail = "no datagram from \(node) to \(target) is answered" + (fact.problem.map { ": \($0)" } ?? "")
                return say.reason(.node(node), .unreachable, detail, Self.remedy(silent: fact, port))
            }
            guard !echo.isSound else { return nil }
            let loss = "of \(echo.sent) datagrams from \(node) to \(target.node), UDP \(echo.port), \(echo.received) are answered"
            return say.reason(
                .node(node), .unhealthy, loss + "; 99 in 100 must be",
                "look for errors and full queues on the links of both nodes and between them (`ip -s link`, the switch's counters)")
        }
    }

    /// G-NET-06. A way that does not answer is a matter for G-NET-05.
    func carries(_ node: NodeID, _ targets: [PathTarget], _ found: Found, _ say: Findings) -> Verdict {
        judged(node, targets, found, say) { fact in
            guard let echo = fact.echo, min(echo.there, echo.back) < fact.target.mtu else { return nil }
            let target = fact.target
            let isThere = echo.there <= echo.back
            let way = isThere ? "from \(node) to \(target.node)" : "from \(target.node) back to \(node)"
            let seen = isThere ? echo.there : echo.back
            return say.reason(
                .node(node), .mismatch,
                "packets of at most \(seen) bytes get \(way) (\(target.address)); the tunnel sends \(target.mtu), and larger ones vanish",
                "raise the MTU to \(target.mtu) on every link, bridge and switch port of that way, or set `cilium.mtu` so that pods send less"
            )
        }
    }

    /// G-NET-08.
    func healthReaches(_ node: NodeID, _ targets: [PathTarget], _ found: Found, _ say: Findings) -> Verdict {
        judged(node, targets, found, say) { fact in
            // A refusal came from the other node: the way is open, and nobody listens there yet.
            guard !fact.pinged, fact.health != .connected, fact.health != .refused else { return nil }
            return say.reason(
                .node(node), .unreachable,
                "\(fact.target.node) (\(fact.target.address)) answers \(node) neither by ICMP nor on TCP \(PathFact.healthPort)"
                    + (fact.problem.map { ": \($0)" } ?? ""),
                "let ICMP echoes or TCP \(PathFact.healthPort) through between the nodes: Cilium's health checks use them")
        }
    }

    /// G-NET-09.
    func untranslated(_ node: NodeID, _ address: IPAddress, _ targets: [PathTarget], _ found: Found, _ say: Findings) -> Verdict {
        judged(node, targets, found, say) { fact in
            guard let echo = fact.echo, echo.seen != address else { return nil }
            let target = fact.target
            if echo.seen == echo.local {
                return say.reason(
                    .node(node), .mismatch,
                    "\(node) sends to \(target.node) from its address \(echo.local) and not from the planned \(address)",
                    "correct the route to \(target.address) on \(node), or the node's address in mesh.yaml")
            }
            return say.reason(
                .node(node), .mismatch,
                "\(target.node) sees \(node) as \(echo.seen) and not as \(address): an address is translated on the way",
                "exempt the nodes' networks from NAT (masquerading) on the router between \(node) and \(target.node)")
        }
    }

    /// Each target by `problem`; unknown while one of them was not measured.
    private func judged(
        _ node: NodeID, _ targets: [PathTarget], _ found: Found, _ say: Findings, problem: (PathFact) -> Reason?
    ) -> Verdict {
        var facts: [PathTarget: PathFact] = [:]
        for case .path(let fact) in found.of(node, .paths) { facts[fact.target] = fact }
        let unasked = targets.filter { facts[$0] == nil }
        guard unasked.isEmpty else {
            let names = unasked.prefix(3).map(\.description).joined(separator: ", ")
            return .unknown([
                say.reason(.node(node), .missing, "\(node) has not measured the way to \(names) yet", "wait for the next probe")
            ])
        }
        return say.pass(unless: targets.compactMap { facts[$0] }.compactMap(problem))
    }

    private static func remedy(silent fact: PathFact, _ port: UInt16) -> String {
        let target = fact.target
        let other = PathTarget.substitute(for: port)
        return fact.pinged
            ? "\(target.node) answers ICMP: let UDP \(port) (and \(other), which probes use once Cilium holds \(port)) through every firewall on the "
                + "way; does meshgate-prober run on \(target.node)?"
            : "check the VLAN on the ports of both nodes, then routes, gateways and firewalls; does meshgate-prober run on \(target.node)?"
    }
}
