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
            guard offset.uncertainty <= limit else {
                return .unknown([
                    say.reason(
                        .node(node), .unavailable,
                        "the clock of \(node) is known only to within \(offset.uncertainty.briefly), because its answer was so long on the way;"
                            + " at most \(limit.briefly) is allowed",
                        "it is asked again by itself; is \(node), or the line to it, overloaded?")
                ])
            }
            return .pass
        }
        return say.nothing(about: "its clock", .node(node))
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
