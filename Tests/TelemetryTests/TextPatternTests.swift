// SPDX-License-Identifier: Apache-2.0

import MeshTesting
import Telemetry
import Testing

@Suite("Patterns of texts")
struct TextPatternTests {
    @Test(
        "stars stand for anything, question marks for one byte",
        arguments: [
            ("*/nc", "/usr/bin/nc", true), ("*/nc", "/usr/bin/ncat", false), ("*/nc", "nc", false), ("/usr/*", "/usr/bin/nc", true),
            ("*", "", true), ("*", "x", true), ("?", "", false), ("n?", "nc", true), ("a*b*c", "a1b2c", true), ("a*b*c", "a1b2", false),
            ("**x", "xx", true), ("nc", "nc", true), ("nc", "NC", false),
        ])
    func matches(_ pattern: String, _ text: String, _ expected: Bool) throws {
        #expect(try #require(TextPattern(pattern)).matches(text) == expected)
    }

    @Test("the words that an index can look up are known from the pattern")
    func literals() throws {
        func words(_ text: String) throws -> (String?, String?) {
            let pattern = try #require(TextPattern(text))
            return (
                pattern.literal.map { String(decoding: $0, as: UTF8.self) }, pattern.literalName.map { String(decoding: $0, as: UTF8.self) }
            )
        }
        #expect(try words("*/nc") == (nil, "nc"))
        #expect(try words("/bin/sh") == ("/bin/sh", "sh"))
        #expect(try words("nc") == ("nc", "nc"))
        #expect(try words("*nc") == (nil, nil))
        #expect(try words("/opt/") == ("/opt/", nil))
        #expect(TextPattern("") == nil)
    }

    @Test("a pattern made of stars takes no time to speak of")
    func stars() throws {
        let pattern = try #require(TextPattern(String(repeating: "*a", count: 200)))
        #expect(!pattern.matches(String(repeating: "a", count: 199) + String(repeating: "b", count: 800)))
    }
}
