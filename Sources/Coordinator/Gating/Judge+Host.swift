// SPDX-License-Identifier: Apache-2.0

import MeshModel

/// Rules about machines and their network.
extension Judge {
    func bootStable(_ node: NodeID, _ found: Found, _ say: Findings) -> Verdict {
        for case .host(let host) in found.of(node, .host) {
            guard host.uptime.duration < .seconds(60) else { return .pass }
            return say.hold(
                .node(node), .unfit, "\(node) booted \(host.uptime) ago", "nothing: the gate opens when the node has been up for a minute")
        }
        return say.nothing(about: "uptime", .node(node))
    }

    func kernelFit(_ node: NodeID, _ options: [String], _ found: Found, _ say: Findings) -> Verdict {
        for case .kernel(let kernel) in found.of(node, .kernel) {
            guard kernel.optionsFrom != nil else {
                return say.nothing(about: "kernel options (no readable kernel configuration)", .node(node))
            }
            let absent = options.filter { (kernel.options[$0] ?? .absent) == .absent }
            guard absent.isEmpty else {
                return say.hold(
                    .node(node), .unfit,
                    "kernel \(kernel.release) of \(node) lacks \(absent.map { "CONFIG_" + $0 }.joined(separator: ", "))",
                    "run a kernel with these options; Talos has them all")
            }
            return .pass
        }
        return say.nothing(about: "its kernel", .node(node))
    }

    func reaches(_ node: NodeID, _ targets: [ReachTarget], _ found: Found, _ say: Findings) -> Verdict {
        var results: [ReachTarget: ReachFact] = [:]
        for case .reach(let fact) in found.of(node, .reach) { results[fact.target] = fact }
        let unasked = targets.filter { results[$0] == nil }
        guard unasked.isEmpty else {
            let names = unasked.prefix(3).map(\.description).joined(separator: ", ")
            return .unknown([say.reason(.node(node), .missing, "\(node) has not tried \(names) yet", "wait for the next probe")])
        }
        let failed = targets.compactMap { results[$0] }.filter { $0.result != .connected }
        return say.pass(
            unless: failed.map { fact in
                say.reason(
                    .node(node), .unreachable, "\(node) cannot reach \(fact.target): \(Self.words(fact.result)) (\(fact.attempts) tries)",
                    Self.remedy(fact.result, for: fact.target))
            })
    }

    private static func words(_ result: ReachFact.Result) -> String {
        switch result {
        case .connected: "connected"
        case .refused: "connection refused"
        case .timedOut: "no answer"
        case .unreachable: "no route"
        case .failed: "the attempt failed"
        }
    }

    private static func remedy(_ result: ReachFact.Result, for target: ReachTarget) -> String {
        switch result {
        case .refused: "the host answers but nothing listens on port \(target.port): is the service up on \(target.node)?"
        case .timedOut:
            "frames are lost on the way: check the VLAN on the bridge port of \(target.node), firewalls, and the route back"
        case .unreachable: "nobody answers for that address: check the VLAN on the ports of both nodes, then routes and gateways"
        case .connected, .failed: "check routes and gateways between the two networks"
        }
    }
}
