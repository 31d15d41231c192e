// SPDX-License-Identifier: Apache-2.0

/// Texts of events: any program on a host can choose them, and they end up on terminals and in files.
package enum EventText {
    /// True when the bytes are UTF-8 without control characters.
    static func isClean(_ bytes: UnsafeRawBufferPointer) -> Bool {
        var ascii = true
        for byte in bytes {
            if byte < 0x20 || byte == 0x7f { return false }
            if byte >= 0x80 { ascii = false }
        }
        if ascii { return true }
        guard let text = String(validating: bytes, as: UTF8.self) else { return false }
        // C1 controls are two bytes in UTF-8, and some terminals obey them.
        return !text.unicodeScalars.contains { (0x80...0x9f).contains($0.value) }
    }

    /// The text without control characters and at most `limit` bytes long, and whether it was longer.
    package static func clean(_ text: String, limit: Int) -> (text: String, isCut: Bool) {
        var copy = text
        if copy.utf8.count <= limit, copy.withUTF8({ isClean(UnsafeRawBufferPointer($0)) }) { return (copy, false) }
        var kept = String.UnicodeScalarView()
        var size = 0
        for scalar in text.unicodeScalars {
            let wanted = isControl(scalar) ? "\u{fffd}" : scalar
            size += UTF8.width(wanted)
            if size > limit { return (String(kept), true) }
            kept.append(wanted)
        }
        return (String(kept), false)
    }

    private static func isControl(_ scalar: Unicode.Scalar) -> Bool { scalar.value < 0x20 || (0x7f...0x9f).contains(scalar.value) }
}
