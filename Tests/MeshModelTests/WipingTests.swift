// SPDX-License-Identifier: Apache-2.0

import MeshModel
import Testing

@Suite("Contents, arming and progress as values")
struct WipingTests {
    @Test("what a disk holds is said line by line, plain and bounded, and the rest is counted")
    func holds() {
        let one = DiskFact.Signature(kind: "ext4", offset: 1080, words: "ext4 'd\u{202E}ata\n' ")
        #expect(WarrantTerms.holds([one]) == ["ext4 at byte 1080: ext4 'd?ata?'"])
        let many = (0..<20).map { DiskFact.Signature(kind: "swap", offset: UInt64($0), words: String(repeating: "x", count: 500)) }
        let lines = WarrantTerms.holds(many)
        #expect(lines.count == 17 && lines.last == "and 4 more" && lines.allSatisfy { $0.utf8.count <= 200 })
        #expect(WarrantTerms.holds([]).isEmpty)
    }

    private func arming(_ change: (inout ArmingTerms) -> Void = { _ in }) throws -> ArmingTerms {
        var terms = ArmingTerms(
            mesh: "home", node: try #require(NodeID("wrk-e-1")), nodeKey: .zero, boot: try #require(BootID("aaaaaaaa")),
            store: try #require(ReplayStoreID(String(repeating: "5e", count: 16))), notBefore: Timestamp(seconds: 1_800_000_000),
            notAfter: Timestamp(seconds: 1_800_001_800))
        change(&terms)
        return terms
    }

    @Test("arming terms go to text and back; any line removed, doubled or swapped is refused, and so is a warrant")
    func armingText() throws {
        let terms = try arming()
        #expect(try ArmingTerms(parsing: terms.text) == terms)
        let lines = terms.text.split(separator: "\n").map(String.init)
        for index in lines.indices {
            for changed in [
                Array(lines[..<index] + lines[(index + 1)...]), Array(lines[...index] + lines[index...]), Array(lines[..<index]),
            ] {
                #expect(throws: WarrantTerms.Malformed.self) { try ArmingTerms(parsing: changed.map { $0 + "\n" }.joined()) }
            }
        }
        #expect(throws: WarrantTerms.Malformed.self) { try WarrantTerms(parsing: terms.text) }
        let long = try arming { $0.notAfter = $0.notBefore + .seconds(3601) }
        #expect(throws: WarrantTerms.Malformed.self) { try ArmingTerms(parsing: long.text) }
    }

    @Test("progress tells its share and the time that is left")
    func progress() {
        let half = StepProgress(phase: .writing, done: 50 << 30, total: 100 << 30, rate: 1 << 30)
        #expect(half.percent == 50 && half.remaining == .seconds(50))
        #expect(StepProgress(phase: .writing, done: 0, total: 0, rate: nil).percent == 0)
        #expect(StepProgress(phase: .writing, done: 1, total: 2, rate: 0).remaining == nil)
    }

    @Test("the sum of what an agent says that it has read ends nobody's program, however large its parts are")
    func absurdProof() {
        let disk = DiskIdentity(
            kind: .virtio, serial: "x", wwid: nil, sizeInBytes: 1 << 40, sectorSize: 512, path: "p", sequence: 1)
        let strata = (0..<64).map { _ in Stratum(name: "labels", ranges: 1, bytes: 1 << 62 - 1, sha256: nil) }
        #expect(BlanknessFact(disk: disk, seed: .zero, share: 0, strata: strata, signatures: []).isProof)
        #expect(!BlanknessFact(disk: disk, seed: .zero, share: 10, strata: strata, signatures: []).isProof)
        let sums = [Int.min +| -1, Int.max +| 1, 2 +| -3]
        #expect(sums == [Int.min, Int.max, -1])
    }
}
