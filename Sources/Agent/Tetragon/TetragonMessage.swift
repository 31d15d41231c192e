// SPDX-License-Identifier: Apache-2.0

internal import GRPCStream
package import Telemetry

/// What is taken out of one message of Tetragon's stream (tetragon.GetEventsResponse) for searching: the same as `TetragonLine` takes out of
/// the line that the log has of it. The message itself travels as it is, with fields and kinds of events that this version does not know.
package struct TetragonMessage: Hashable, Sendable {
    package var kind: EventKind
    /// When it happened; `nil` when the message does not say so in a way that can be read.
    package var time: EventTime?
    package var attributes = EventAttributes()
    /// Tetragon's name for the process, the same on every way that an event comes.
    package var execID: String?
    /// Events that Tetragon itself left out, in a message that says only this.
    package var leftOut: UInt64?

    /// `nil` when the bytes are no message with exactly one event in it.
    package init?(_ message: [UInt8]) {
        let read = message.withUnsafeBytes { bytes in
            do throws(TelemetryFault) { return try Self.read(bytes) } catch { return nil }
        }
        guard let read else { return nil }
        self = read
    }

    /// Fields beside the event: node_name, time, aggregation_info, cluster_name, node_labels and their kin to come.
    private static let beside: Range<UInt64> = 1000..<2000
    private static let timeField: UInt64 = 1001

    private static func read(_ bytes: UnsafeRawBufferPointer) throws(TelemetryFault) -> TetragonMessage? {
        var reader = ProtoReader(bytes, in: 0..<bytes.count, of: "a message of tetragon")
        var event: ProtoReader.Field?
        var time: EventTime?
        while let field = try reader.next() {
            if field.id == timeField, field.type == .block {
                time = try EventTime(protobuf: bytes, at: field.range)
            } else if !beside.contains(field.id), field.type == .block {
                guard event == nil else { return nil }
                event = field
            }
        }
        guard let event, let kind = EventKind(TetragonEvent.name(event.id)) else { return nil }
        var read = TetragonMessage(kind: kind)
        read.time = time
        try read.read(bytes, event.range, TetragonEvent.fields(event.id))
        return read
    }

    private init(kind: EventKind) { self.kind = kind }

    private mutating func read(_ bytes: UnsafeRawBufferPointer, _ range: Range<Int>, _ fields: TetragonEvent.Fields) throws(TelemetryFault)
    {
        var reader = ProtoReader(bytes, in: range, of: "an event of tetragon")
        while let field = try reader.next() {
            switch (field.id, field.type) {
            case (fields.process, .block): try process(bytes, field.range)
            case (fields.policy, .block): attributes.policy = Self.text(bytes, field.range)
            case (fields.reason, .block): attributes.reason = Self.text(bytes, field.range)
            case (fields.action, .varint): attributes.verdict = TetragonEvent.action(field.number)
            case (fields.throttle, .varint): attributes.reason = TetragonEvent.throttle(field.number)
            case (fields.leftOut, .varint): leftOut = field.number
            default: break
            }
        }
        // A message without the number says zero, as protobuf does.
        if fields.leftOut != 0, leftOut == nil { leftOut = 0 }
    }

    private mutating func process(_ bytes: UnsafeRawBufferPointer, _ range: Range<Int>) throws(TelemetryFault) {
        var reader = ProtoReader(bytes, in: range, of: "a process of tetragon")
        while let field = try reader.next() {
            switch (field.id, field.type) {
            case (1, .block): execID = Self.text(bytes, field.range)
            case (2, .block): attributes.pid = UInt32(exactly: try Self.wrapped(bytes, field.range))
            case (5, .block): attributes.binary = Self.text(bytes, field.range)
            case (10, .block): try pod(bytes, field.range)
            default: break
            }
        }
    }

    private mutating func pod(_ bytes: UnsafeRawBufferPointer, _ range: Range<Int>) throws(TelemetryFault) {
        var reader = ProtoReader(bytes, in: range, of: "a pod of tetragon")
        while let field = try reader.next() {
            switch (field.id, field.type) {
            case (1, .block): attributes.namespace = Self.text(bytes, field.range)
            case (2, .block): attributes.pod = Self.text(bytes, field.range)
            default: break
            }
        }
    }

    /// google.protobuf.UInt32Value.
    private static func wrapped(_ bytes: UnsafeRawBufferPointer, _ range: Range<Int>) throws(TelemetryFault) -> UInt64 {
        var reader = ProtoReader(bytes, in: range, of: "a number of tetragon")
        var number: UInt64 = 0
        while let field = try reader.next() { if field.id == 1, field.type == .varint { number = field.number } }
        return number
    }

    private static func text(_ bytes: UnsafeRawBufferPointer, _ range: Range<Int>) -> String {
        String(decoding: UnsafeRawBufferPointer(rebasing: bytes[range]), as: UTF8.self)
    }
}
