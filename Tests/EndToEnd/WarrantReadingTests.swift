// SPDX-License-Identifier: Apache-2.0

import Gating
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

    @Test("is read before `request` and `arm --print` give it away, and not by `approve` alone")
    func requested() throws {
        var wipe = try shown()
        #expect(throws: Failure.self) { try WarrantReading.text(of: wipe) }
        wipe.warrant = try terms().text
        #expect(try WarrantReading.text(of: wipe) == wipe.warrant)
        wipe.warrant = try terms { $0.disk = identity("precious") }.text
        #expect(throws: Failure.self) { try WarrantReading.text(of: wipe) }

        var loss = try lossShown()
        #expect(try WarrantReading.text(of: loss) == loss.warrant)
        loss.destroys = ["the volume 'scratch'"]
        #expect(throws: Failure.self) { try WarrantReading.text(of: loss) }
        loss = try lossShown()
        loss.step = StepID("east", "other")
        #expect(throws: Failure.self) { try WarrantReading.text(of: loss) }
        loss.warrant = try terms().text
        #expect(throws: Failure.self) { try WarrantReading.text(of: loss) }

        let node = try SmallMesh.need(NodeID("wrk-e-1"))
        #expect(throws: Failure.self) { try WarrantReading.arming(try terms().text, for: node) }
        let arming = ArmingTerms(
            mesh: "small", node: try SmallMesh.need(NodeID("db-1")), nodeKey: .zero, boot: try SmallMesh.need(BootID("aaaaaaaa")),
            store: try SmallMesh.need(ReplayStoreID(String(repeating: "5", count: 32))), notBefore: Timestamp(seconds: 1_800_000_000),
            notAfter: Timestamp(seconds: 1_800_001_000))
        #expect(throws: Failure.self) { try WarrantReading.arming(arming.text, for: node) }
    }

    private func lossShown() throws -> LossReply {
        let step = StepID("east", "service-rook-ceph", "undo")
        let lines = ["the pool 'rbd' with everything in it"]
        let terms = TeardownTerms(
            mesh: "small", id: try SmallMesh.need(WarrantID(String(repeating: "b", count: 32))), plan: .zero, step: step,
            destroys: TeardownTerms.losses(lines), notBefore: Timestamp(seconds: 1_800_000_000), notAfter: Timestamp(seconds: 1_800_001_000)
        )
        return LossReply(
            step: step, title: "undo", state: "held", destroys: lines, obstacles: [], warrant: terms.text, submitted: nil)
    }

    /// What conceals, moves the cursor, clears the screen, sets a title, begins a line, and turns the direction of writing.
    private let evil = "a\u{1B}[8m\u{1B}[2A\u{1B}[2J\u{9B}1;1H\u{1B}]0;x\u{07}\r\nwarrant: harmless\u{202E}b"

    private func isSafe(_ text: String, lines: Int? = nil) -> Bool {
        let controls = text.unicodeScalars.filter { $0.properties.generalCategory == .control || $0.properties.generalCategory == .format }
        return text.contains("warrant: harmless") && controls.allSatisfy { $0 == "\n" }
            && !text.split(separator: "\n").contains { $0.hasPrefix("warrant: harmless") }
    }

    @Test("is shown without a character that moves the cursor or hides what stands there, whoever sent the words")
    func concealed() throws {
        let step = StepID("east", "wrk-e-1", "wipe-vdb")
        let node = try SmallMesh.need(NodeID("wrk-e-1"))
        let reason = Reason(.warrant, .node(node), .needsWarrant, evil, remedy: evil)
        let changes: [(inout WipeReply) -> Void] = [
            { $0.state = evil }, { $0.plannedSerial = evil }, { $0.disk?.name = evil }, { $0.disk?.identity.serial = evil },
            { $0.disk?.identity.wwid = evil }, { $0.disk?.identity.path = evil }, { $0.disk?.users = [evil] },
            { $0.disk?.unreadable = evil },
            { $0.disk?.signatures = [.init(kind: "x", offset: 0, words: evil, owner: "y")] }, { $0.missing = [evil] },
            { $0.obstacles = [reason] }, { $0.wiper = WiperFact(store: nil, disarmed: evil, challenge: nil) },
            {
                $0.hypervisor = node
                $0.witness = VirtualDiskFact(
                    vmid: 1, machine: evil, slot: evil, serial: nil, volume: evil, sizeInBytes: nil, discards: true, readOnly: false,
                    fingerprint: nil, signatures: [], blank: false, unread: evil)
            },
        ]
        for (index, change) in changes.enumerated() {
            var wipe = try shown()
            change(&wipe)
            #expect(isSafe(WipeText(wipe).text), "change \(index)")
        }
        var loss = try lossShown()
        loss.title = evil
        loss.obstacles = [reason]
        loss.destroys = [evil]
        #expect(isSafe(LossText(loss).text))
        let terms = try TeardownTerms(parsing: try SmallMesh.need(loss.warrant))
        #expect(TeardownText(terms, loss).text.contains("DESTROYS the pool 'rbd'") && !TeardownText(terms, loss).text.contains("harmless"))

        let shownStep = StepReply(
            id: step, title: evil, state: "held", since: nil, attempts: 1, driver: "agent", after: [], reasons: [reason], detail: evil,
            progress: StepProgress(phase: .applying, done: 1, total: 2, rate: nil, current: .init(name: evil, seconds: 1)), lost: [reason])
        #expect(isSafe(RunPrinter(output: .text).text(shownStep)))
        #expect(
            isSafe(
                ExplainText(
                    ExplainReply(
                        step: shownStep, waitsFor: [],
                        gates: [
                            GateReply(gate: .warrant, title: evil, verdict: "hold", reasons: [reason], overridden: false)
                        ], done: [], lostBelow: [reason], seen: [evil])
                ).text))
        let run = RunReply(
            id: try SmallMesh.need(RunID("run-1")), plan: .zero, by: evil, startedAt: Timestamp(seconds: 1), endedAt: nil, ending: nil,
            changed: 0,
            steps: [shownStep])
        #expect(isSafe(RunPrinter(output: .text).tree(run, columns: 200, rows: 50).joined(separator: "\n")))
        let status = StatusReply(
            version: evil, mesh: evil, epoch: 1, startedAt: Timestamp(seconds: 1), agents: evil, http: evil, journal: .empty,
            nodes: [NodeReply(name: node, cluster: nil, planned: true, connected: true, agentVersion: evil)], run: run)
        #expect(isSafe(StatusText(status).text))
    }
}
