// SPDX-License-Identifier: Apache-2.0

import MeshModel

/// Rules about what came over the feed. Nothing here is good because nothing was heard: whoever would have told of trouble has to have spoken.
/// Reasons name limits and not ages: they must not change, and be told anew, with every second of a silence.
extension Judge {
    /// Programs are started now and then on any host that does something.
    private static let longestRest = Duration.seconds(600)
    /// Evidence of a look says how things stood then.
    private static let longestLook = Duration.seconds(60)

    func telemetryFlows(_ node: NodeID, _ silence: Duration, _ loss: Int, _ found: Found, _ say: Findings) -> Verdict {
        guard let (fact, age) = look(node, found) else { return say.nothing(about: "its telemetry", .node(node)) }
        if let verdict = tooOld(age, atMost: silence, node, say) { return verdict }
        guard let stated = fact.stated else {
            return .unknown([
                say.reason(
                    .node(node), .unavailable, "the agent of \(node) has not said how far it has counted",
                    "it does every few seconds: is it connected, and is its spool-size more than 0B? see `meshgate feed loss`")
            ])
        }
        guard stated.duration + age <= silence else {
            return .unknown([
                say.reason(
                    .node(node), .unavailable,
                    "the agent of \(node) has said nothing of its telemetry for more than \(silence.briefly)",
                    "is meshgate-agent on \(node) connected? see `meshgate status`")
            ])
        }
        if let verdict = tracerSpoke(fact, age, within: silence, say) { return verdict }
        guard fact.lost <= loss * 10 else {
            return say.hold(
                .node(node), .unhealthy,
                "\(Self.percent(fact.lost)) of the events of \(node) in the last \(fact.window) were lost (\(fact.lossReasons.joined(separator: ", "))), and \(loss) % may be",
                "see `meshgate feed loss` for the reasons, and what each of them wants in docs/guide/telemetry.md")
        }
        return .pass
    }

    func executionsSeen(_ node: NodeID, _ found: Found, _ say: Findings) -> Verdict {
        guard let (fact, age) = look(node, found) else { return say.nothing(about: "its telemetry", .node(node)) }
        if let verdict = tooOld(age, atMost: Self.longestLook, node, say) { return verdict }
        if let executed = fact.executed, executed.duration + age <= Self.longestRest { return .pass }
        let since = fact.executed == nil ? "yet" : "for more than \(Self.longestRest.briefly)"
        return .unknown([
            say.reason(
                .node(node), .unavailable, "no program was seen to start on \(node) \(since)",
                "`meshgate-agent tracer status` on \(node) says whether sched_process_exec is watched")
        ])
    }

    func crossingsKept(_ node: NodeID, _ reasons: [String], _ found: Found, _ say: Findings) -> Verdict {
        guard let (fact, age) = look(node, found) else { return say.nothing(about: "its telemetry", .node(node)) }
        // Drops that were seen are true whatever else is not known.
        let seen = fact.drops.filter { reasons.contains($0.reason) && $0.packets > 0 }
        guard seen.isEmpty else {
            return .hold(
                seen.prefix(8).map { drop in
                    say.reason(
                        .node(node), .unreachable,
                        "\(node) dropped \(drop.packets) packets from \(drop.from) to \(drop.to) in the last \(fact.window): \(drop.reason)",
                        Self.remedy(forDrop: drop.reason, on: node))
                })
        }
        if let verdict = watches("kfree_skb", fact, age, say) { return verdict }
        // A flood of other drops takes the room of those that are asked about, so what was not told one by one may be between clusters.
        let untold = fact.untold ?? []
        let unsure = untold.contains(TelemetryFact.anyReason) ? reasons : reasons.filter(untold.contains)
        guard unsure.isEmpty else {
            return .unknown(
                unsure.prefix(8).map { reason in
                    say.reason(
                        .node(node), .unavailable,
                        "\(node) dropped more packets for \(reason) in the last \(fact.window) than it could tell one by one",
                        "`meshgate feed query --node \(node) --kind packet_drops` has the sums; stop the flood, or take \(reason) out of policy.telemetry.drops"
                    )
                })
        }
        return .pass
    }

