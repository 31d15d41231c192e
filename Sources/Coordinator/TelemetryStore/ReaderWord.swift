// SPDX-License-Identifier: Apache-2.0

internal import FoundationEssentials
internal import MeshModel
internal import Telemetry

/// What is looked at of a `hubble_state`.
struct ReaderWord: Decodable {
    private static let longestProblem = 200

    var streaming: Bool
    var flows: UInt64
    private var since: Int64?
    private var unavailable: UInt64?
    private var why: String?

    private enum CodingKeys: String, CodingKey {
        case streaming, flows
        case since = "followed_since_ms"
        case unavailable = "unavailable_nodes"
        case why = "problem"
    }

    /// `nil` for a body that is no such word.
    init?(_ event: TelemetryEvent) {
        guard let body = event.body, body.encoding == .json, let word = try? JSONDecoder().decode(Self.self, from: Data(body.bytes))
        else { return nil }
        self = word
    }

    var followedSince: Timestamp? { streaming ? since.map { Timestamp(milliseconds: $0) } : nil }

    var problem: String? {
        if let unavailable, unavailable > 0 { return "Hubble's relay does not reach \(unavailable) nodes" }
        if streaming { return nil }
        return why.map { EventText.clean($0, limit: Self.longestProblem).text } ?? "its flows are not followed"
    }
}
