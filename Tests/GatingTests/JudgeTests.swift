// SPDX-License-Identifier: Apache-2.0

import Gating
import MeshModel
import MeshTesting
import Testing

@Suite("A judge")
struct JudgeTests {
    private let node: NodeID
    private let east: ClusterName
    private let west: ClusterName
    private let boot: BootID
    private let disk: Requirement.PlannedDisk

    init() throws {
        node = try SmallMesh.need(NodeID("wrk-e-1"))
        east = try SmallMesh.need(ClusterName("east"))
        west = try SmallMesh.need(ClusterName("west"))
        boot = try SmallMesh.need(BootID("aaaaaaaa"))
        disk = .init(name: "vdb", serial: "wrk-e-1-data", size: .gibibytes(12))
    }

    private func at(_ second: Int64) -> Moment { Moment(wall: Timestamp(seconds: 1_800_000_000 + second), boot: second * 1000) }

    private func judge(_ items: [Evidence], now: Int64 = 0, notBefore: Int64? = nil) -> Judge {
        var table = EvidenceTable()
        for item in items { table.take(item) }
        return Judge(evidence: table, maxAge: .seconds(60), now: at(now), notBefore: notBefore.map(at))
    }

    private func seen(_ probe: ProbeKind, _ facts: [Fact], second: Int64 = 0, boot: BootID? = nil) -> Evidence {
        Evidence(subject: .node(node), probe: probe, bootID: boot ?? self.boot, takenAt: at(second), facts: facts)
    }

    private func host(uptime: Int64 = 3600, boot: BootID? = nil) -> Fact {
        .host(
            HostFact(
                hostname: "h", bootID: boot ?? self.boot, uptime: TimeSpan(.seconds(uptime)), kernelRelease: "6.12", machine: "x86_64",
                agentVersion: "0"))
    }

    private func fact(
        serial: String? = "wrk-e-1-data", size: UInt64 = 12 << 30, blank: Bool = true, free: Bool = true, words: [String] = [],
        kind: String = "ext4"
    ) -> Fact {
        .disk(
            DiskFact(
                name: "vdb",
                identity: .init(kind: .virtio, serial: serial, wwid: nil, sizeInBytes: size, sectorSize: 512, path: "p", sequence: 1),
                readOnly: false, rotational: false, exclusiveOpen: free, users: free ? [] : ["mounted on /data"], partitions: 0,
                signatures: words.map { .init(kind: kind, offset: 0, words: $0) }, blank: blank, fingerprint: nil))
    }

    private func cluster(_ name: ClusterName, _ change: (inout ClusterFact) -> Void = { _ in }) -> Evidence {
        var fact = ClusterFact(name: name, systemUID: "uid-\(name)")
        change(&fact)
        return Evidence(subject: .cluster(name), probe: .cluster, bootID: nil, takenAt: at(0), facts: [.cluster(fact)])
    }

    private func code(_ verdict: Verdict) -> Reason.Code? { verdict.reasons.first?.code }

