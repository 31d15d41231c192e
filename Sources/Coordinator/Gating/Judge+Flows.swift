// SPDX-License-Identifier: Apache-2.0

import MeshModel

/// Rules about what Hubble sees: whether it is read at a node, and what it saw between two clusters while their connectivity test ran.
extension Judge {
    func hubbleHeard(_ node: NodeID, _ silence: Duration, _ found: Found, _ say: Findings) -> Verdict {
        guard let (fact, age) = look(node, found) else { return say.nothing(about: "its telemetry", .node(node)) }
        if let verdict = tooOld(age, atMost: silence, node, say) { return verdict }
        let remedy = "`meshgate-agent tracer status` on \(node) says what it reads; Hubble is on with `hubble.enabled` of Cilium's chart"
        guard let hubble = fact.hubble else {
            return .unknown([say.reason(.node(node), .unavailable, "nothing was heard of Hubble on \(node)", remedy)])
        }
        if let problem = hubble.problem {
            return say.hold(.node(node), .unhealthy, "Hubble of \(node) is not read: \(problem)", remedy)
        }
        guard let heard = hubble.heard, heard.duration + age <= silence else {
            return .unknown([
                say.reason(
                    .node(node), .unavailable, "the reader of Hubble on \(node) has said nothing for more than \(silence.briefly)", remedy)
            ])
        }
        return .pass
    }

    /// A test that is over is judged by what was kept of it, so nothing here is a matter of waiting: what was seen is denied, and so is what
    /// nobody was there to see.
    func flowsCrossed(
        _ from: ClusterName, _ to: ClusterName, _ loss: Int, _ expected: [String], _ found: Found, _ say: Findings
    ) -> Verdict {
        for case .connectivity(let fact) in found.facts[EvidenceKey(.cluster(from), .connectivity)] ?? []
        where fact.from == from && fact.to == to {
            guard fact.tests > 0, let flows = fact.flows else {
                return say.hold(
                    .cluster(from), .absent, "Hubble's flows were not counted during a connectivity test from \(from) to \(to)",
                    "the plan's connectivity step counts them")
            }
            let reasons =
                drops(flows, expected, say) + gaps(flows, loss, say) + unseen(flows, from, to, say)
            return reasons.isEmpty ? .pass : .deny(Array(reasons.prefix(Self.mostFlowReasons)))
        }
        return say.nothing(about: "a connectivity test to \(to)", .cluster(from))
    }

    private static let mostFlowReasons = 16
    private static let again = "then apply again: the test is repeated"

    /// Drops that were seen are true whatever else is not known.
    private func drops(_ flows: TestFlows, _ expected: [String], _ say: Findings) -> [Reason] {
        flows.witnesses.flatMap { witness in
            witness.drops.filter { $0.flows > 0 && !expected.contains($0.reason) }.map { drop in
                say.reason(
                    .node(witness.node), .unreachable,
                    "Cilium on \(witness.node) dropped \(drop.flows) flows from \(drop.from) to \(drop.to) during the test: \(drop.reason)",
                    "`meshgate feed query --node \(witness.node) --kind flow --reason \(drop.reason)` names both ends; \(Self.again)")
            }
        }
    }

    /// Those who could not have told of every drop.
    private func gaps(_ flows: TestFlows, _ loss: Int, _ say: Findings) -> [Reason] {
        flows.witnesses.compactMap { witness in
            if let problem = witness.problem {
                return say.reason(
                    .node(witness.node), .unavailable, "Hubble of \(witness.node) did not tell of the whole test: \(problem)",
                    "see `meshgate-agent tracer status` on \(witness.node) and `meshgate feed loss`; \(Self.again)")
            }
            guard witness.lost > loss * 10 else { return nil }
            return say.reason(
                .node(witness.node), .unavailable,
                "Hubble of \(witness.node) lost \(Self.percent(witness.lost)) of its flows during the test, and \(loss) % may be",
                "drops may be among them: raise `hubble.eventBufferCapacity` of Cilium's chart; \(Self.again)")
        }
    }

    /// A direction counts when a flow was seen where it goes to: that it left says nothing.
    private func unseen(_ flows: TestFlows, _ from: ClusterName, _ to: ClusterName, _ say: Findings) -> [Reason] {
        [(from, to, \TestFlows.Witness.there), (to, from, \.back)].compactMap { source, destination, count in
            let witnesses = flows.witnesses.filter { $0.cluster == destination }
            if witnesses.isEmpty {
                return say.reason(
                    .cluster(destination), .unavailable, "no node of \(destination) has an agent that could have read its Hubble",
                    "give its nodes agents, or set `flows: false` in policy.telemetry")
            }
            guard witnesses.allSatisfy({ $0[keyPath: count] == 0 }) else { return nil }
            return say.reason(
                .cluster(destination), .unreachable,
                "Hubble of \(destination) saw no flow from \(source) arrive during the test",
                "`meshgate feed query --cluster \(destination) --kind cluster_flows` shows what it saw; \(Self.again)")
        }
    }
}
