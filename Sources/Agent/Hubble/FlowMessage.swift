// SPDX-License-Identifier: Apache-2.0

internal import GRPCStream
package import Telemetry

/// What is taken out of one message of Hubble's stream (observer.GetFlowsResponse).
package enum FlowMessage: Hashable, Sendable {
    case flow(Flow)
    /// Hubble lost that many events at that place.
    case lost(UInt64, by: String)
    /// Relay's word on some nodes.
    case nodes(state: String, names: [String], message: String)
    /// A kind of message that this version does not know.
    case other

    /// A flow: what can be searched for, and where its own message (flow.Flow) lies.
    package struct Flow: Hashable, Sendable {
        package var time: EventTime?
        package var attributes = EventAttributes()
        /// Verdict as a number, for filters.
        package var verdict: UInt64 = 0
        /// Clusters of both ends; empty where Hubble knows none.
        package var sourceCluster = ""
        package var destinationCluster = ""
        package var body: [UInt8] = []
    }

    /// `nil` when the bytes are no protobuf message.
    package init?(_ message: [UInt8]) {
        let read: FlowMessage? = message.withUnsafeBytes { bytes in
            do throws(TelemetryFault) { return try Self.read(bytes) } catch { return nil }
        }
        guard let read else { return nil }
        self = read
    }

    private static func read(_ bytes: UnsafeRawBufferPointer) throws(TelemetryFault) -> FlowMessage {
        var reader = ProtoReader(bytes, in: 0..<bytes.count, of: "a message of hubble")
        var found = FlowMessage.other
        var time: EventTime?
        while let field = try reader.next() {
            switch (field.id, field.type) {
            case (1, .block): found = .flow(try FlowReader(bytes).flow(field.range))
            case (2, .block): found = nodes(ProtoFields(Array(bytes[field.range])))
            case (3, .block):
                let lost = ProtoFields(Array(bytes[field.range]))
                found = .lost(lost.value(2)?.number ?? 0, by: FlowWords.lostBy(lost.value(1)?.number ?? 0))
            case (1001, .block): time = try EventTime(protobuf: bytes, at: field.range)
            default: break
            }
        }
        if case .flow(var flow) = found, flow.time == nil {
            flow.time = time
            return .flow(flow)
        }
        return found
    }

    private static func nodes(_ fields: ProtoFields) -> FlowMessage {
        .nodes(
            state: FlowWords.nodeState(fields.value(1)?.number ?? 0), names: fields.all(2).prefix(256).map(\.text),
            message: fields.value(3)?.text ?? "")
    }
}
