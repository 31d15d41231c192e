// SPDX-License-Identifier: Apache-2.0

internal import GRPCStream
internal import Telemetry

/// Reads the few fields of flow.Flow that can be searched for, from bytes that anybody may have written.
struct FlowReader {
    private let bytes: UnsafeRawBufferPointer

    init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

    /// One end as Hubble knows it.
    private struct End {
        var cluster = ""
        var namespace: String?
        var pod: String?
    }

    func flow(_ range: Range<Int>) throws(TelemetryFault) -> FlowMessage.Flow {
        var reader = ProtoReader(bytes, in: range, of: "a flow")
        var flow = FlowMessage.Flow()
        flow.body = Array(bytes[range])
        var (from, to) = (End(), End())
        var (addresses, ports): ((String?, String?), (UInt16, UInt16)) = ((nil, nil), (0, 0))
        var (reason, oldReason, direction): (UInt64, UInt64, UInt64) = (0, 0, 0)
        while let field = try reader.next() {
            switch (field.id, field.type) {
            case (1, .block): flow.time = try EventTime(protobuf: bytes, at: field.range)
            case (2, .varint): flow.verdict = field.number
            case (3, .varint): oldReason = field.number
            case (5, .block): addresses = try addressPair(field.range)
            case (6, .block): ports = try transport(field.range)
            case (8, .block): from = try end(field.range)
            case (9, .block): to = try end(field.range)
            case (22, .varint): direction = field.number
            case (25, .varint): reason = field.number
            case (28, .block): flow.attributes.device = try texts(field.range, 2).0
            case (21004, .block), (21005, .block):
                // The policy that denied; the first one, as the others came to the same.
                if flow.attributes.policy == nil {
                    let (name, namespace) = try texts(field.range, 1, 2)
                    flow.attributes.policy = name.map { name in namespace.map { "\($0)/\(name)" } ?? name }
                }
            default: break
            }
        }
        flow.attributes.verdict = FlowWords.verdict(flow.verdict)
        if reason == 0 { reason = oldReason }
        if reason != 0 { flow.attributes.reason = FlowWords.dropReason(reason) }
        flow.attributes.source = addresses.0.map { EventPeer(address: $0, port: ports.0) }
        flow.attributes.destination = addresses.1.map { EventPeer(address: $0, port: ports.1) }
        // The pod on this node: where it left from when it leaves, else where it goes to.
        let here = direction == 2 || (direction != 1 && from.pod != nil) ? from : to
        (flow.attributes.namespace, flow.attributes.pod) = (here.namespace, here.pod)
        (flow.sourceCluster, flow.destinationCluster) = (from.cluster, to.cluster)
        return flow
    }

    private func addressPair(_ range: Range<Int>) throws(TelemetryFault) -> (String?, String?) { try texts(range, 1, 2) }

    /// Ports of TCP, UDP and SCTP, which are the first two numbers of each; others have none.
    private func transport(_ range: Range<Int>) throws(TelemetryFault) -> (UInt16, UInt16) {
        var reader = ProtoReader(bytes, in: range, of: "a flow's transport")
        var ports: (UInt16, UInt16) = (0, 0)
        while let field = try reader.next() {
            guard [1, 2, 5].contains(field.id), field.type == .block else { continue }
            var inner = ProtoReader(bytes, in: field.range, of: "a flow's ports")
            while let port = try inner.next() {
                if port.id == 1, port.type == .varint { ports.0 = UInt16(exactly: port.number) ?? 0 }
                if port.id == 2, port.type == .varint { ports.1 = UInt16(exactly: port.number) ?? 0 }
            }
        }
        return ports
    }

    private func end(_ range: Range<Int>) throws(TelemetryFault) -> End {
        var reader = ProtoReader(bytes, in: range, of: "a flow's end")
        var end = End()
        while let field = try reader.next() {
            switch (field.id, field.type) {
            case (3, .block): end.namespace = text(field.range)
            case (5, .block): end.pod = text(field.range)
            case (7, .block): end.cluster = text(field.range)
            default: break
            }
        }
        return end
    }

    private func texts(_ range: Range<Int>, _ first: UInt64, _ second: UInt64 = 0) throws(TelemetryFault) -> (String?, String?) {
        var reader = ProtoReader(bytes, in: range, of: "a part of a flow")
        var found: (String?, String?) = (nil, nil)
        while let field = try reader.next() {
            guard field.type == .block else { continue }
            if field.id == first { found.0 = text(field.range) }
            if field.id == second { found.1 = text(field.range) }
        }
        return found
    }

    private func text(_ range: Range<Int>) -> String {
        String(decoding: UnsafeRawBufferPointer(rebasing: bytes[range]), as: UTF8.self)
    }
}