    func resentBelow(_ node: NodeID, _ percent: Int, _ found: Found, _ say: Findings) -> Verdict {
        guard let (fact, age) = look(node, found) else { return say.nothing(about: "its telemetry", .node(node)) }
        if let resent = fact.resent, resent > percent * 10 {
            return say.hold(
                .node(node), .unhealthy,
                "\(Self.percent(resent)) of the TCP segments of \(node) in the last \(fact.window) were sent again, and \(percent) % may be",
                "packets are lost on the way: `meshgate feed query --node \(node) --kind tcp_retransmit` names the connections")
        }
        if let verdict = listened(fact, age, say) { return verdict }
        guard fact.resent != nil else {
            return .unknown([
                say.reason(
                    .node(node), .unavailable, "\(node) has not told of its TCP segments",
                    "its tracer does every ten seconds; is it of this version?")
            ])
        }
        return .pass
    }

    // MARK: what all of them ask first

    func look(_ node: NodeID, _ found: Found) -> (fact: TelemetryFact, age: Duration)? {
        for case .telemetry(let fact) in found.of(node, .telemetry) where fact.node == node {
            let taken = evidence.newest[EvidenceKey(.node(node), .telemetry)]?.takenAt
            return (fact, max(.zero, taken.map { now.age(of: $0) } ?? .zero))
        }
        return nil
    }

    func tooOld(_ age: Duration, atMost limit: Duration, _ node: NodeID, _ say: Findings) -> Verdict? {
        guard age > limit else { return nil }
        return .unknown([
            say.reason(.node(node), .stale, "the last look at the telemetry of \(node) is \(age.briefly) old", "wait for the next look")
        ])
    }

    /// The tracer is heard; a verdict when it is not. Of a feed that has only just begun nothing is known yet.
    private func tracerSpoke(_ fact: TelemetryFact, _ age: Duration, within silence: Duration, _ say: Findings) -> Verdict? {
        let remedy = "start meshgate-tracer on \(fact.node); `meshgate-agent tracer status` there says whether the agent takes what it sees"
        if let traced = fact.traced {
            guard traced.duration + age > silence else { return nil }
            return say.hold(
                .node(fact.node), .unhealthy, "the tracer of \(fact.node) has said nothing for more than \(silence.briefly)", remedy)
        }
        guard fact.window.duration + age > silence else {
            return .unknown([say.reason(.node(fact.node), .unavailable, "the tracer of \(fact.node) has not spoken yet", remedy)])
        }
        return say.hold(
            .node(fact.node), .unhealthy, "no tracer of \(fact.node) was heard since the coordinator began to listen", remedy)
    }

    /// Nothing bad was seen over a whole minute in which somebody looked; a verdict when that cannot be said.
    private func listened(_ fact: TelemetryFact, _ age: Duration, _ say: Findings) -> Verdict? {
        if let verdict = tooOld(age, atMost: Self.longestLook, fact.node, say) { return verdict }
        if let verdict = tracerSpoke(fact, age, within: Self.longestLook, say) { return verdict }
        guard fact.window >= TelemetryFact.fullWindow else {
            return .unknown([
                say.reason(
                    .node(fact.node), .missing, "the feed of \(fact.node) is listened to for less than a minute",
                    "nothing: a minute without trouble is wanted")
            ])
        }
        return nil
    }

    private func watches(_ tracepoint: String, _ fact: TelemetryFact, _ age: Duration, _ say: Findings) -> Verdict? {
        if let verdict = listened(fact, age, say) { return verdict }
        guard !fact.watched.contains(tracepoint) else { return nil }
        return .unknown([
            say.reason(
                .node(fact.node), .unavailable, "the tracer of \(fact.node) does not watch \(tracepoint)",
                "`meshgate-agent tracer status` on \(fact.node) says why; see docs/guide/tracing.md")
        ])
    }

    static func percent(_ thousandths: Int) -> String { "\(thousandths / 10).\(thousandths % 10) %" }

    private static func remedy(forDrop reason: String, on node: NodeID) -> String {
        let query = "`meshgate feed query --node \(node) --kind packet_drop --reason \(reason)` names both ends"
        switch reason {
        case "NETFILTER_DROP": return "a firewall rule on \(node) drops them: see `nft list ruleset` there; \(query)"
        case "NO_SOCKET": return "nobody listens on the port that they are for; \(query)"
        default: return query
        }
    }
}
