// SPDX-License-Identifier: Apache-2.0

import MeshModel
import MeshTesting
import Testing

@Suite("The warrant of a teardown")
struct TeardownTermsTests {
    private func terms(_ losses: [String] = ["every volume in Ceph on cluster east", "Ceph's data on disk a"]) throws -> TeardownTerms {
        let noon = Timestamp(seconds: 1_800_000_000)
        return TeardownTerms(
            mesh: "mesh", id: try #require(WarrantID(String(repeating: "a", count: 32))), plan: .zero,
            step: StepID("east", "service-rook-ceph", "undo"), destroys: TeardownTerms.losses(losses), notBefore: noon,
            notAfter: noon + .seconds(1800))
    }

    @Test("has one text, and the text one meaning")
    func roundTrip() throws {
        let terms = try terms()
        #expect(try TeardownTerms(parsing: terms.text) == terms)
        #expect(terms.text.hasPrefix("MESHGATE-TEARDOWN-WARRANT/1\nmesh: mesh\n"))
        #expect(TeardownTerms.isMeant(by: terms.text))
        #expect(throws: WarrantTerms.Malformed.self) { try WarrantTerms(parsing: terms.text) }
    }

    @Test("may name the digest of a list, and is another text then")
    func objects() throws {
        var listed = try terms()
        listed.objects = .zero
        #expect(try TeardownTerms(parsing: listed.text) == listed)
        #expect(listed.text.contains("\nobjects: \(Digest.zero.hex)\nnot-before: "))
        #expect(throws: WarrantTerms.Malformed.self) { try TeardownTerms(parsing: listed.text.replacing("objects: 0", with: "objects: x")) }
    }

    @Test("lists what is lost, and counts what has no line")
    func losses() throws {
        let many = try terms((1...100).map { "disk \($0)" })
        #expect(many.destroys.count == TeardownTerms.mostLosses + 1)
        #expect(many.destroys.last == "and 68 more")
        #expect(try TeardownTerms(parsing: many.text) == many)
        #expect(TeardownTerms.losses(["naïve\u{1b}[31m disk "]) == ["na?ve?[31m disk"])
    }

    @Test("a changed byte anywhere is another warrant or none")
    func changed() throws {
        let terms = try terms()
        let bytes = Array(terms.text.utf8)
        var random = SplitMix(seed: 7)
        for position in bytes.indices {
            var other = bytes
            other[position] = UInt8(truncatingIfNeeded: random.next())
            guard other != bytes, let read = try? TeardownTerms(parsing: String(decoding: other, as: UTF8.self)) else { continue }
            #expect(read != terms)
        }
        for length in bytes.indices {
            #expect(throws: WarrantTerms.Malformed.self) {
                try TeardownTerms(parsing: String(decoding: bytes.prefix(length), as: UTF8.self))
            }
        }
    }

    @Test("nothing lost, too long a life, another form and lines after the end are refused")
    func refused() throws {
        let text = try terms().text
        let bad = [
            text.replacing(
                "destroys: 2\ndestroys-1: every volume in Ceph on cluster east\ndestroys-2: Ceph's data on disk a\n", with: "destroys: 0\n"),
            text.replacing("WARRANT/1", with: "WARRANT/2"), text + "more: x\n", text.replacing("destroys: 2", with: "destroys: 02"),
            text.replacing("\n", with: "\r\n"), "", "\n",
        ]
        for text in bad { #expect(throws: WarrantTerms.Malformed.self, "\(text)") { try TeardownTerms(parsing: text) } }
        var long = try terms()
        long.notAfter = long.notBefore + .seconds(3601)
        #expect(throws: WarrantTerms.Malformed.self) { try TeardownTerms(parsing: long.text) }
    }
}
