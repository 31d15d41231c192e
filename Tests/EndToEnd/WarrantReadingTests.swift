// SPDX-License-Identifier: Apache-2.0

import MeshModel
import MeshTesting
import OperatorAPI
import Testing

@testable import meshgate

/// `approve` signs for one disk. What the coordinator shows and what it wants signed may differ only if it lies.
@Suite("What an approver signs")
struct WarrantReadingTests {
    private func identity(_ serial: String) -> DiskIdentity {
        DiskIdentity(
            kind: .virtio, serial: serial, wwid: nil, sizeInBytes: 12 << 30, sectorSize: 512, path: "0000:00:0a.0", sequence: 3)
    }

    private func terms(_ change: (inout WarrantTerms) -> Void = { _ in }) throws -> WarrantTerms {
        var terms = WarrantTerms(
            mesh: "small", id: try SmallMesh.need(WarrantID(String(repeating: "a", count: 32))), plan: .zero,
            step: try SmallMesh.need(StepID("east/wrk-e-1/wipe-vdb")), node: try SmallMesh.need(NodeID("wrk-e-1")), nodeKey: .zero,
            boot: try SmallMesh.need(BootID("aaaaaaaa")),
            store: ReplayStoreMark(id: try SmallMesh.need(ReplayStoreID(String(repeating: "5", count: 32))), records: 1),
            disk: identity("spare"), holds: ["ext4 at byte 1080: ext4 'old'"], fingerprint: .zero, method: .labels,
            notBefore: Timestamp(seconds: 1_800_000_000), notAfter: Timestamp(seconds: 1_800_001_000))
        change(&terms)
        return terms
    }

    private func shown() throws -> WipeReply {
        WipeReply(
            step: try SmallMesh.need(StepID("east/wrk-e-1/wipe-vdb")), node: try SmallMesh.need(NodeID("wrk-e-1")), state: "held",
            plannedSerial: "spare", plannedSize: .gibibytes(12), method: .labels,
            disk: DiskFact(
                name: "vdb", identity: identity("spare"), readOnly: false, rotational: false, exclusiveOpen: true, users: [], partitions: 0,
                signatures: [.init(kind: "ext4", offset: 1080, words: "ext4 'old'")], blank: false, fingerprint: .zero),
            warrant: nil, missing: [], submitted: nil)
    }

    @Test("is the disk that was shown")
    func honest() throws {
        #expect(try WarrantReading.terms(try terms().text, shownAs: try shown()) == terms())
    }

    @Test("is refused when the text names another disk, node, step, contents, method or verification than what is shown")
    func lies() throws {
        let victim = try SmallMesh.need(NodeID("db-1"))
        let lies: [WarrantTerms] = [
            try terms { $0.disk = identity("precious") }, try terms { $0.node = victim },
            try terms { $0.step = StepID("east", "db-1", "wipe-vdb") }, try terms { $0.method = .zero },
            try terms { $0.fingerprint = Digest(Array(repeating: 7, count: 32)) ?? .zero }, try terms { $0.disk.sequence = 4 },
            try terms { $0.holds = [] }, try terms { $0.holds = ["ext4 at byte 1080: ext4 'precious'"] },
            try terms { $0.verification = .strata },
        ]
        for lie in lies {
            #expect(throws: Failure.self) { _ = try WarrantReading.terms(lie.text, shownAs: try shown()) }
        }
        #expect(throws: Failure.self) { _ = try WarrantReading.terms("wipe everything\n", shownAs: try shown()) }
    }
}
