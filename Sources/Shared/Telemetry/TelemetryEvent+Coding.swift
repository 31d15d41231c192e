// SPDX-License-Identifier: Apache-2.0

extension TelemetryEvent {
    /// The event as a protobuf message (TelemetryEvent in telemetry.proto), cut to `EventLimits`.
    package var encoded: [UInt8] {
        var writer = ProtoWriter()
        write(to: &writer)
        return writer.bytes
    }

    func write(to writer: inout ProtoWriter) {
        var cut = isCut
        func text(_ field: EventField, _ value: String?, _ writer: inout ProtoWriter, _ limit: Int = EventLimits.text) {
            guard let value else { return }
            let cleaned = EventText.clean(value, limit: limit)
            if cleaned.isCut { cut = true }
            writer.block(field.rawValue, cleaned.text.utf8)
        }
        func peer(_ field: EventField, _ value: EventPeer?, _ writer: inout ProtoWriter) {
            guard let value else { return }
            let cleaned = EventText.clean(value.address, limit: 64)
            if cleaned.isCut { cut = true }
            writer.message(field.rawValue) {
                $0.block(1, cleaned.text.utf8)
                $0.number(2, UInt64(value.port))
            }
        }
        writer.fixed64(EventField.time.rawValue, UInt64(bitPattern: time.nanoseconds))
        writer.block(EventField.kind.rawValue, kind.text.utf8)
        text(.binary, attributes.binary, &writer, EventLimits.binary)
        writer.number(EventField.pid.rawValue, UInt64(attributes.pid ?? 0))
        text(.pod, attributes.pod, &writer)
        text(.namespace, attributes.namespace, &writer)
        text(.device, attributes.device, &writer)
        text(.policy, attributes.policy, &writer)
        text(.reason, attributes.reason, &writer)
        text(.verdict, attributes.verdict, &writer)
        peer(.source, attributes.source, &writer)
        peer(.destination, attributes.destination, &writer)
        if let body, body.bytes.count <= EventLimits.body {
            writer.number(EventField.encoding.rawValue, UInt64(body.encoding.rawValue))
            writer.block(EventField.body.rawValue, body.bytes)
        } else if body != nil {
            cut = true
        }
        writer.number(EventField.isCut.rawValue, cut ? 1 : 0)
        if let statedTime {
            writer.fixed64(EventField.statedTime.rawValue, UInt64(bitPattern: statedTime.nanoseconds), always: true)
        }
    }

    /// Reads an encoded event and refuses whatever breaks a rule.
    package init(decoding bytes: [UInt8]) throws(TelemetryFault) {
        let result = bytes.withUnsafeBytes { buffer -> Result<TelemetryEvent, TelemetryFault> in
            do throws(TelemetryFault) {
                return .success(try TelemetryEvent(try EventOutline(buffer, at: 0..<buffer.count), in: buffer))
            } catch {
                return .failure(error)
            }
        }
        self = try result.get()
    }

    /// The event that `outline` was read from; `bytes` are the same bytes.
    package init(_ outline: EventOutline, in bytes: UnsafeRawBufferPointer) throws(TelemetryFault) {
        func text(_ range: Range<Int>) -> String? {
            range.isEmpty ? nil : String(decoding: UnsafeRawBufferPointer(rebasing: bytes[range]), as: UTF8.self)
        }
        func peer(_ peer: EventOutline.Peer?) -> EventPeer? { peer.map { EventPeer(address: text($0.address) ?? "", port: $0.port) } }
        guard let kind = EventKind(text(outline.kind) ?? "") else { throw .badField("event.kind", problem: "not a kind") }
        self.init(
            time: outline.time, kind: kind,
            attributes: EventAttributes(
                binary: text(outline.binary), pid: outline.pid, pod: text(outline.pod), namespace: text(outline.namespace),
                device: text(outline.device), policy: text(outline.policy), reason: text(outline.reason), verdict: text(outline.verdict),
                source: peer(outline.source), destination: peer(outline.destination)),
            body: outline.encoding.map { EventBody($0, Array(bytes[outline.body])) })
        isCut = outline.isCut
        statedTime = outline.statedTime
    }
}
