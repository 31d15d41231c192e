// SPDX-License-Identifier: Apache-2.0

/// Encoded events one after the other, as a protobuf message of one repeated field (TelemetryEvents in telemetry.proto).
package struct PackedEvents: Sendable {
    private var writer = ProtoWriter()
    package private(set) var count: UInt64 = 0

    package init() {}

    package var bytes: [UInt8] { writer.bytes }
    package var sizeInBytes: Int { writer.bytes.count }

    package mutating func append(_ event: TelemetryEvent) {
        writer.message(1) { event.write(to: &$0) }
        count += 1
    }

    /// Appends an event that is encoded already.
    package mutating func append(encoded event: some Collection<UInt8>) {
        writer.tag(1, .block)
        writer.varint(UInt64(event.count))
        writer.bytes.append(contentsOf: event)
        count += 1
    }

    /// Calls `body` for each event in `bytes`, in order; ends early when it returns false. Everything that is not an event is refused.
    package static func forEach(
        in bytes: UnsafeRawBufferPointer, _ body: (EventOutline) throws(TelemetryFault) -> Bool
    ) throws(TelemetryFault) {
        var reader = ProtoReader(bytes, in: 0..<bytes.count, of: "packed events")
        while let field = try reader.next() {
            guard field.id == 1, field.type == .block else { throw .notProtobuf("packed events") }
            guard try body(try EventOutline(bytes, at: field.range)) else { return }
        }
    }

    /// All events of `bytes`.
    package static func events(in bytes: [UInt8]) throws(TelemetryFault) -> [TelemetryEvent] {
        let result = bytes.withUnsafeBytes { buffer -> Result<[TelemetryEvent], TelemetryFault> in
            var events: [TelemetryEvent] = []
            do throws(TelemetryFault) {
                try forEach(in: buffer) { (outline) throws(TelemetryFault) in
                    events.append(try TelemetryEvent(outline, in: buffer))
                    return true
                }
                return .success(events)
            } catch {
                return .failure(error)
            }
        }
        return try result.get()
    }
}
