// SPDX-License-Identifier: Apache-2.0

import MeshModel
import MeshTesting
import Testing

@testable import Gating

@Suite("Gates around a wipe")
struct WipeJudgeTests {
    private let node: NodeID
    private let host: NodeID
    private let east: ClusterName
    private let west: ClusterName
    private let disk = Requirement.PlannedDisk(name: "vdb", serial: "wrk-e-1-data", size: .gibibytes(12))

    init() throws {
        node = try SmallMesh.need(NodeID("wrk-e-1"))
        host = try SmallMesh.need(NodeID("pve-1"))
        east = try SmallMesh.need(ClusterName("east"))
        west = try SmallMesh.need(ClusterName("west"))
    }

    private func digest(_ byte: UInt8) -> Digest { Digest([UInt8](repeating: byte, count: 32)) ?? .zero }

    private func judge(_ items: [(Subject, ProbeKind, [Fact])]) -> Judge {
        var table = EvidenceTable()
        let now = Moment(wall: Timestamp(seconds: 1_800_000_000), boot: 0)
        for (subject, probe, facts) in items {
            table.take(Evidence(subject: subject, probe: probe, bootID: nil, takenAt: now, facts: facts))
        }
        return Judge(evidence: table, clusters: [east, west], maxAge: .seconds(60), now: now)
    }

    private func guest(_ change: (inout DiskFact) -> Void = { _ in }) -> (Subject, ProbeKind, [Fact]) {
        var fact = DiskFact(
            name: "vdb",
            identity: .init(
                kind: .virtio, serial: "wrk-e-1-data", wwid: nil, sizeInBytes: 12 << 30, sectorSize: 512, path: "p", sequence: 1),
            readOnly: false, rotational: false, exclusiveOpen: true, users: [], partitions: 0, signatures: [], blank: false,
            fingerprint: digest(1))
        change(&fact)
        return (.node(node), .disks, [.disk(fact)])
    }

    private func seen(_ change: (inout VirtualDiskFact) -> Void = { _ in }) -> VirtualDiskFact {
        var fact = VirtualDiskFact(
            vmid: 101, machine: "wrk-e-1", slot: "virtio1", serial: "wrk-e-1-data", volume: "local-lvm:vm-101-disk-1",
            sizeInBytes: 12 << 30, discards: true, readOnly: false, fingerprint: digest(1), signatures: [], blank: false)
        change(&fact)
        return fact
    }

    private func witness(_ facts: VirtualDiskFact...) -> (Subject, ProbeKind, [Fact]) {
        (.node(host), .virtualDisks, facts.map(Fact.virtualDisk))
    }

    private func verdict(_ facts: VirtualDiskFact...) -> Verdict {
        judge([guest(), (.node(host), .virtualDisks, facts.map(Fact.virtualDisk))]).judge(.diskWitness(node, disk, hypervisor: host))
    }