    @Test("missing evidence is unknown, and unknown does not pass")
    func missing() {
        let verdict = judge([]).judge(.agentReady(node))
        guard case .unknown(let reasons) = verdict else { return #expect(Bool(false), "not unknown") }
        #expect(reasons.map(\.code) == [.missing])
        #expect(reasons.first?.subject == .node(node))
        #expect(!verdict.passes)
    }

    @Test("old evidence holds the gate again")
    func stale() {
        let items = [seen(.host, [host()])]
        #expect(judge(items, now: 60).judge(.agentReady(node)) == .pass)
        #expect(code(judge(items, now: 61).judge(.agentReady(node))) == .stale)
        #expect(judge(items, now: 61).judge(.agentReady(node)).reasons.first?.since == at(0).wall)
    }

    @Test("evidence from the future of the boot clock does not count")
    func future() {
        #expect(code(judge([seen(.host, [host()], second: 30)], now: 10).judge(.agentReady(node))) == .stale)
    }

    @Test("a reboot voids what the earlier boot said about hardware")
    func reboot() throws {
        let other = try SmallMesh.need(BootID("bbbbbbbb"))
        let items = [seen(.disks, [fact()]), seen(.host, [host(boot: other)], second: 5, boot: other)]
        #expect(code(judge(items, now: 6).judge(.diskIdentity(node, disk))) == .rebooted)
    }

    @Test("evidence taken before a step's report does not prove the step")
    func notBefore() {
        let items = [seen(.host, [host()], second: 5)]
        #expect(judge(items, now: 10, notBefore: 5).judge(.agentReady(node)) == .pass)
        #expect(code(judge(items, now: 10, notBefore: 6).judge(.agentReady(node))) == .stale)
    }

    @Test("a probe that could not answer is unknown, whatever else it sent")
    func unavailable() {
        let items = [seen(.disks, [fact(), .unavailable("no permission")])]
        #expect(
            code(judge(items).judge(.diskBlank(node, disk, cluster: east))) == .unavailable
                || code(judge(items).judge(.diskIdentity(node, disk))) == .unavailable)
        #expect(!judge(items).judge(.diskIdentity(node, disk)).passes)
    }

    @Test("a disk is found by serial and never by name")
    func diskIdentity() {
        #expect(judge([seen(.disks, [fact()])]).judge(.diskIdentity(node, disk)) == .pass)
        #expect(code(judge([seen(.disks, [fact(serial: "other")])]).judge(.diskIdentity(node, disk))) == .absent)
        #expect(code(judge([seen(.disks, [fact(serial: nil)])]).judge(.diskIdentity(node, disk))) == .absent)
        #expect(code(judge([seen(.disks, [fact(size: 1 << 30)])]).judge(.diskIdentity(node, disk))) == .mismatch)
        #expect(code(judge([seen(.disks, [fact(), fact()])]).judge(.diskIdentity(node, disk))) == .mismatch)
    }

    @Test("a disk with contents is told in words")
    func diskBlank() {
        let items = [seen(.disks, [fact(blank: false, words: ["BlueStore OSD 3", "label at 10 GiB"])]), cluster(east)]
        let verdict = judge(items).judge(.diskBlank(node, disk, cluster: east))
        #expect(code(verdict) == .notBlank)
        #expect(verdict.reasons.first?.detail.contains("BlueStore OSD 3; label at 10 GiB") == true)
        #expect(judge([seen(.disks, [fact()]), cluster(east)]).judge(.diskBlank(node, disk, cluster: east)) == .pass)
    }

    @Test("a Ceph disk of a running storage cluster counts as serving; another content does not")
    func serving() {
        let running = cluster(east) { $0.ceph["rook-ceph/rook-ceph"] = .init(phase: "Ready", health: "HEALTH_OK", osds: 2) }
        let ceph = seen(.disks, [fact(blank: false, words: ["BlueStore OSD 0"], kind: "ceph_bluestore")])
        let files = seen(.disks, [fact(blank: false, words: ["ext4"])])
        #expect(judge([ceph, running]).judge(.diskBlank(node, disk, cluster: east)) == .pass)
        #expect(!judge([files, running]).judge(.diskBlank(node, disk, cluster: east)).passes)
        #expect(!judge([ceph, cluster(east)]).judge(.diskBlank(node, disk, cluster: east)).passes)
    }

    @Test("a disk in use is held")
    func used() {
        #expect(code(judge([seen(.disks, [fact(free: false)])]).judge(.diskUnused(node, disk))) == .inUse)
    }

    @Test("the clock may be off by no more than the limit plus the doubt", arguments: [(40, true), (60, false), (-60, false), (54, true)])
    func clock(milliseconds: Int64, passes: Bool) {
        let asked = at(0).wall
        let there = Timestamp(milliseconds: asked.milliseconds + milliseconds + 4)
        let clock = ClockFact(
            asked: asked, received: there, replied: there, arrived: Timestamp(milliseconds: asked.milliseconds + 8), synchronised: nil)
        let verdict = judge([seen(.clock, [.clock(clock)])]).judge(.clockWithin(node, TimeSpan(.milliseconds(50))))
        #expect(verdict.passes == passes)
    }

