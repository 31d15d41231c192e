// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import MeshModel
import MeshTesting
import Testing

@testable import MeshSystem

/// What is hashed must stay what it was: the same bytes as JSONEncoder's, whatever is written.
@Suite("Canonical JSON")
struct CanonicalEncoderTests {
    private func expectSame(_ value: some Encodable) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        let wanted = String(decoding: try encoder.encode(value), as: UTF8.self)
        #expect(String(decoding: try CanonicalJSON.encode(value), as: UTF8.self) == wanted)
    }

    private enum Shape: Encodable {
        case none
        case one(Int)
        case two(name: String, [Shape])
    }
    private struct Empty: Encodable {}
    private struct Silent: Encodable { func encode(to encoder: any Encoder) throws {} }
    private class Base: Encodable { var inherited = "yes" }
    private final class Derived: Base {
        private enum Key: String, CodingKey { case own, again }
        override func encode(to encoder: any Encoder) throws {
            var container = encoder.container(keyedBy: Key.self)
            try container.encode("no", forKey: .own)
            var first = container.nestedContainer(keyedBy: Key.self, forKey: .again)
            try first.encode(1, forKey: .own)
            var second = container.nestedContainer(keyedBy: Key.self, forKey: .again)
            try second.encode(2, forKey: .again)
            try container.encode("later", forKey: .own)
            try super.encode(to: container.superEncoder())
        }
    }
    private struct Odd: Encodable {
        var a10 = 1, a2 = 2, aB = 3, ab = 4, ä = "ü", _x = Int64.min, big = UInt64.max, small = Int8.min, byte = UInt8.max
        var numbers = [1.0, 1.5, -0.0, 1e300, .leastNonzeroMagnitude, 0.1, 1e16, 123_456_789_012_345_680]
        var floats: [Float] = [0.1, 3, 1e20]
        var text = "\u{0}\u{1}\u{8}\t\n\u{b}\u{c}\r\u{1f}\u{7f}\"\\/é😀\u{2028}"
        var absent: String?
        var holes: [Int?] = [1, nil]
        var shapes: [Shape] = [.none, .one(3), .two(name: "x", [.none, .two(name: "", [])])]
        var names = ["z": 1, "Z": 0, "a": 2, "\"q": 3, "é": 4, "e\u{301}x": 5, "10": 6, "9": 7, "": 8]
        var numbered = [3: "x", 20: "y"]
        var pairs: [Float: Int] = [1: 2]
        var empty = Empty()
        var silent = Silent()
        var lists: [[Int]] = [[], [1]]
        var truths = [true, false]
        var data = Data([1, 2, 255])
        var date = Date(timeIntervalSinceReferenceDate: 1.5)
        var derived = Derived()
    }

    @Test("every shape is written as JSONEncoder writes it")
    func shapes() throws {
        try expectSame(Odd())
        try expectSame("alone / \"quoted\"")
        try expectSame([String: Int]())
        try expectSame(Optional<Int>.none)
        try expectSame(Shape.two(name: "é", [.one(.max)]))
    }

    @Test("random texts are written as JSONEncoder writes them, as names and as values")
    func texts() throws {
        var generator = SplitMix(seed: 0x7E44)
        for _ in 0..<300 {
            let texts = (0..<Int.random(in: 1..<8, using: &generator)).map { _ in
                let scalars = (0..<Int.random(in: 0..<20, using: &generator)).compactMap { _ in
                    Unicode.Scalar(UInt32.random(in: 0..<(Bool.random(using: &generator) ? 0x80 : 0x1_0000), using: &generator))
                }
                return String(String.UnicodeScalarView(scalars))
            }
            try expectSame(texts)
            try expectSame(Dictionary(texts.map { ($0, $0) }, uniquingKeysWith: { first, _ in first }))
        }
    }

    @Test("a number that JSON does not have is refused")
    func notANumber() {
        for number in [Double.nan, .infinity] { #expect(throws: EncodingError.self) { try CanonicalJSON.encode([number]) } }
    }
}
