// SPDX-License-Identifier: Apache-2.0

import MeshModel
import MeshTesting
import Testing

@Suite("Text from elsewhere on a terminal")
struct PrintableTests {
    @Test("what moves a cursor, hides words or begins a line is taken out, and all else stays")
    func controls() {
        #expect(printable("east-1: grüße, 東京, 🛰") == "east-1: grüße, 東京, 🛰")
        #expect(printable("red \u{1b}[31m\u{7}\r\nnew\u{7f}") == "red \u{fffd}[31m\u{fffd}\u{fffd}\u{fffd}new\u{fffd}")
        // Bidirectional overrides show words in another order; the line separator is one to some terminals.
        #expect(printable("a\u{202e}b\u{2028}c\u{200b}\u{9b}") == "a\u{fffd}b\u{fffd}c\u{fffd}\u{fffd}")
        #expect(printable("") == "")
    }

    @Test("of any text every line break and escape goes, and nothing is added")
    func any() {
        var random = SplitMix(seed: 5)
        for _ in 0..<500 {
            let scalars = (0..<40).compactMap { _ in Unicode.Scalar(UInt32.random(in: 0...0x3000, using: &random)) }
            let shown = printable(String(String.UnicodeScalarView(scalars)))
            #expect(
                shown.unicodeScalars.count == scalars.count
                    && !shown.unicodeScalars.contains { $0.value < 0x20 || (0x7f...0x9f).contains($0.value) })
        }
    }
}
