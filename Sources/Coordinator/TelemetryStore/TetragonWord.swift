// SPDX-License-Identifier: Apache-2.0

internal import FoundationEssentials
internal import Telemetry

/// What is looked at of a `tetragon_state`: the states of its tracing policies.
struct TetragonWord: Decodable {
    private static let mostPolicies = 256
    private static let longestName = 320
    private static let longestState = 40

    private struct Policy: Decodable {
        var name: String
        var namespace: String?
        var state: String
    }
    private var policies: [Policy]?

    /// `nil` for a body that is no such word.
    init?(_ event: TelemetryEvent) {
        guard let body = event.body, body.encoding == .json, let word = try? JSONDecoder().decode(Self.self, from: Data(body.bytes))
        else { return nil }
        self = word
    }

    /// By name; `nil` when Tetragon does not list them. Of two with one name the one that is not enabled counts.
    var states: [String: String]? {
        policies.map { policies in
            policies.prefix(Self.mostPolicies).reduce(into: [:]) { states, policy in
                let whole = policy.namespace.map { "\($0)/\(policy.name)" } ?? policy.name
                let (name, isCut) = EventText.clean(whole, limit: Self.longestName)
                guard !isCut else { return }
                let state = EventText.clean(policy.state, limit: Self.longestState).text
                if states[name] == nil || state != "enabled" { states[name] = state }
            }
        }
    }
}
