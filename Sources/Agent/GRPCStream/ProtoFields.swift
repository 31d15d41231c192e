// SPDX-License-Identifier: Apache-2.0

internal import Telemetry

/// The fields of a small protobuf message, for answers of which a few are wanted. A message that is none has those before its fault.
package struct ProtoFields: Sendable {
    /// A field's value; what it is not is empty.
    package struct Value: Sendable {
        package var number: UInt64 = 0
        package var bytes: [UInt8] = []
        package var text: String { String(decoding: bytes, as: UTF8.self) }
        package var message: ProtoFields { ProtoFields(bytes) }
    }

    private static let most = 4096
    private var fields: [(id: UInt64, value: Value)] = []

    package init(_ message: [UInt8]) {
        message.withUnsafeBytes { bytes in
            var reader = ProtoReader(bytes, in: 0..<bytes.count, of: "an answer")
            do throws(TelemetryFault) {
                while fields.count < Self.most, let field = try reader.next() {
                    fields.append((field.id, Value(number: field.number, bytes: Array(bytes[field.range]))))
                }
            } catch {
                // What came before it is what there is.
            }
        }
    }

    /// The last one of that number, which is the one that counts in protobuf; `nil` when it is not there.
    package func value(_ id: UInt64) -> Value? { fields.last { $0.id == id }?.value }
    /// All of that number, in order.
    package func all(_ id: UInt64) -> [Value] { fields.filter { $0.id == id }.map(\.value) }
}
