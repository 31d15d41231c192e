// SPDX-License-Identifier: Apache-2.0

internal import FoundationEssentials
internal import MeshModel
internal import Telemetry

/// One `cluster_flows`: flows between two clusters in some seconds.
struct FlowSum {
    /// For drops whose reason is none, or one of too many.
    static let unnamed = "UNKNOWN"
    private static let mostReasons = 512

    var source: ClusterName
    var destination: ClusterName
    var forwarded: UInt64
    var drops: [String: UInt64]

    private struct Body: Decodable {
        var source: String
        var destination: String
        var verdicts: [String: UInt64]
        var reasons: [String: UInt64]

        private enum CodingKeys: String, CodingKey {
            case source = "source_cluster"
            case destination = "destination_cluster"
            case verdicts, reasons
        }
    }

    /// `nil` for a body that is no such sum, or one of pairs that were not kept apart.
    init?(_ event: TelemetryEvent) {
        guard let body = event.body, body.encoding == .json, let sum = try? JSONDecoder().decode(Body.self, from: Data(body.bytes)),
            let source = ClusterName(sum.source), let destination = ClusterName(sum.destination)
        else { return nil }
        (self.source, self.destination) = (source, destination)
        forwarded = sum.verdicts["forwarded"] ?? 0
        let dropped = sum.verdicts["dropped"] ?? 0
        var drops: [String: UInt64] = [:]
        for (reason, count) in sum.reasons.sorted(by: { $0.key < $1.key }).prefix(Self.mostReasons) {
            drops[Self.reason(reason), default: 0] = drops[Self.reason(reason), default: 0] +| count
        }
        // A drop without a reason is one all the same.
        let reasoned = drops.values.reduce(0, +|)
        if dropped > reasoned { drops[Self.unnamed, default: 0] = drops[Self.unnamed, default: 0] +| (dropped - reasoned) }
        self.drops = drops
    }

    /// A reason as Hubble writes them; anything else is none.
    static func reason(_ text: String) -> String {
        let isWord = text.utf8.allSatisfy { (0x41...0x5A).contains($0) || (0x30...0x39).contains($0) || $0 == 0x5F }
        return isWord && (1...64).contains(text.utf8.count) ? text : unnamed
    }
}
