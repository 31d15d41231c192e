// SPDX-License-Identifier: Apache-2.0

/// Makes a coordinator's JSON safe to show: what it says goes to terminals, and an agent that was taken over chooses some of it. Control
/// characters (but newline and tab) and marks that turn the direction of writing become "?", escaped or not. A warrant's text has none.
enum PlainReply {
    static func plain(_ json: [UInt8]) -> [UInt8] {
        var output: [UInt8] = []
        output.reserveCapacity(json.count)
        var index = 0
        while index < json.count {
            let byte = json[index]
            let rest = json[index...]
            if byte == UInt8(ascii: "\\"), index + 1 < json.count {
                let escape = rest.prefix(json[index + 1] == UInt8(ascii: "u") ? 6 : 2)
                if isUnsafe(escape: escape) {
                    output.append(UInt8(ascii: "?"))
                } else {
                    output += escape
                }
                index += escape.count
            } else if let (code, count) = scalar(rest), isUnsafe(code), code != 0x0d {
                // Newlines, returns and tabs may stand between tokens; inside of a text JSON takes none of them as it is.
                output.append(UInt8(ascii: "?"))
                index += count
            } else {
                output.append(byte)
                index += 1
            }
        }
        return output
    }

    /// `\b`, `\f` and `\r` are control characters too: what stands before them would be written over.
    private static func isUnsafe(escape: ArraySlice<UInt8>) -> Bool {
        switch escape.dropFirst().first {
        case UInt8(ascii: "b"), UInt8(ascii: "f"), UInt8(ascii: "r"): true
        case UInt8(ascii: "u") where escape.count == 6:
            UInt32(String(decoding: escape.dropFirst(2), as: UTF8.self), radix: 16).map(isUnsafe) ?? false
        default: false
        }
    }

    private static func isUnsafe(_ code: UInt32) -> Bool {
        switch code {
        case 0x09, 0x0a: false
        case 0..<0x20, 0x7f...0x9f: true
        case 0x200e, 0x200f, 0x202a...0x202e, 0x2066...0x2069, 0x061c: true
        default: false
        }
    }

    /// A scalar of one to three bytes that begins here; longer ones are never unsafe.
    private static func scalar(_ bytes: ArraySlice<UInt8>) -> (UInt32, Int)? {
        guard let first = bytes.first else { return nil }
        func low(_ offset: Int) -> UInt32? {
            let index = bytes.startIndex + offset
            guard index < bytes.endIndex, bytes[index] & 0xc0 == 0x80 else { return nil }
            return UInt32(bytes[index] & 0x3f)
        }
        if first < 0x80 { return (UInt32(first), 1) }
        if first & 0xe0 == 0xc0, let second = low(1) { return (UInt32(first & 0x1f) << 6 | second, 2) }
        if first & 0xf0 == 0xe0, let second = low(1), let third = low(2) { return (UInt32(first & 0x0f) << 12 | second << 6 | third, 3) }
        return nil
    }
}
