// SPDX-License-Identifier: Apache-2.0

package import Telemetry

extension EventTime {
    /// Reads google.protobuf.Timestamp; `nil` when it lies outside of what can be told.
    package init?(protobuf bytes: UnsafeRawBufferPointer, at range: Range<Int>) throws(TelemetryFault) {
        var reader = ProtoReader(bytes, in: range, of: "a timestamp")
        var (seconds, nanoseconds): (Int64, Int64) = (0, 0)
        while let field = try reader.next() {
            if field.id == 1, field.type == .varint { seconds = Int64(bitPattern: field.number) }
            if field.id == 2, field.type == .varint { nanoseconds = Int64(bitPattern: field.number) }
        }
        let (product, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
        guard (0..<1_000_000_000).contains(nanoseconds), !overflow, product <= .max - nanoseconds else { return nil }
        self.init(nanoseconds: product + nanoseconds)
    }
}

extension ProtoWriter {
    /// Writes google.protobuf.Timestamp.
    package mutating func timestamp(_ field: UInt64, _ time: EventTime) {
        let (seconds, rest) = time.nanoseconds.quotientAndRemainder(dividingBy: 1_000_000_000)
        message(field) {
            $0.number(1, UInt64(bitPattern: rest < 0 ? seconds - 1 : seconds))
            $0.number(2, UInt64(rest < 0 ? rest + 1_000_000_000 : rest))
        }
    }
}
