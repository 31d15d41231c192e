// SPDX-License-Identifier: Apache-2.0

internal import Telemetry

/// Flows between clusters, summed up: which pairs there are, and what became of their flows, whatever flows are told one by one.
struct ClusterFlows {
    /// Pairs and reasons that are told apart; what comes on top is one pair with empty names.
    static let most = 256

    struct Pair: Hashable, Comparable {
        var source: String
        var destination: String
        static func < (left: Self, right: Self) -> Bool { (left.source, left.destination) < (right.source, right.destination) }
    }
    private struct Sums {
        var verdicts: [String: UInt64] = [:]
        var reasons: [String: UInt64] = [:]
    }
    private var pairs: [Pair: Sums] = [:]

    /// Counts a flow whose ends are in two clusters; others are no matter of the mesh.
    mutating func count(_ flow: FlowMessage.Flow) {
        guard !flow.sourceCluster.isEmpty, !flow.destinationCluster.isEmpty, flow.sourceCluster != flow.destinationCluster else { return }
        var pair = Pair(source: flow.sourceCluster, destination: flow.destinationCluster)
        if pairs[pair] == nil, pairs.count >= Self.most { pair = Pair(source: "", destination: "") }
        pairs[pair, default: Sums()].verdicts[flow.attributes.verdict ?? "unknown", default: 0] += 1
        if let reason = flow.attributes.reason { pairs[pair, default: Sums()].reasons[reason, default: 0] += 1 }
    }

    /// One event for each pair, and a new beginning. Verdict and reason of the event are those that a gate looks for: `dropped` with the most
    /// frequent reason where anything was dropped.
    mutating func sums(at time: EventTime) -> [TelemetryEvent] {
        defer { pairs = [:] }
        return pairs.sorted { $0.key < $1.key }.map { pair, sums in
            var line = JSONLine()
            line.put("source_cluster", pair.source)
            line.put("destination_cluster", pair.destination)
            line.put("verdicts", Self.object(sums.verdicts))
            line.put("reasons", Self.object(sums.reasons))
            let isDropped = (sums.verdicts["dropped"] ?? 0) > 0
            let reason = sums.reasons.max { ($0.value, $1.key) < ($1.value, $0.key) }?.key
            return TelemetryEvent(
                time: time, kind: .clusterFlows,
                attributes: EventAttributes(reason: isDropped ? reason : nil, verdict: isDropped ? "dropped" : "forwarded"),
                body: EventBody(.json, line.closed))
        }
    }

    private static func object(_ counts: [String: UInt64]) -> JSONLine {
        var line = JSONLine()
        for (name, count) in counts.sorted(by: { $0.key < $1.key }).prefix(most) { line.put(name, count) }
        return line
    }
}
