// SPDX-License-Identifier: Apache-2.0

/// Writes one JSON object on one line. Keys keep the order in which they are added; what is absent is left out.
struct JSONText {
    private var text = "{"

    private mutating func key(_ name: String) {
        if text.utf8.count > 1 { text += "," }
        text += "\"\(name)\":"
    }

    mutating func add(_ name: String, _ value: String?) {
        guard let value else { return }
        key(name)
        text += Self.quoted(value)
    }

    mutating func add(_ name: String, _ value: (some BinaryInteger)?) {
        guard let value else { return }
        key(name)
        text += "\(value)"
    }

    /// A value that is JSON already.
    mutating func add(_ name: String, raw value: String) {
        key(name)
        text += value
    }

    mutating func add(_ name: String, _ values: [JSONText]) {
        key(name)
        text += "[" + values.map(\.finished).joined(separator: ",") + "]"
    }

    var finished: String { text + "}" }

    /// Everything that could move a cursor, end a line or turn the direction of writing is escaped: a feed is read on terminals too.
    static func quoted(_ value: String) -> String {
        var text = "\""
        for scalar in value.unicodeScalars {
            switch scalar.value {
            case 0x22: text += "\\\""
            case 0x5c: text += "\\\\"
            case 0x0a: text += "\\n"
            case 0x09: text += "\\t"
            case let value where isHarmful(value): text += escaped(value)
            default: text.unicodeScalars.append(scalar)
            }
        }
        return text + "\""
    }

    /// JSON of somebody else, known to be well formed, with the same escapes: what stands outside of strings is ASCII, so they are all inside.
    static func harmless(_ json: [UInt8]) -> String {
        let text = String(decoding: json, as: UTF8.self)
        guard json.contains(where: { $0 >= 0x7f }) else { return text }
        var escaped = ""
        escaped.reserveCapacity(json.count)
        for scalar in text.unicodeScalars {
            if scalar.value >= 0x7f, isHarmful(scalar.value) {
                escaped += Self.escaped(scalar.value)
            } else {
                escaped.unicodeScalars.append(scalar)
            }
        }
        return escaped
    }

    private static func isHarmful(_ value: UInt32) -> Bool {
        switch value {
        case 0..<0x20, 0x7f..<0xa0, 0x061c, 0x200e...0x200f, 0x2028...0x202e, 0x2066...0x2069, 0xfeff: true
        default: false
        }
    }

    private static func escaped(_ value: UInt32) -> String {
        let digits = String(value, radix: 16)
        return "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
    }
}
