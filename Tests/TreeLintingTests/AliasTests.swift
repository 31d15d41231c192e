// SPDX-License-Identifier: Apache-2.0

import MeshConfig
import Testing
import TreeLinting

@Suite("Aliases in the YAML of a tree")
struct AliasTests {
    private func texts(_ node: YAMLNode?) -> [String: String] {
        Dictionary((node?.entries ?? []).map { ($0.key, $0.value.text ?? "") }, uniquingKeysWith: { first, _ in first })
    }

    @Test("a value is read where its alias stands, with the place where it is written")
    func follows() throws {
        let reading = readTreeYAML("a: &range 10.1.0.0/16\nb:\n  c: *range\n---\nd: 1\n")
        #expect(reading.fault == nil)
        try #require(reading.documents.count == 2)
        let value = reading.documents[0]["b", "c"]
        #expect(value?.text == "10.1.0.0/16")
        #expect(value?.place.line == 1)
    }

    @Test("merged maps give what the map itself does not say, the first of several winning")
    func merges() {
        let source = """
            x: &x {size: 1, kind: a}
            y: &y {size: 2, disk: b}
            one:
              <<: *x
              size: 3
            two:
              <<: [*x, *y]
            three:
              <<: 5

            """
        let root = readTreeYAML(source).documents.first
        #expect(texts(root?["one"]) == ["size": "3", "kind": "a"])
        #expect(texts(root?["two"]) == ["size": "1", "kind": "a", "disk": "b"])
        #expect(texts(root?["three"]) == ["<<": "5"])
    }

    @Test("aliases that multiply end at the bound, and the text is told as not looked at")
    func multiply() {
        var source = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
        for level in 1...20 {
            source += "a\(level): &a\(level) [" + repeatElement("*a\(level - 1)", count: 10).joined(separator: ", ") + "]\n"
        }
        let reading = readTreeYAML(source)
        #expect(reading.documents.isEmpty)
        #expect(reading.fault?.problem.contains("unfold to more than") ?? false, "\(String(describing: reading.fault))")
    }

    @Test(
        "an alias that could become a key is not followed",
        arguments: ["{[*a]: 1}", "{*a : 1}", "*a : 1", "? *a\n: 1", "? [*a]\n: 1", "{{b: *a}: 1}"])
    func keys(_ use: String) {
        let reading = readTreeYAML("a: &a [1, 2]\n---\n" + use + "\n")
        #expect(reading.fault != nil)
    }

    @Test("too many anchors, and an alias without an anchor, are told with their place")
    func bounds() throws {
        let many = (0...64).map { "a\($0): &a\($0) 1\n" }.joined() + "b: *a0\n"
        let fault = try #require(readTreeYAML(many).fault)
        #expect(fault.problem.contains("at most 64 anchors"))
        #expect(fault.place.line == 66)
        #expect(readTreeYAML("a: 1\nb: *nowhere\n").fault?.place.line == 2)
    }

    @Test("aliases that nest beyond any text are told, and fit on the stack of a worker")
    func deepest() async {
        let open = String(repeating: "[", count: 90), close = String(repeating: "]", count: 90)
        var source = "a0: &a0 x\n"
        for level in 1..<64 { source += "a\(level): &a\(level) \(open)*a\(level - 1)\(close)\n" }
        let text = source
        await Task.detached { #expect(readTreeYAML(text).fault?.problem.contains("deeper than 200") ?? false) }.value
    }
}
