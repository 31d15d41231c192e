// SPDX-License-Identifier: Apache-2.0

internal import FoundationEssentials

/// JSON with one form for one value: keys sorted, no spaces, no escaped slashes. What is hashed or compared is written so.
package enum CanonicalJSON {
    package static func encode(_ value: some Encodable) throws -> [UInt8] { try CanonicalEncoder.encode(value) }

    package static func decode<Value: Decodable>(_ type: Value.Type, from bytes: [UInt8]) throws -> Value {
        try JSONDecoder().decode(type, from: Data(bytes))
    }
}
