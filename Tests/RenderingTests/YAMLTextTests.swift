// SPDX-License-Identifier: Apache-2.0

import MeshModel
import MeshTesting
import Rendering
import Testing
import Yams

@Suite("YAML as every reader takes it")
struct YAMLTextTests {
    /// Read by another library, with all the guesses that YAML 1.1 makes.
    private func read(_ text: String) throws -> HelmValue {
        func value(_ node: Any) throws -> HelmValue {
            switch node {
            case let text as String: return .string(text)
            case let truth as Bool: return .bool(truth)
            case let number as Int: return .integer(Int64(number))
            case let number as Double: return .number(number)
            case let list as [Any]: return .list(try list.map(value))
            case let map as [String: Any]: return .map(try map.mapValues(value))
            default: return .null
            }
        }
        return try value(SmallMesh.need(try Yams.load(yaml: text)))
    }

    @Test(
        "a text that looks like something else stays a text",
        arguments: [
            "", " ", "~", "null", "yes", "No", "on", "0x1f", "0o7", "1e3", "1_000", "12", "-1", ".5", "+1", "10:20", "2024-01-01",
            "2024-01-01T00:00:00Z", "a: b", "a #b", "# a", "- a", "* a", "&a", "!a", "%a", "@a", "`a", "{a}", "[a]", "a,b", "'", "\"", "\\",
            "a\tb", "a\nb", "a\n", "\n", " a\n", "a \n", "é", "\u{2028}", "\u{1F600}", "=", "<<", "|", ">", "key:", "a:b", "true", "FALSE",
            ".inf",
            ".NaN", "1.2.3", "10.0.0.1", "::1", "fd00::1", "0", "00", "0b1", "1.", "1e", "a\r\nb\n", "line\n\nline\n", "---", "...",
        ])
    func texts(_ text: String) throws {
        let value = HelmValue.map(["k": .string(text), "l": .list([.string(text)]), text: .string("key")])
        #expect(try read(YAMLText.document(value)) == value, "\(YAMLText.document(value))")
    }

    @Test("any tree of maps, lists and texts comes back")
    func trees() throws {
        var random = SplitMix(seed: 11)
        func tree(_ depth: Int) -> HelmValue {
            switch Int.random(in: 0..<(depth > 0 ? 7 : 4), using: &random) {
            case 0: .bool(Bool.random(using: &random))
            case 1: .integer(Int64.random(in: -5...70_000, using: &random))
            case 2: .string(["a", "b: c", "no", "x\ny\n", "1.18"].randomElement(using: &random) ?? "")
            case 3: .string("")
            case 4: .list((0..<Int.random(in: 0...3, using: &random)).map { _ in tree(depth - 1) })
            default: .map(Dictionary(uniqueKeysWithValues: (0..<Int.random(in: 0...3, using: &random)).map { ("k\($0)", tree(depth - 1)) }))
            }
        }
        for _ in 0..<500 {
            let value = HelmValue.map(["root": tree(4)])
            let text = YAMLText.document(value)
            #expect(try read(text) == value, "\(text)")
            #expect(YAMLText.document(value) == text)
        }
    }
}
