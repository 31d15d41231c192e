// SPDX-License-Identifier: Apache-2.0

/// Walks over one JSON text and stops only where somebody wants to look; everything else is stepped over byte by byte. It believes that the
/// text is well formed (`JSONShape` looked), and ends with false on one that is not.
struct JSONCursor {
    private let bytes: UnsafeRawBufferPointer
    private(set) var position = 0

    init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

    /// Where a string lies, without its quotes, and whether there are escapes in it.
    struct Text {
        var range: Range<Int>
        var isEscaped: Bool
    }

    /// Calls `visit` for each field of the object here, with its name; it has to step over the value and says whether it could.
    mutating func fields(_ visit: (inout JSONCursor, Text) -> Bool) -> Bool {
        guard take(UInt8(ascii: "{")) else { return false }
        if take(UInt8(ascii: "}")) { return true }
        while true {
            guard let name = string(), take(UInt8(ascii: ":")), visit(&self, name) else { return false }
            if take(UInt8(ascii: "}")) { return true }
            guard take(UInt8(ascii: ",")) else { return false }
        }
    }

    /// Whether the string at `text` is `word`.
    func holds(_ text: Text, _ word: StaticString) -> Bool {
        guard text.range.count == word.utf8CodeUnitCount else { return false }
        for (offset, index) in text.range.enumerated() where bytes[index] != word.utf8Start[offset] { return false }
        return true
    }

    /// The string here; `nil`, and nothing is stepped over, when here is none.
    mutating func string() -> Text? {
        guard take(UInt8(ascii: "\"")) else { return nil }
        let start = position
        var isEscaped = false
        while position < bytes.count {
            let byte = bytes[position]
            if byte == UInt8(ascii: "\"") {
                defer { position += 1 }
                return Text(range: start..<position, isEscaped: isEscaped)
            }
            if byte == UInt8(ascii: "\\") {
                isEscaped = true
                position += 1
            }
            position += 1
        }
        position = min(position, bytes.count)
        return nil
    }

    /// The string here as a value; `nil` after stepping over a value that is none.
    mutating func text() -> String? {
        guard peek == UInt8(ascii: "\"") else {
            _ = skip()
            return nil
        }
        return string().map(value)
    }

    /// The whole number here, bare or, as Tetragon writes those of 64 bits, in quotes; `nil` after stepping over anything else.
    mutating func number() -> UInt64? {
        if peek == UInt8(ascii: "\"") { return string().flatMap { digits($0.range) } }
        let start = position
        return skip() ? digits(start..<position) : nil
    }

    /// Steps over the value here.
    mutating func skip() -> Bool {
        guard let first = peek else { return false }
        if first == UInt8(ascii: "\"") { return string() != nil }
        guard first == UInt8(ascii: "{") || first == UInt8(ascii: "[") else {
            let start = position
            while position < bytes.count, !Self.endsScalar(bytes[position]) { position += 1 }
            return position > start
        }
        var depth = 0
        while position < bytes.count {
            switch bytes[position] {
            case UInt8(ascii: "\""):
                guard string() != nil else { return false }
                continue
            case UInt8(ascii: "{"), UInt8(ascii: "["): depth += 1
            case UInt8(ascii: "}"), UInt8(ascii: "]"): depth -= 1
            default: break
            }
            position += 1
            if depth == 0 { return true }
        }
        return false
    }

    /// A string with its escapes undone; halves of surrogate pairs that stand alone become U+FFFD.
    func value(_ text: Text) -> String {
        let raw = UnsafeRawBufferPointer(rebasing: bytes[text.range])
        guard text.isEscaped else { return String(decoding: raw, as: UTF8.self) }
        var units: [UInt8] = []
        units.reserveCapacity(raw.count)
        var index = 0
        while index < raw.count {
            let byte = raw[index]
            guard byte == UInt8(ascii: "\\"), index + 1 < raw.count else {
                units.append(byte)
                index += 1
                continue
            }
            index += 2
            switch raw[index - 1] {
            case UInt8(ascii: "n"): units.append(0x0a)
            case UInt8(ascii: "t"): units.append(0x09)
            case UInt8(ascii: "r"): units.append(0x0d)
            case UInt8(ascii: "b"): units.append(0x08)
            case UInt8(ascii: "f"): units.append(0x0c)
            case UInt8(ascii: "u"):
                var unit = Self.hexadecimal(raw, index)
                index += 4
                if unit & 0xfc00 == 0xd800, index + 6 <= raw.count, raw[index] == UInt8(ascii: "\\"), raw[index + 1] == UInt8(ascii: "u") {
                    let low = Self.hexadecimal(raw, index + 2)
                    if low & 0xfc00 == 0xdc00 {
                        unit = 0x10000 + (unit & 0x3ff) << 10 + low & 0x3ff
                        index += 6
                    }
                }
                units += String(Unicode.Scalar(unit) ?? "\u{fffd}").utf8
            case let other: units.append(other)
            }
        }
        return String(decoding: units, as: UTF8.self)
    }

    private static func hexadecimal(_ raw: UnsafeRawBufferPointer, _ index: Int) -> UInt32 {
        guard index + 4 <= raw.count else { return 0xfffd }
        return UInt32(String(decoding: UnsafeRawBufferPointer(rebasing: raw[index..<index + 4]), as: UTF8.self), radix: 16) ?? 0xfffd
    }

    private func digits(_ range: Range<Int>) -> UInt64? {
        guard (1...20).contains(range.count) else { return nil }
        var value: UInt64 = 0
        for index in range {
            let digit = bytes[index] &- UInt8(ascii: "0")
            guard digit < 10 else { return nil }
            let (product, high) = value.multipliedReportingOverflow(by: 10)
            let (sum, carry) = product.addingReportingOverflow(UInt64(digit))
            guard !high, !carry else { return nil }
            value = sum
        }
        return value
    }

    private static func endsScalar(_ byte: UInt8) -> Bool {
        byte == UInt8(ascii: ",") || byte == UInt8(ascii: "}") || byte == UInt8(ascii: "]") || byte <= 0x20
    }

    /// The next byte that is no white space.
    private var peek: UInt8? {
        mutating get {
            while position < bytes.count, bytes[position] <= 0x20 { position += 1 }
            return position < bytes.count ? bytes[position] : nil
        }
    }

    private mutating func take(_ byte: UInt8) -> Bool {
        guard peek == byte else { return false }
        position += 1
        return true
    }
}
