// SPDX-License-Identifier: Apache-2.0

import MeshModel

/// Rules about clocks.
extension Judge {
    /// The offset is only known to within half the round trip. That doubt counts in the node's favour, as long as it is smaller than what is
    /// allowed: beyond, the answer says nothing.
    func clockWithin(_ node: NodeID, _ limit: Duration, _ found: Found, _ say: Findings) -> Verdict {
        for case .clock(let clock) in found.of(node, .clock) {
            guard let offset = clock.offset else { return say.nothing(about: "the arrival of its clock answer", .node(node)) }
            let ahead = offset.ahead.inMilliseconds
            if abs(ahead) - offset.uncertainty.inMilliseconds > limit.inMilliseconds {
                return say.hold(.node(node), .skewed, skew(of: node, ahead, clock, limit), remedy(node, ahead, clock, limit))
            }
            guard offset.uncertainty <= limit else { return uncertain(node, offset.uncertainty, limit, say) }
            return .pass
        }
        return say.nothing(about: "its clock", .node(node))
    }

    /// Ceph's monitors do not know the coordinator's clock; they compare their own with each other. Both ends of the spread are told: which of two is
    /// wrong, only a third one knows.
    func clocksTogether(_ nodes: [NodeID], _ limit: Duration, _ found: Found, _ say: Findings) -> Verdict {
        var clocks: [(node: NodeID, fact: ClockFact, ahead: Int64, doubt: Int64)] = []
        for node in nodes {
            let fact = found.of(node, .clock).lazy.compactMap { if case .clock(let clock) = $0 { clock } else { nil } }.first
            guard let fact, let offset = fact.offset else { return say.nothing(about: "its clock", .node(node)) }
            guard offset.uncertainty <= limit else { return uncertain(node, offset.uncertainty, limit, say) }
            clocks.append((node, fact, offset.ahead.inMilliseconds, offset.uncertainty.inMilliseconds))
        }
        clocks.sort { $0.ahead < $1.ahead }
        guard let slow = clocks.first, let fast = clocks.last, fast.ahead - slow.ahead - slow.doubt - fast.doubt > limit.inMilliseconds
        else {
            return .pass
        }
        let spread = Duration.milliseconds(fast.ahead - slow.ahead).briefly
        return .hold([
            say.reason(
                .node(fast.node), .skewed,
                "the clock of \(fast.node) is \(spread) ahead of that of \(slow.node); at most \(limit.briefly) is allowed between them",
                remedyBetweenNodes(fast.node, fast.fact)),
            say.reason(
                .node(slow.node), .skewed,
                "the clock of \(slow.node) is \(spread) behind that of \(fast.node); at most \(limit.briefly) is allowed between them",
                remedyBetweenNodes(slow.node, slow.fact)),
        ])
    }

    private func remedyBetweenNodes(_ node: NodeID, _ clock: ClockFact) -> String {
        if clock.synchronised == false {
            return "start time synchronisation on \(node) (chrony or systemd-timesyncd; Talos: `machine.time.servers`)"
        }
        return "let both ask the same time servers, and look at \(node) (`chronyc tracking`, `talosctl time`)"
    }

    private func uncertain(_ node: NodeID, _ doubt: Duration, _ limit: Duration, _ say: Findings) -> Verdict {
        .unknown([
            say.reason(
                .node(node), .unavailable,
                "the clock of \(node) is known only to within \(doubt.briefly), because its answer was so long on the way; at most "
                    + "\(limit.briefly) is allowed",
                "it is asked again by itself; is \(node), or the line to it, overloaded?")
        ])
    }

    private func skew(of node: NodeID, _ ahead: Int64, _ clock: ClockFact, _ limit: Duration) -> String {
        let words =
            "the clock of \(node) is \(Duration.milliseconds(abs(ahead)).briefly) \(ahead > 0 ? "ahead of" : "behind") the coordinator's; "
            + "at most \(limit.briefly) is allowed"
        return clock.synchronised == false ? words + ", and its kernel says that nothing keeps it in step" : words
    }

    /// Where most nodes agree with this one, the coordinator's own clock is the odd one.
    private func remedy(_ node: NodeID, _ ahead: Int64, _ clock: ClockFact, _ limit: Duration) -> String {
        if let median = medianAhead, abs(ahead - median) <= limit.inMilliseconds {
            return "\(node) agrees with most nodes: set right the clock of the coordinator's host (`chronyc tracking`)"
        }
        if clock.synchronised == false {
            return "start time synchronisation on \(node) (chrony or systemd-timesyncd; Talos: `machine.time.servers`)"
        }
        return "check time synchronisation on \(node) and on the coordinator's host (`chronyc tracking`, `talosctl time`)"
    }

    /// By how many milliseconds the clocks of the mesh are ahead of the coordinator's, in the middle; `nil` below three clocks, where there is no
    /// majority.
    private var medianAhead: Int64? {
        let offsets = evidence.newest.values.flatMap { item -> [Int64] in
            guard item.probe == .clock, now.age(of: item.takenAt) <= maxAge else { return [] }
            return item.facts.compactMap { if case .clock(let clock) = $0 { clock.offset?.ahead.inMilliseconds } else { nil } }
        }.sorted()
        return offsets.count < 3 ? nil : offsets[offsets.count / 2]
    }
}
