// SPDX-License-Identifier: Apache-2.0

/// One JSON object on one line, field by field in the order given. Texts may be anything a program on the host chose: control characters are
/// escaped, so that a line stays a line.
package struct JSONLine {
    private var bytes: [UInt8] = [UInt8(ascii: "{")]
    package init() {}

    /// The object so far, closed.
    package var closed: [UInt8] { bytes + [UInt8(ascii: "}")] }
    /// The same as text.
    package var text: String { String(decoding: closed, as: UTF8.self) }

    package mutating func put(_ name: String, _ value: String) {
        begin(name)
        append(value)
    }
    package mutating func put(_ name: String, _ number: some BinaryInteger) {
        begin(name)
        bytes += String(number).utf8
    }
    package mutating func put(_ name: String, _ flag: Bool) {
        begin(name)
        bytes += (flag ? "true" : "false").utf8
    }
    package mutating func put(_ name: String, _ texts: [String]) {
        begin(name)
        bytes.append(UInt8(ascii: "["))
        for (index, text) in texts.enumerated() {
            if index > 0 { bytes.append(UInt8(ascii: ",")) }
            append(text)
        }
        bytes.append(UInt8(ascii: "]"))
    }
    /// Objects in a row.
    package mutating func put(_ name: String, _ objects: [JSONLine]) {
        begin(name)
        bytes.append(UInt8(ascii: "["))
        for (index, object) in objects.enumerated() {
            if index > 0 { bytes.append(UInt8(ascii: ",")) }
            bytes += object.closed
        }
        bytes.append(UInt8(ascii: "]"))
    }

    /// The fields of another object behind ours.
    package mutating func append(_ other: JSONLine) {
        guard other.bytes.count > 1 else { return }
        if bytes.count > 1 { bytes.append(UInt8(ascii: ",")) }
        bytes += other.bytes.dropFirst()
    }
    /// An object as a field.
    package mutating func put(_ name: String, _ object: JSONLine) {
        begin(name)
        bytes += object.closed
    }

    private mutating func begin(_ name: String) {
        if bytes.count > 1 { bytes.append(UInt8(ascii: ",")) }
        append(name)
        bytes.append(UInt8(ascii: ":"))
    }

    private mutating func append(_ text: String) {
        bytes.append(UInt8(ascii: "\""))
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"):
                bytes.append(UInt8(ascii: "\\"))
                bytes.append(byte)
            case 0..<0x20, 0x7f:
                bytes += "\\u00".utf8
                for half in [byte >> 4, byte & 15] { bytes.append(half < 10 ? 48 + half : 87 + half) }
            default: bytes.append(byte)
            }
        }
        bytes.append(UInt8(ascii: "\""))
    }
}
