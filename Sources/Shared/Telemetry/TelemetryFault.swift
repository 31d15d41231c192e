// SPDX-License-Identifier: Apache-2.0

/// Why bytes are not an event or a batch.
package enum TelemetryFault: Error, Hashable, Sendable, CustomStringConvertible {
    /// The bytes end in the middle, or are not protobuf at all.
    case notProtobuf(String)
    /// A field that breaks its rule.
    case badField(String, problem: String)

    package var description: String {
        switch self {
        case .notProtobuf(let what): "read \(what): the bytes are not that message"
        case .badField(let field, let problem): "read \(field): \(problem)"
        }
    }
}