    @Test("guest, hypervisor and plan agree: by serial, by size and by content")
    func agreed() { #expect(verdict(seen()) == .pass) }

    @Test("a hypervisor that says nothing yet is unknown; one that does not have the disk, or has it twice, holds")
    func absent() {
        guard case .unknown = judge([guest()]).judge(.diskWitness(node, disk, hypervisor: host)) else { return #expect(Bool(false)) }
        #expect(verdict(seen { $0.serial = "other" }).reasons.map(\.code) == [.absent])
        #expect(verdict(seen(), seen { $0.vmid = 102 }).reasons.first?.detail.contains("VM 102") == true)
    }

    @Test("the same serial with another size, another content or read-only holds, each with its reason")
    func differs() {
        #expect(verdict(seen { $0.sizeInBytes = 13 << 30 }).reasons.first?.detail.contains("13GiB") == true)
        #expect(verdict(seen { $0.fingerprint = digest(2) }).reasons.first?.detail.contains("different content") == true)
        #expect(verdict(seen { $0.readOnly = true }).reasons.first?.detail.contains("read-only") == true)
    }

    @Test("a volume that cannot be looked into, or has no size, is no witness")
    func unread() {
        let image = verdict(
            seen {
                $0.fingerprint = nil
                $0.unread = "a qcow2 image"
            })
        #expect(image.reasons.map(\.code) == [.unavailable] && image.reasons[0].detail.contains("a qcow2 image"))
        #expect(verdict(seen { $0.sizeInBytes = nil }).reasons.map(\.code) == [.unavailable])
    }

    @Test("a guest that cannot tell its content is unknown; where it never can, the machine's name must tie the two")
    func blind() {
        func blind(_ fact: VirtualDiskFact, known: Bool = true) -> Verdict {
            judge([guest { $0.fingerprint = nil }, (.node(host), .virtualDisks, [.virtualDisk(fact)])])
                .judge(.diskWitness(node, disk, hypervisor: host, guestIsBlind: known))
        }
        guard case .unknown = blind(seen(), known: false) else { return #expect(Bool(false)) }
        #expect(blind(seen()) == .pass)
        #expect(blind(seen { $0.machine = "db-1" }).reasons.first?.detail.contains("not called \"wrk-e-1\"") == true)
        #expect(blind(seen { $0.fingerprint = nil }).reasons.map(\.code) == [.unavailable])
    }

    @Test("a disk whose OSD runs in any cluster of the mesh is denied; one of a Ceph cluster that is gone is not")
    func osd() {
        let label = guest {
            $0.signatures = [.init(kind: "ceph_bluestore", offset: 0, words: "BlueStore OSD 3", owner: "fsid-a")]
        }
        func ceph(_ name: ClusterName, _ fsid: String?, osds: Int = 3) -> (Subject, ProbeKind, [Fact]) {
            var fact = ClusterFact(name: name)
            if let fsid { fact.ceph["rook-ceph/rook-ceph"] = .init(phase: "Ready", health: "HEALTH_OK", osds: osds, fsid: fsid) }
            return (.cluster(name), .cluster, [.cluster(fact)])
        }
        let gate = Requirement.osdRetired(node, disk, cluster: east)
        #expect(judge([label, ceph(east, nil), ceph(west, nil)]).judge(gate) == .pass)
        #expect(judge([label, ceph(east, "fsid-b"), ceph(west, nil)]).judge(gate) == .pass)
        #expect(judge([label, ceph(east, "fsid-a", osds: 0), ceph(west, nil)]).judge(gate) == .pass)
        // Of a cluster that does not answer nobody knows, unless the disk is nobody's.
        let silent: (Subject, ProbeKind, [Fact]) = (.cluster(west), .cluster, [.unavailable("no route")])
        for items in [[label, ceph(east, nil)], [label, ceph(east, nil), silent]] {
            guard case .unknown(let gaps) = judge(items).judge(gate) else { return #expect(Bool(false)) }
            #expect(gaps[0].subject == .cluster(west))
        }
        #expect(judge([guest(), ceph(east, nil)]).judge(gate) == .pass)
        guard case .deny(let reasons) = judge([label, ceph(east, nil), ceph(west, "fsid-a")]).judge(gate) else {
            return #expect(Bool(false))
        }
        #expect(reasons[0].detail.contains("fsid-a") && reasons[0].detail.contains("on west"))
        // And such a label of another Ceph cluster does not serve this one either.
        let serves = judge([label, ceph(east, "fsid-b")]).judge(.diskBlank(node, disk, cluster: east))
        #expect(serves.reasons.map(\.code) == [.notBlank])
        #expect(judge([label, ceph(east, "fsid-a")]).judge(.diskBlank(node, disk, cluster: east)) == .pass)
    }

    @Test("a disarmed wiper holds, an armed one passes, one that is not mentioned is unknown")
    func armed() {
        func facts(_ wiper: WiperFact) -> [(Subject, ProbeKind, [Fact])] { [(.node(node), .disks, [.wiper(wiper)])] }
        let gone = judge(facts(WiperFact(store: nil, disarmed: "its record is gone", challenge: nil))).judge(.wiperArmed(node))
        #expect(gone.reasons.map(\.code) == [.disarmed] && gone.reasons[0].remedy.contains("meshgate wipe arm wrk-e-1"))
        #expect(judge(facts(WiperFact(store: nil, disarmed: nil, challenge: nil))).judge(.wiperArmed(node)) == .pass)
        guard case .unknown = judge([guest()]).judge(.wiperArmed(node)) else { return #expect(Bool(false)) }
    }

    @Test("a proof passes only with zero everywhere, for this disk instance, over all that such a check reads")
    func proof() {
        func strata(_ nonzero: UInt64?) -> [Stratum] {
            func part(_ name: String, _ bytes: UInt64) -> Stratum { Stratum(name: name, ranges: 1, bytes: bytes, sha256: nil) }
            var sample = part("sample", 1229 << 20)
            sample.firstNonzero = nonzero
            return [part("head", 64 << 20), part("tail", 64 << 20), part("labels", 28 << 20), sample]
        }
        func fact(_ change: (inout BlanknessFact) -> Void = { _ in }, nonzero: UInt64? = nil) -> Judge {
            let identity = DiskIdentity(
                kind: .virtio, serial: "wrk-e-1-data", wwid: nil, sizeInBytes: 12 << 30, sectorSize: 512, path: "p", sequence: 1)
            var proof = BlanknessFact(disk: identity, seed: .zero, share: 10, strata: strata(nonzero), signatures: [])
            change(&proof)
            return judge([
                (.node(node), .blankness, [.blankness(proof)]), guest(), (.cluster(east), .cluster, [.cluster(ClusterFact(name: east))]),
            ])
        }
        let gate = Requirement.blankProven(node, disk, share: 10, cluster: east)
        #expect(fact().judge(gate) == .pass)
        for judge in [fact({ $0.share = 9 }), fact({ $0.disk.sizeInBytes = 1 << 30 }), fact({ $0.disk.sequence = 2 })] {
            guard case .unknown = judge.judge(gate) else { return #expect(Bool(false)) }
        }
        for name in ["head", "labels", "sample"] {
            guard case .hold(let reasons) = fact({ $0.strata.removeAll { $0.name == name } }).judge(gate) else {
                return #expect(Bool(false))
            }
            #expect(reasons[0].code == .unfit)
        }
        guard case .deny(let reasons) = fact(nonzero: 4_194_311).judge(gate) else { return #expect(Bool(false)) }
        #expect(reasons[0].detail.contains("byte 4194311 (sample)"))
        guard case .hold = fact({ $0.problem = "in use" }).judge(gate) else { return #expect(Bool(false)) }
    }

    @Test("where no wiper compares, a warrant passes only while the hypervisor sees what was signed for")
    func asSigned() throws {
        let step = StepID("east", "wrk-e-1", "wipe-vdb")
        let id = try SmallMesh.need(WarrantID(String(repeating: "a", count: 32)))
        let ext4 = DiskFact.Signature(kind: "ext4", offset: 1080, words: "ext4 'old'")
        let content = Judge.WarrantNote.Content(fingerprint: digest(1), holds: WarrantTerms.holds([ext4]))
        func judged(_ content: Judge.WarrantNote.Content?, _ facts: VirtualDiskFact...) -> Verdict {
            var judge = judge([guest(), (.node(host), .virtualDisks, facts.map(Fact.virtualDisk))])
            judge.warrants[step] = .init(id: id, notAfter: judge.now.wall + .seconds(60), content: content)
            return judge.judge(.warranted(step, node, disk, seenBy: host))
        }
        let same = seen { $0.signatures = [ext4] }
        #expect(judged(content, same) == .pass)
        let others = [
            seen { $0.signatures = [] }, seen { $0.signatures = [ext4, ext4] },
            seen {
                $0.fingerprint = digest(2); $0.signatures = [ext4]
            },
        ]
        for other in others {
            let reasons = judged(content, other).reasons
            #expect(reasons.map(\.code) == [.needsWarrant] && reasons[0].gate == .warrant)
            #expect(reasons[0].detail.contains("signed for was ext4 at byte 1080: ext4 'old'"))
            #expect(reasons[0].remedy.contains("meshgate approve \(step)"))
        }
        #expect(judged(nil, same).reasons.map(\.code) == [.needsWarrant])
        #expect(judged(content, seen { $0.fingerprint = nil }).reasons.map(\.code) == [.unavailable])
        #expect(judged(content, same, same).reasons.map(\.code) == [.mismatch])
        // Without a look of now there is no passing, however good the warrant.
        var blind = judge([guest()])
        blind.warrants[step] = .init(id: id, notAfter: blind.now.wall + .seconds(60), content: content)
        guard case .unknown = blind.judge(.warranted(step, node, disk, seenBy: host)) else { return #expect(Bool(false)) }
        #expect(blind.judge(.warranted(step, node, disk)) == .pass, "a wiper compares for itself")
    }
}
