// SPDX-License-Identifier: Apache-2.0

import MeshTesting
import Telemetry
import Testing

@Suite("Only one whole JSON object on one line passes as such")
struct JSONShapeTests {
    @Test(
        "objects pass",
        arguments: ["{}", #"{"a":[1,-2.5e+3,true,false,null,"ä\u00e4\n"],"b":{"c":{}}}"#, #"{ "a" : [ ] }"#])
    func good(_ text: String) { #expect(JSONShape.isObjectLine(Array(text.utf8))) }

    @Test(
        "all else does not",
        arguments: [
            "", "1", "[]", "null", "{", "}", "{}{}", "{} x", "{\n}", #"{"a":1,}"#, #"{a:1}"#, #"{"a":NaN}"#, #"{"a":01}"#, #"{"a":1.}"#,
            #"{"a":+1}"#,
            #"{"a":"\x"}"#, #"{"a":"\u12g4"}"#, "{\"a\":\"\u{1}\"}", #"{"a":tru}"#, #"{"a" 1}"#, #"{"a":"}"#, #"{"a":-}"#,
        ])
    func bad(_ text: String) { #expect(!JSONShape.isObjectLine(Array(text.utf8))) }

    @Test("nesting without end and bytes that are not UTF-8 are refused")
    func hostile() {
        let deep = #"{"a":"# + String(repeating: "[", count: 100_000)
        #expect(!JSONShape.isObjectLine(Array(deep.utf8)))
        #expect(!JSONShape.isObjectLine(Array(#"{"a":""#.utf8) + [0xff, 0xc0] + Array(#""}"#.utf8)))
    }

    @Test("fifty thousand random texts of JSON's own characters never end the program")
    func fuzz() {
        var random = SplitMix(seed: 8)
        let alphabet = Array(#"{}[]",:\utrn0123.eE+- "#.utf8)
        for _ in 0..<50_000 {
            let text =
                [UInt8(ascii: "{")]
                + (0..<Int.random(in: 0..<24, using: &random)).map { _ in alphabet[Int.random(in: 0..<alphabet.count, using: &random)] }
            _ = JSONShape.isObjectLine(text)
        }
    }
}
