// SPDX-License-Identifier: Apache-2.0

import MeshModel
import Testing

@Suite("identifiers")
struct IdentifierTests {
    @Test(
        "names are labels: nothing that a format uses as a delimiter can hide in them",
        arguments: ["", "-a", "A", "a b", "a/b", "a,b", "a\n", "é", "a\u{0}", "a_b", "a.b", String(repeating: "a", count: 64)])
    func badLabels(_ text: String) {
        #expect(NodeID(text) == nil && ClusterName(text) == nil && RunID(text) == nil)
    }

    @Test("good names are kept as they are", arguments: ["a", "0", "wrk-e-1", "talos-east", String(repeating: "a", count: 63)])
    func goodLabels(_ text: String) {
        #expect(NodeID(text)?.text == text && ClusterName(text)?.description == text)
    }

    @Test("a step is one to four labels")
    func steps() {
        #expect(StepID("talos-east/wrk-e-1/wipe-vdb") == StepID("talos-east", "wrk-e-1", "wipe-vdb"))
        for text in ["", "/", "a/", "/a", "a//b", "a/b/c/d/e", "a/B"] { #expect(StepID(text) == nil, "\(text)") }
    }

    @Test("ids of other kinds keep to their own grammar")
    func others() {
        #expect(
            WarrantID(String(repeating: "0f", count: 16)) != nil && WarrantID(String(repeating: "0F", count: 16)) == nil
                && WarrantID("0f") == nil)
        #expect(BootID("3f2504e0-4f89-11d3-9a0c-0305e82c3301") != nil && BootID("short") == nil && BootID("3f2504e0 4f89") == nil)
        #expect(
            TaskID("run-1/step#2") != nil && TaskID("a b") == nil && TaskID("") == nil && TaskID(String(repeating: "x", count: 201)) == nil)
    }

    @Test("ids sort as text and generations as numbers")
    func order() throws {
        let (ten, two) = (try #require(NodeID("a-10")), try #require(NodeID("a-2")))
        #expect(ten < two)
        #expect(Generation(9) < Generation(10) && Generation(9).next == Generation(10))
    }
}