    @Test("every target must be tried and answered")
    func reach() throws {
        let target = ReachTarget(
            node: try SmallMesh.need(NodeID("cp-w-1")), address: try SmallMesh.need(IPAddress("192.168.20.11")), port: 32380)
        func reached(_ result: ReachFact.Result) -> Evidence {
            seen(.reach, [.reach(ReachFact(target: target, result: result, attempts: 2, roundTrip: nil))])
        }
        #expect(judge([reached(.connected)]).judge(.reaches(node, [target])) == .pass)
        #expect(code(judge([reached(.timedOut)]).judge(.reaches(node, [target]))) == .unreachable)
        guard case .unknown = judge([seen(.reach, [])]).judge(.reaches(node, [target])) else { return #expect(Bool(false), "not unknown") }
    }

    @Test("two contexts that lead to one cluster are denied, not held")
    func distinct() {
        let same = [cluster(east) { $0.systemUID = "x" }, cluster(west) { $0.systemUID = "x" }]
        guard case .deny = judge(same).judge(.clustersDistinct([east, west])) else { return #expect(Bool(false), "not denied") }
        #expect(judge([cluster(east), cluster(west)]).judge(.clustersDistinct([east, west])) == .pass)
    }

    @Test("another CA than the first cluster's is denied; none yet is fine before, and not enough after")
    func authority() {
        let two = [cluster(east) { $0.meshCA = .zero }, cluster(west) { $0.meshCA = Digest(Array(repeating: 1, count: 32)) }]
        guard case .deny = judge(two).judge(.meshCAFree(west, like: east)) else { return #expect(Bool(false), "not denied") }
        let one = [cluster(east) { $0.meshCA = .zero }, cluster(west)]
        #expect(judge(one).judge(.meshCAFree(west, like: east)) == .pass)
        #expect(!judge(one).judge(.meshCAShared(west, like: east)).passes)
    }

    @Test("a status without a connectivity section proves nothing")
    func connectivitySection() {
        func status(known: Bool, remotes: [String: Bool], minimum: Int) -> Evidence {
            cluster(east) {
                $0.clustermesh = .init(
                    serviceType: "NodePort", nodePort: 32379, apiserverReady: true, remotes: remotes, connectivityKnown: known, notReady: 0,
                    connectedMinimum: minimum, errors: [])
            }
        }
        guard case .unknown = judge([status(known: false, remotes: [:], minimum: 0)]).judge(.clustermeshConnected(east, remotes: [west]))
        else { return #expect(Bool(false), "not unknown") }
        #expect(
            judge([status(known: true, remotes: ["west": true], minimum: 1)]).judge(.clustermeshConnected(east, remotes: [west])) == .pass)
        #expect(
            !judge([status(known: true, remotes: ["west": false], minimum: 1)]).judge(.clustermeshConnected(east, remotes: [west])).passes)
        #expect(!judge([status(known: true, remotes: [:], minimum: 1)]).judge(.clustermeshConnected(east, remotes: [west])).passes)
    }

    @Test("differences of the datapath are named key by key")
    func parity() {
        let two = [
            cluster(east) { $0.ciliumConfig = ["routing-mode": "tunnel", "tunnel-protocol": "vxlan"] },
            cluster(west) { $0.ciliumConfig = ["routing-mode": "native", "tunnel-protocol": "vxlan"] },
        ]
        let verdict = judge(two).judge(.datapathParity([east, west]))
        #expect(verdict.reasons.count == 1)
        #expect(verdict.reasons.first?.detail.contains("routing-mode is tunnel on east and native on west") == true)
    }

    @Test("Terraform that would delete is denied")
    func deletes() {
        let item = Evidence(
            subject: .mesh, probe: .provision, bootID: nil, takenAt: at(0),
            facts: [.provision(ProvisionFact(directory: "tf", creates: 1, changes: 0, deletes: 1))])
        guard case .deny = judge([item]).judge(.provisionSafe(directory: "tf")) else { return #expect(Bool(false), "not denied") }
    }

    @Test("a plan of Terraform's that could not be made opens neither gate, and one that matches nothing is not done")
    func noPlan() {
        func item(_ facts: Fact...) -> Evidence {
            Evidence(subject: .mesh, probe: .provision, bootID: nil, takenAt: at(0), facts: facts)
        }
        let unplanned = judge([
            item(.provision(ProvisionFact(directory: "tf", creates: 0, changes: 0, deletes: 0, problem: "no such provider")))
        ])
        for requirement in [Requirement.provisionSafe(directory: "tf"), .provisioned(directory: "tf")] {
            guard case .unknown(let reasons) = unplanned.judge(requirement) else { return #expect(Bool(false), "\(requirement)") }
            #expect(reasons.first?.detail.contains("no such provider") == true)
        }
        let typo = judge([item(.provision(ProvisionFact(directory: "tf", phase: "a", creates: 0, changes: 0, deletes: 0, refusals: ["x"])))]
        )
        guard case .hold = typo.judge(.provisioned(directory: "tf", phase: "a")) else { return #expect(Bool(false), "done") }
        guard case .deny = typo.judge(.provisionSafe(directory: "tf", phase: "a")) else { return #expect(Bool(false), "not denied") }
        // What is known of one phase says nothing of another, nor of the whole.
        guard case .unknown = typo.judge(.provisioned(directory: "tf")) else { return #expect(Bool(false), "known") }
    }

    @Test("a state whose lock does not hold is denied, and one that was not tried is unknown")
    func stateLock() {
        func verdict(_ fact: TerraformFact, _ requirement: Requirement) -> Verdict {
            judge([Evidence(subject: .mesh, probe: .provision, bootID: nil, takenAt: at(0), facts: [.terraform(fact)])]).judge(requirement)
        }
        #expect(verdict(TerraformFact(directory: "tf", stateLock: .holds), .stateLocked(directory: "tf")).passes)
        guard case .deny = verdict(TerraformFact(directory: "tf", stateLock: .broken), .stateLocked(directory: "tf")) else {
            return #expect(Bool(false), "not denied")
        }
        guard case .unknown = verdict(TerraformFact(directory: "tf"), .stateLocked(directory: "tf")) else {
            return #expect(Bool(false), "known")
        }
        #expect(verdict(TerraformFact(directory: "tf"), .terraformReady(directory: "tf")).passes)
        guard case .hold = verdict(TerraformFact(directory: "tf", problem: "init failed"), .terraformReady(directory: "tf")) else {
            return #expect(Bool(false), "not held")
        }
    }

    /// Taking evidence away must never open a gate: nothing turns green by absence.
    @Test("dropping any evidence never opens a gate")
    func monotone() throws {
        let items = [
            seen(.host, [host()]), seen(.disks, [fact()]), seen(.clock, []), cluster(east), cluster(west) { $0.meshCA = .zero },
        ]
        let requirements: [Requirement] = [
            .agentReady(node), .bootStable(node), .clockWithin(node, TimeSpan(.seconds(1))), .diskIdentity(node, disk),
            .diskUnused(node, disk),
            .diskBlank(node, disk, cluster: east), .clustersDistinct([east, west]), .kubeProxyAbsent(east), .meshCAShared(west, like: east),
            .datapathParity([east, west]), .ciliumHealthy(east, version: SemanticVersion(1, 18, 5), nodes: 0),
        ]
        for mask in 0..<(1 << items.count) {
            let kept = items.enumerated().filter { mask & (1 << $0.offset) != 0 }.map(\.element)
            for requirement in requirements where judge(kept).judge(requirement).passes {
                #expect(judge(items).judge(requirement).passes, "\(requirement) passes only without some evidence")
            }
        }
    }
}
