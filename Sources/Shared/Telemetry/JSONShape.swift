// SPDX-License-Identifier: Apache-2.0

/// Whether bytes are one JSON object on one line (RFC 8259), so that they may stand in a line of NDJSON as they are.
package enum JSONShape {
    /// Deeper nesting is refused, as readers elsewhere recurse.
    static let deepest = 64

    /// True for a well-formed object without line breaks and without bytes that are not UTF-8.
    package static func isObjectLine(_ bytes: [UInt8]) -> Bool {
        bytes.withUnsafeBytes { buffer in
            guard buffer.first == UInt8(ascii: "{") else { return false }
            var scanner = Scanner(bytes: buffer)
            guard scanner.value(depth: 0), scanner.position == buffer.count else { return false }
            return !scanner.sawWide || String(validating: buffer, as: UTF8.self) != nil
        }
    }

    private struct Scanner {
        let bytes: UnsafeRawBufferPointer
        var position = 0
        var sawWide = false

        var current: UInt8? { position < bytes.count ? bytes[position] : nil }

        mutating func take(_ byte: UInt8) -> Bool {
            guard current == byte else { return false }
            position += 1
            return true
        }

        mutating func skipSpace() {
            while let byte = current, byte == 0x20 || byte == 0x09 { position += 1 }
        }

        mutating func value(depth: Int) -> Bool {
            guard depth <= deepest, let byte = current else { return false }
            switch byte {
            case UInt8(ascii: "{"): return members(closing: UInt8(ascii: "}"), named: true, depth: depth)
            case UInt8(ascii: "["): return members(closing: UInt8(ascii: "]"), named: false, depth: depth)
            case UInt8(ascii: "\""): return string()
            case UInt8(ascii: "t"): return word("true")
            case UInt8(ascii: "f"): return word("false")
            case UInt8(ascii: "n"): return word("null")
            default: return number()
            }
        }

        mutating func members(closing: UInt8, named: Bool, depth: Int) -> Bool {
            position += 1
            skipSpace()
            if take(closing) { return true }
            while true {
                skipSpace()
                if named {
                    guard string() else { return false }
                    skipSpace()
                    guard take(UInt8(ascii: ":")) else { return false }
                    skipSpace()
                }
                guard value(depth: depth + 1) else { return false }
                skipSpace()
                if take(closing) { return true }
                guard take(UInt8(ascii: ",")) else { return false }
            }
        }

        mutating func string() -> Bool {
            guard take(UInt8(ascii: "\"")) else { return false }
            while let byte = current {
                position += 1
                switch byte {
                case UInt8(ascii: "\""): return true
                case UInt8(ascii: "\\"): guard escape() else { return false }
                case ..<0x20: return false
                case 0x80...: sawWide = true
                default: break
                }
            }
            return false
        }

        mutating func escape() -> Bool {
            guard let byte = current else { return false }
            position += 1
            if byte == UInt8(ascii: "u") {
                for _ in 0..<4 {
                    guard let digit = current, isHex(digit) else { return false }
                    position += 1
                }
                return true
            }
            return "\"\\/bfnrt".utf8.contains(byte)
        }

        mutating func number() -> Bool {
            _ = take(UInt8(ascii: "-"))
            if !take(UInt8(ascii: "0")) { guard digits() else { return false } }
            if take(UInt8(ascii: ".")) { guard digits() else { return false } }
            if take(UInt8(ascii: "e")) || take(UInt8(ascii: "E")) {
                if !take(UInt8(ascii: "+")) { _ = take(UInt8(ascii: "-")) }
                guard digits() else { return false }
            }
            return true
        }

        mutating func digits() -> Bool {
            let start = position
            while let byte = current, (0x30...0x39).contains(byte) { position += 1 }
            return position > start
        }

        mutating func word(_ text: StaticString) -> Bool {
            let count = text.utf8CodeUnitCount
            guard bytes.count - position >= count else { return false }
            for index in 0..<count where bytes[position + index] != text.utf8Start[index] { return false }
            position += count
            return true
        }

        func isHex(_ byte: UInt8) -> Bool {
            (0x30...0x39).contains(byte) || (0x41...0x46).contains(byte) || (0x61...0x66).contains(byte)
        }
    }
}
