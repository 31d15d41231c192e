// SPDX-License-Identifier: Apache-2.0

import Gating
import MeshModel
import MeshTesting
import Planning
import Running
import Testing

@testable import meshgate

@Suite("The text of a warrant")
struct WarrantDraftTests {
    private let node: NodeID
    private let host: NodeID
    private let now = Moment(wall: Timestamp(seconds: 1_800_000_000), boot: 10_000_000)
    private let disk = Requirement.PlannedDisk(name: "vdb", serial: "wrk-e-1-data", size: .gibibytes(12))

    init() throws {
        node = try SmallMesh.need(NodeID("wrk-e-1"))
        host = try SmallMesh.need(NodeID("pve-1"))
    }

    @Test("is good already on a node whose clock is as far behind as the gate of a wipe allows, and for an hour at most")
    func backdated() throws {
        #expect(Duration.zero - WarrantDraft.backdate > Planner.wipeClockLimit)
        #expect(WarrantDraft.life - WarrantDraft.backdate <= WarrantTerms.longestValidity)
        let plan = Planner.plan(try SmallMesh.spec(clusters: 1, services: false)) { _ in .zero }
        let limits = plan.steps.filter { if case .wipe = $0.action { true } else { false } }.flatMap(\.gates).compactMap {
            if case .clockWithin(_, let limit) = $0 { limit.duration } else { nil }
        }
        #expect(!limits.isEmpty && limits.allSatisfy { $0 == Planner.wipeClockLimit })
    }

    /// What is known when node and hypervisor were seen so many seconds ago, and the warrant's text for it.
    private func draft(nodeSeen: Int64, hostSeen: Int64) throws -> (text: String?, missing: [String]) {
        var machine = RunMachine()
        let boot = try SmallMesh.need(BootID("aaaaaaaa"))
        func take(_ subject: NodeID, _ probe: ProbeKind, _ fact: Fact, _ age: Int64) {
            let at = now.advanced(by: .seconds(-age))
            machine.apply(
                .evidenceTaken(Evidence(subject: .node(subject), probe: probe, bootID: boot, takenAt: at, facts: [fact])), at: at)
        }
        let identity = DiskIdentity(
            kind: .virtio, serial: "wrk-e-1-data", wwid: nil, sizeInBytes: 12 << 30, sectorSize: 512, path: "p", sequence: 0)
        machine.apply(.bootSeen(node: node, boot: boot), at: now)
        machine.apply(.bootSeen(node: host, boot: boot), at: now)
        take(
            node, .disks,
            .disk(
                DiskFact(
                    name: "vdb", identity: identity, readOnly: false, rotational: false, exclusiveOpen: true, users: [], partitions: 0,
                    signatures: [], blank: false, fingerprint: nil, unreadable: "Talos does not say")), nodeSeen)
        take(
            host, .virtualDisks,
            .virtualDisk(
                VirtualDiskFact(
                    vmid: 101, machine: "wrk-e-1", slot: "virtio1", serial: "wrk-e-1-data", volume: "v", sizeInBytes: 12 << 30,
                    discards: true,
                    readOnly: false, fingerprint: .zero, signatures: [.init(kind: "ext4", offset: 1080, words: "ext4 'old'")], blank: false)
            ),
            hostSeen)
        let gates: [Requirement] = [.diskWitness(node, disk, hypervisor: host, guestIsBlind: true)]
        var evidence = WipeEvidence(machine, node: node, disk: disk, gates: gates)
        let store = ReplayStoreMark(id: try SmallMesh.need(ReplayStoreID(String(repeating: "5", count: 32))), records: 0)
        evidence.seeThroughHypervisor(store: store, in: machine, maxAge: .seconds(60), now: now)
        let draft = WarrantDraft(
            mesh: "small", plan: .zero, step: StepID("east", "wrk-e-1", "wipe-vdb"), node: node, method: .zero, verification: .full)
        return draft.text(evidence, nodeKey: .zero, id: String(repeating: "a", count: 32), now: now.wall)
    }

    @Test("for a machine without a wiper is made of looks of now, and of none that is too old for a gate")
    func fresh() throws {
        let good = try draft(nodeSeen: 5, hostSeen: 5)
        let terms = try WarrantTerms(parsing: try #require(good.text, "\(good.missing)"))
        #expect(terms.holds == ["ext4 at byte 1080: ext4 'old'"] && terms.notBefore < now.wall)
        for (nodeSeen, hostSeen, words) in [(5, 61, "virtualDisks"), (61, 5, "disks")] as [(Int64, Int64, String)] {
            let old = try draft(nodeSeen: nodeSeen, hostSeen: hostSeen)
            #expect(old.text == nil && old.missing.contains { $0.contains(words) && $0.contains("too old") }, "\(old.missing)")
        }
    }
}
