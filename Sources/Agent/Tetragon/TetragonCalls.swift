// SPDX-License-Identifier: Apache-2.0

internal import GRPCStream
internal import Telemetry

/// The few calls of tetragon.FineGuidanceSensors that are made, with messages written and read by hand: their fields are a handful, and
/// events pass through undecoded.
enum TetragonCalls {
    private static let service = "tetragon.FineGuidanceSensors/"
    static let events = service + "GetEvents"

    /// GetEventsRequest for everything, without `leftOut`: paths of fields that Tetragon shall not send, such as `parent.pod`.
    static func eventsRequest(leftOut: [String]) -> [UInt8] {
        var writer = ProtoWriter()
        guard !leftOut.isEmpty else { return writer.bytes }
        writer.message(4) { filter in
            // google.protobuf.FieldMask, and FieldFilterAction.EXCLUDE.
            filter.message(2) { mask in
                for path in leftOut { mask.block(1, path.utf8) }
            }
            filter.number(3, 1)
        }
        return writer.bytes
    }

    static func version(_ channel: GRPCChannel) async throws -> String {
        let answer = try await channel.call(service + "GetVersion")
        return ProtoFields(answer).value(1).map(\.text) ?? ""
    }

    /// `running`, or what it says in its place.
    static func health(_ channel: GRPCChannel) async throws -> String {
        // One event_set=1 of HEALTH_STATUS_TYPE_STATUS, packed as repeated numbers are.
        let answer = try await channel.call(service + "GetHealth", [0x0a, 0x01, 0x01])
        guard let status = ProtoFields(answer).value(1).map(\.message) else { return "unknown" }
        let word = TetragonEvent.health(status.value(2)?.number ?? 0)
        guard let details = status.value(3)?.text, !details.isEmpty, word != "running" else { return word }
        return "\(word): \(details.prefix(200))"
    }

    static func policies(_ channel: GRPCChannel) async throws -> [TetragonPolicy] {
        let answer = try await channel.call(service + "ListTracingPolicies")
        return ProtoFields(answer).all(1).prefix(TetragonPolicy.most).map { field in
            let policy = field.message
            return TetragonPolicy(
                name: policy.value(2)?.text ?? "", namespace: policy.value(3)?.text ?? "",
                state: TetragonEvent.policyState(policy.value(9)?.number ?? 0),
                mode: TetragonEvent.policyMode(policy.value(11)?.number ?? 0),
                error: policy.value(8)?.text ?? "")
        }
    }
}

/// One tracing policy as Tetragon lists it.
package struct TetragonPolicy: Hashable, Sendable {
    static let most = 256
    package var name: String
    /// Empty for a policy of the whole cluster.
    package var namespace: String
    /// `enabled`, `load_error`, ...
    package var state: String
    /// `enforce`, `monitor`, ...
    package var mode: String
    package var error: String

    /// `shop/no-shells: enabled, enforce`.
    package var text: String {
        let name = namespace.isEmpty ? name : "\(namespace)/\(name)"
        let mode = mode == "unknown" ? "" : ", \(mode)"
        return "\(name): \(state)\(mode)\(error.isEmpty ? "" : " (\(error.prefix(200)))")"
    }
}
