// SPDX-License-Identifier: Apache-2.0

/// A SHA-256 value. This room only carries and shows it; MeshTrust computes it.
package struct Digest: Hashable, Sendable, Codable, CustomStringConvertible {
    /// Exactly 32 bytes.
    package let bytes: [UInt8]

    package init?(_ bytes: [UInt8]) {
        guard bytes.count == 32 else { return nil }
        self.bytes = bytes
    }

    /// From 64 lower-case hex digits.
    package init?(hex: String) {
        guard hex.utf8.count == 64, let bytes = decodeHex(hex) else { return nil }
        self.bytes = bytes
    }

    /// The value that stands before the first entry of a chain.
    package static let zero = Digest(repeating: 0)

    private init(repeating byte: UInt8) { bytes = Array(repeating: byte, count: 32) }

    package var hex: String { encodeHex(bytes) }
    /// The first twelve digits, for people.
    package var short: String { String(hex.prefix(12)) }
    package var description: String { hex }

    package init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        let text = try container.decode(String.self)
        guard let value = Digest(hex: text) else {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: "\"\(text)\" is not a SHA-256 in hex")
        }
        self = value
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(hex)
    }
}

/// Computes a SHA-256. Pure rooms take it as an argument, so that they need no library.
package typealias Digester = @Sendable (_ bytes: [UInt8]) -> Digest

package func encodeHex(_ bytes: some Sequence<UInt8>) -> String {
    let digits = Array("0123456789abcdef".utf8)
    var text: [UInt8] = []
    for byte in bytes {
        text.append(digits[Int(byte >> 4)])
        text.append(digits[Int(byte & 15)])
    }
    return String(decoding: text, as: UTF8.self)
}

/// Lower-case hex to bytes; `nil` for anything else.
package func decodeHex(_ text: some StringProtocol) -> [UInt8]? {
    func value(_ digit: UInt8) -> UInt8? {
        switch digit {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): digit - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): digit - UInt8(ascii: "a") + 10
        default: nil
        }
    }
    let digits = Array(text.utf8)
    guard digits.count.isMultiple(of: 2) else { return nil }
    var bytes: [UInt8] = []
    bytes.reserveCapacity(digits.count / 2)
    for index in stride(from: 0, to: digits.count, by: 2) {
        guard let high = value(digits[index]), let low = value(digits[index + 1]) else { return nil }
        bytes.append(high << 4 | low)
    }
    return bytes
}
