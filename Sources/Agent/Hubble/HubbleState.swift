// SPDX-License-Identifier: Apache-2.0

internal import GRPCStream
internal import Telemetry

/// What the reader says of itself every few seconds while it follows Hubble's flows, and once when it does not: silence alone would look like a
/// mesh in which nothing is dropped.
struct HubbleState {
    /// Of a peer's words about a break.
    private static let longestProblem = 200

    /// Told after the sums of flows up to the same instant.
    var time: EventTime
    var version = ""
    /// Since when no flow was missed as far as the reader knows; absent while there is no stream.
    var followedSince: EventTime?
    /// Flows that came since the state before.
    var flows: UInt64 = 0
    /// Nodes that a Relay does not reach.
    var unavailableNodes: UInt64 = 0
    var problem: String?

    var event: TelemetryEvent {
        var line = JSONLine()
        line.put("streaming", followedSince != nil)
        line.put("version", version)
        if let followedSince { line.put("followed_since_ms", followedSince.nanoseconds / 1_000_000) }
        line.put("flows", flows)
        line.put("unavailable_nodes", unavailableNodes)
        let words = problem.map { EventText.clean($0, limit: Self.longestProblem).text }
        if let words { line.put("problem", words) }
        return TelemetryEvent(
            time: time, kind: .hubbleState,
            attributes: EventAttributes(reason: words, verdict: followedSince == nil ? "away" : "streaming"),
            body: EventBody(.json, line.closed))
    }
}

/// The few fields of observer.ServerStatusResponse that are looked at.
struct HubbleServerStatus {
    var version: String
    /// Of Relay: nodes that it does not reach. A node's own observer says nothing of it.
    var unavailableNodes: UInt64

    init(_ message: [UInt8]) {
        let fields = ProtoFields(message)
        version = EventText.clean(fields.value(8)?.text ?? "", limit: 64).text
        unavailableNodes = fields.value(6)?.message.value(1)?.number ?? 0
    }
}
