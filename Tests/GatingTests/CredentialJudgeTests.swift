// SPDX-License-Identifier: Apache-2.0

import Gating
import MeshModel
import MeshTesting
import Testing

@Suite("Credentials, stored secrets and orphans")
struct CredentialJudgeTests {
    private let east: ClusterName
    private let host: NodeID
    private let noon = Moment(wall: Timestamp(seconds: 1_800_000_000), boot: 1_000_000)

    init() throws {
        east = try SmallMesh.need(ClusterName("east"))
        host = try SmallMesh.need(NodeID("pve1"))
    }

    private func judge(_ subject: Subject, _ probe: ProbeKind, _ facts: Fact...) -> Judge {
        var table = EvidenceTable()
        table.take(Evidence(subject: subject, probe: probe, bootID: nil, takenAt: noon, facts: facts))
        return Judge(evidence: table, maxAge: .seconds(600), now: noon)
    }

    private func verdict(_ credentials: ClusterFact.Credentials?) -> Verdict {
        var fact = ClusterFact(name: east)
        fact.credentials = credentials
        return judge(.cluster(east), .cluster, .cluster(fact)).judge(.credentialsFit(east))
    }

    @Test("a kubeconfig that is private, pinned and long-lived is fit; each fault holds by itself, and another cluster is denied")
    func fit() {
        let later = noon.wall + .seconds(31 * 86_400)
        #expect(verdict(.init(hasAuthority: true, certificateEnds: later, mode: 0o600)) == .pass)
        #expect(verdict(.init(hasAuthority: false, isLocal: true)) == .pass)
        for (credentials, words) in [
            (ClusterFact.Credentials(hasAuthority: true, mode: 0o644), "mode 0644"), (.init(hasAuthority: true, mode: 0o640), "mode 0640"),
            (.init(hasAuthority: false), "no CA of its own"),
            (.init(hasAuthority: true, certificateEnds: noon.wall + .seconds(29 * 86_400)), "ends in 29 days"),
            (.init(hasAuthority: true, certificateEnds: noon.wall), "ended at"),
        ] {
            guard case .hold(let reasons) = verdict(credentials) else { return #expect(Bool(false), "\(words)") }
            #expect(reasons.count == 1 && reasons[0].detail.contains(words) && !reasons[0].remedy.isEmpty)
        }
        guard case .deny = verdict(.init(hasAuthority: true, mismatch: "its CA is another one")) else {
            return #expect(Bool(false), "taken")
        }
        guard case .unknown = verdict(nil) else { return #expect(Bool(false), "known") }
    }

    @Test("what differs, is missing or hidden holds; nothing seen is unknown; what is gone is gone by exact name")
    func secrets() {
        func judge(_ fact: SecretsFact) -> Judge { self.judge(.mesh, .secrets, .secrets(fact)) }
        #expect(judge(.init(store: "s", present: ["A", "B"], differing: [])).judge(.secretsStored(["A", "B"])) == .pass)
        #expect(judge(.init(store: "s", present: ["A", "B"], differing: ["B"])).judge(.secretsStored(["A", "B"])).reasons.count == 1)
        #expect(judge(.init(store: "s", present: ["A"], differing: [])).judge(.secretsStored(["A", "B"])).reasons.count == 1)
        guard case .unknown = judge(.init(store: "s", present: ["A"])).judge(.secretsStored(["A"])) else {
            return #expect(Bool(false), "known")
        }
        #expect(judge(.init(store: "s", present: ["A"], restricted: ["A"])).judge(.secretsReadable(["A"])).reasons.count == 1)
        #expect(judge(.init(store: "s", present: ["A"], restricted: ["X"])).judge(.secretsReadable(["A"])) == .pass)
        #expect(judge(.init(store: "s", present: ["A"])).judge(.secretsGone(["A", "B"])).reasons.count == 1)
        #expect(judge(.init(store: "s", present: [])).judge(.secretsGone(["A", "B"])) == .pass)
    }

    @Test("an orphan is known by name, number and serials; only the exact one gets its command printed")
    func orphans() throws {
        let node = try SmallMesh.need(NodeID("wrk-e-1"))
        let guest = PlannedGuest(name: node, hypervisor: host, vmid: 101, serials: ["data-1"])
        func disk(_ vmid: UInt64, _ name: String, _ serial: String?) -> Fact {
            .virtualDisk(
                VirtualDiskFact(
                    vmid: vmid, machine: name, slot: "virtio1", serial: serial, volume: "ceph:vm-\(vmid)-disk-1", sizeInBytes: 1,
                    discards: false,
                    readOnly: false, fingerprint: nil, signatures: [], blank: false))
        }
        func reasons(_ facts: Fact...) -> [Reason] {
            var table = EvidenceTable()
            table.take(Evidence(subject: .node(host), probe: .virtualDisks, bootID: nil, takenAt: noon, facts: facts))
            return Judge(evidence: table, maxAge: .seconds(600), now: noon).judge(.noOrphans([guest])).reasons
        }
        #expect(reasons(disk(7, "somebody-else", "x"), disk(8, "wrk-e-10", nil)).isEmpty)
        let exact = reasons(disk(101, "wrk-e-1", nil), disk(101, "wrk-e-1", "data-1"))
        #expect(exact.count == 1 && exact[0].detail.contains("machine 101 wrk-e-1") && exact[0].detail.contains("serial data-1"))
        #expect(exact[0].remedy.contains("qm destroy 101 --purge 1"))
        for other in [reasons(disk(102, "wrk-e-1", "data-1")), reasons(disk(101, "wrk-e-1", nil))] {
            #expect(other.count == 1 && !other[0].remedy.contains("qm destroy"))
        }
        let stolen = reasons(disk(55, "backup", "data-1"))
        #expect(stolen.count == 1 && stolen[0].detail.contains("has a disk of the mesh's") && !stolen[0].remedy.contains("qm destroy"))
        guard case .unknown = judge(.mesh, .secrets).judge(.noOrphans([guest])) else { return #expect(Bool(false), "known") }
    }
}
