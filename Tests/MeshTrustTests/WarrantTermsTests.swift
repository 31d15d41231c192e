// SPDX-License-Identifier: Apache-2.0

import MeshModel
import Testing

@Suite("The text of a warrant")
struct WarrantTermsTests {
    @Test("terms go to text and back, whatever their optional parts")
    func roundTrip() throws {
        var terms = try sampleTerms()
        for method in WarrantTerms.Method.allCases {
            for kind in DiskIdentity.Kind.allCases {
                for name in [nil, "naa.5000c500a1b2c3d4"] {
                    terms.method = method
                    terms.disk.kind = kind
                    terms.disk.wwid = name
                    terms.disk.serial = name
                    #expect(try WarrantTerms(parsing: terms.text) == terms)
                }
            }
        }
    }

    @Test("a line removed, doubled or swapped with its neighbour is refused")
    func lines() throws {
        let lines = try sampleTerms().text.split(separator: "\n").map(String.init)
        func refuse(_ changed: [String], _ what: String) {
            #expect(throws: WarrantTerms.Malformed.self, "\(what)") {
                try WarrantTerms(parsing: changed.map { $0 + "\n" }.joined())
            }
        }
        #expect(lines.count == 25)
        for index in lines.indices {
            var removed = lines
            removed.remove(at: index)
            refuse(removed, "without line \(index + 1)")
            refuse(Array(lines[...index] + lines[index...]), "with line \(index + 1) twice")
            refuse(Array(lines[..<index]), "cut before line \(index + 1)")
            refuse(Array(lines[..<index] + [""] + lines[index...]), "with an empty line \(index + 1)")
            for other in lines.indices where other != index {
                var swapped = lines
                swapped.swapAt(index, other)
                refuse(swapped, "lines \(index + 1) and \(other + 1) swapped")
            }
        }
    }

    @Test(
        "any other spelling of the same content is refused",
        arguments: [
            ("\n", "\r\n"), (": ", ":"), (": ", ":  "), ("mesh: east\n", "mesh: east \n"), ("mesh: east", "mesh: East"),
            ("disk-seq: 14", "disk-seq: 014"),
            ("disk-seq: 14", "disk-seq: +14"), ("method: labels", "method: Labels"), ("method: labels", "method: zero2"), (".000Z", "Z"),
            ("/2\n", "/1\n"), ("/2\n", "/3\n"), ("holds: 2", "holds: 02"), ("holds-1: gpt", "holds-1:  gpt"),
            ("store-records: 3", "store-records: 03"), ("verify: full", "verify: Full"), ("\u{6E}ode: ", "\u{6E}ode:\u{A0}"),
            ("disk-wwid: -", "disk-wwid: "),
            ("disk-serial: OSD-E-1", "disk-serial: OSD-E-1\u{301}"),
        ])
    func spellings(_ original: String, _ changed: String) throws {
        let text = try sampleTerms().text
        let other = text.replacing(original, with: changed)
        #expect(!other.utf8.elementsEqual(text.utf8))
        #expect(throws: WarrantTerms.Malformed.self) { try WarrantTerms(parsing: other) }
        #expect(throws: WarrantTerms.Malformed.self) { try WarrantTerms(parsing: "\u{FEFF}" + text) }
        #expect(throws: WarrantTerms.Malformed.self) { try WarrantTerms(parsing: text + "\n") }
        #expect(throws: WarrantTerms.Malformed.self) { try WarrantTerms(parsing: String(text.dropLast())) }
    }

    @Test("a warrant for more than an hour, or for no time, is refused")
    func window() throws {
        var terms = try sampleTerms()
        terms.notAfter = terms.notBefore + WarrantTerms.longestValidity
        #expect(try WarrantTerms(parsing: terms.text) == terms)
        for end in [terms.notAfter + .milliseconds(1), terms.notBefore, terms.notBefore + .seconds(-1)] {
            terms.notAfter = end
            #expect(throws: WarrantTerms.Malformed.self) { try WarrantTerms(parsing: terms.text) }
        }
    }
}
