// SPDX-License-Identifier: Apache-2.0

import Gating
import MeshModel
import MeshTesting
import Testing

/// What Proxmox says of the mesh's machines, compared with the plan.
@Suite("The judge of machines on a hypervisor")
struct GuestJudgeTests {
    private let host: NodeID
    private let mac: MACAddress
    private let planned: PlannedMachine

    init() throws {
        host = try SmallMesh.need(NodeID("pve-1"))
        mac = try SmallMesh.need(MACAddress("bc:24:11:00:00:01"))
        planned = PlannedMachine(
            name: try SmallMesh.need(NodeID("wrk-e-1")), vmid: 101, cores: 4, memory: .gibibytes(8),
            cards: [.init(mac: mac, bridge: "vmbr0", vlan: 1500, mtu: 1500)],
            disks: [.init(name: "vdb", serial: "wrk-e-1-data", size: .gibibytes(12))])
    }

    private var guest: HypervisorFact.Guest {
        .init(
            vmid: 101, name: "wrk-e-1", isRunning: true, cores: 4, memory: .gibibytes(8), cpu: "host",
            cards: [.init(slot: "net0", model: "virtio", mac: mac, bridge: "vmbr0", tag: 1500, mtu: nil, isDown: false)],
            disks: [.init(slot: "virtio1", volume: "local-lvm:vm-101-disk-1", serial: "wrk-e-1-data", size: .gibibytes(12))])
    }

    private func fact(_ guests: [HypervisorFact.Guest]) -> HypervisorFact {
        HypervisorFact(
            host: "pve1", version: "8.4.1", cores: 8, memory: .init(used: .gibibytes(10), total: .gibibytes(32)), coresInUse: 8,
            guests: guests)
    }

    private func verdict(_ requirement: Requirement, _ fact: HypervisorFact?) -> Verdict {
        let now = Moment(wall: Timestamp(seconds: 1_800_000_000), boot: 0)
        var table = EvidenceTable()
        let facts: [Fact] = fact.map { [.hypervisor($0)] } ?? [.unavailable("no")]
        table.take(Evidence(subject: .node(host), probe: .hypervisor, bootID: nil, takenAt: now, facts: facts))
        return Judge(evidence: table, maxAge: .seconds(60), now: now).judge(requirement)
    }

    private func told(_ requirement: Requirement, _ fact: HypervisorFact) -> String {
        verdict(requirement, fact).reasons.map(\.detail).joined(separator: "\n")
    }

    private func asPlanned(_ change: (inout HypervisorFact.Guest) -> Void) -> String {
        var other = guest
        change(&other)
        return told(.guestAsPlanned(planned, hypervisor: host), fact([other]))
    }

    @Test("a machine as planned passes, and each difference is told with what was wanted")
    func asPlanned() {
        let requirement = Requirement.guestAsPlanned(planned, hypervisor: host)
        #expect(verdict(requirement, fact([guest])) == .pass)
        #expect(!verdict(requirement, nil).passes)
        #expect(told(requirement, fact([])).contains("pve-1 has no machine 101 wrk-e-1"))
        #expect(asPlanned { $0.isRunning = false }.contains("is stopped"))
        #expect(asPlanned { $0.cores = 2 }.contains("has 2 cores, the plan wants 4"))
        #expect(asPlanned { $0.memory = .gibibytes(4) }.contains("has 4GiB of memory, the plan wants 8GiB"))
        #expect(asPlanned { $0.cpu = nil }.contains("kvm64, Proxmox' default, which lacks x86-64-v2"))
        #expect(asPlanned { $0.name = "old" }.contains("is to be called wrk-e-1"))
        #expect(asPlanned { $0.disks = [] }.contains("has no disk with serial wrk-e-1-data; it has none"))
        #expect(asPlanned { $0.disks[0].size = .gibibytes(10) }.contains("has 10GiB, the plan wants 12GiB"))
        #expect(asPlanned { $0.cards[0].mac = nil }.contains("has no network card with address bc:24:11:00:00:01"))
        #expect(asPlanned { $0.cards[0].bridge = "vmbr9" }.contains("is on vmbr9, the plan wants vmbr0"))
        #expect(asPlanned { $0.cards[0].tag = 1501 }.contains("is in VLAN 1501, the plan wants 1500"))
        #expect(asPlanned { $0.cards[0].isDown = true }.contains("unplugged"))
        // The bridge itself may be in the VLAN.
        #expect(asPlanned { $0.cards[0].tag = nil } == "")
    }

    @Test("a vnet that is not on the host, is not applied, or tags a second time")
    func vnets() {
        func told(_ vnet: HypervisorFact.VNet, tag: Int?) -> String {
            var other = guest
            other.cards[0].bridge = "v1500"
            other.cards[0].tag = tag
            var machine = planned
            machine.cards[0].bridge = "v1500"
            var seen = fact([other])
            seen.vnets = [vnet]
            return self.told(.guestAsPlanned(machine, hypervisor: host), seen)
        }
        let vnet = HypervisorFact.VNet(name: "v1500", zone: "lab", tag: 1500, isHere: true, isPending: false)
        #expect(told(vnet, tag: nil) == "")
        #expect(told(vnet, tag: 1500).contains("tagged twice: 1500 by itself, and 1500 by the vnet v1500"))
        var other = vnet
        other.tag = 1501
        #expect(told(other, tag: nil).contains("is in VLAN 1501, the plan wants 1500"))
        other = vnet
        other.isHere = false
        #expect(told(other, tag: nil).contains("zone lab, which does not reach pve1"))
        other = vnet
        other.isPending = true
        #expect(told(other, tag: nil).contains("is not applied yet"))
    }

    @Test("jumbo frames need the card's own MTU")
    func jumbo() {
        var machine = planned
        machine.cards[0].mtu = 9000
        var other = guest
        func told() -> String { self.told(.guestAsPlanned(machine, hypervisor: host), fact([other])) }
        #expect(told().contains("has MTU 1500, the plan wants 9000 (mtu=1"))
        other.cards[0].mtu = 1
        #expect(told() == "")
        other.cards[0].mtu = 9000
        #expect(told() == "")
    }

    @Test("a number, name, address or disk that another machine has is a clash; what could not be read is unknown")
    func unique() {
        let requirement = Requirement.guestUnique(planned, hypervisor: host)
        #expect(verdict(requirement, fact([guest])) == .pass)
        #expect(verdict(requirement, fact([])) == .pass, "not made yet")
        var thief = guest
        (thief.vmid, thief.name) = (103, "thief")
        let told = told(requirement, fact([guest, thief]))
        #expect(told.contains("address bc:24:11:00:00:01 of wrk-e-1 belongs to machine 103 thief on pve1 as well"))
        #expect(told.contains("disk wrk-e-1-data of wrk-e-1"))
        var taken = guest
        taken.name = "windows"
        #expect(self.told(requirement, fact([taken])).contains("number 101 of wrk-e-1 belongs to machine 101 windows"))
        var twin = guest
        twin.vmid = 104
        #expect(self.told(requirement, fact([guest, twin])).contains("the name of wrk-e-1 belongs to machine 104"))
        var seen = fact([guest])
        seen.neighbours = [.init(vmid: 101, name: "x", host: "pve2"), .init(vmid: 7, name: "wrk-e-1", host: "pve3")]
        #expect(verdict(requirement, seen).reasons.count == 2)
        seen = fact([guest])
        seen.unread = ["102 windows: 403"]
        guard case .unknown = verdict(requirement, seen) else { return #expect(Bool(false), "\(verdict(requirement, seen))") }
    }

    @Test("room counts only machines that are not there yet, and a full pool holds in any case")
    func room() {
        let requirement = Requirement.room(host, [planned])
        #expect(verdict(requirement, fact([])) == .pass)
        var small = fact([])
        small.memory = .init(used: .gibibytes(24), total: .gibibytes(32))
        #expect(told(requirement, small).contains("has 8 GiB of memory free, and wrk-e-1 want 8 GiB with a reserve of 5 %"))
        small.guests = [guest]
        small.stores = ["local-lvm": .init(used: .gibibytes(84), total: .gibibytes(100))]
        #expect(verdict(requirement, small) == .pass)
        var busy = fact([])
        busy.coresInUse = 45
        #expect(told(requirement, busy).contains("49 virtual cores of 8"))
        busy = fact([guest])
        busy.stores = ["local-lvm": .init(used: .gibibytes(85), total: .gibibytes(100))]
        #expect(told(requirement, busy).contains("storage local-lvm of pve-1 is 85 % full"))
    }

    // MARK: files

    private func judged(_ requirement: Requirement, api: HypervisorFact?, files: HypervisorFact?) -> Verdict {
        let now = Moment(wall: Timestamp(seconds: 1_800_000_000), boot: 0)
        var table = EvidenceTable()
        if let api { table.take(Evidence(subject: .node(host), probe: .hypervisor, bootID: nil, takenAt: now, facts: [.hypervisor(api)])) }
        if let files {
            table.take(Evidence(subject: .node(host), probe: .hypervisorFiles, bootID: nil, takenAt: now, facts: [.hypervisorFiles(files)]))
        }
        return Judge(evidence: table, maxAge: .seconds(60), now: now).judge(requirement)
    }

    @Test("without an API the host's own files are enough, and an agent's word is never taken for the API's")
    func files() {
        let requirement = Requirement.guestAsPlanned(planned, hypervisor: host, by: .files)
        #expect(requirement.needs == [EvidenceKey(.node(host), .hypervisorFiles)] && requirement.alsoAsks.isEmpty)
        #expect(judged(requirement, api: nil, files: fact([guest])) == .pass)
        guard case .unknown = judged(requirement, api: fact([guest]), files: nil) else {
            return #expect(Bool(false), "the files were not read")
        }
        var other = guest
        other.cards[0].tag = 1501
        let reasons = judged(requirement, api: nil, files: fact([other])).reasons
        #expect(reasons.map(\.detail) == ["machine 101 wrk-e-1 on pve-1's net0 is in VLAN 1501, the plan wants 1500"])
        let now = Moment(wall: Timestamp(seconds: 0), boot: 0)
        var table = EvidenceTable()
        table.take(Evidence(subject: .node(host), probe: .hypervisor, bootID: nil, takenAt: now, facts: [.hypervisorFiles(fact([guest]))]))
        let verdict = Judge(evidence: table, maxAge: .seconds(60), now: now).judge(.guestAsPlanned(planned, hypervisor: host))
        #expect(!verdict.passes, "a fact of the other kind under the API's name")
    }

    @Test("where both speak they must say the same; the difference is told, and the API has to answer in any case")
    func both() {
        let requirement = Requirement.guestAsPlanned(planned, hypervisor: host, by: .both)
        #expect(requirement.needs == [EvidenceKey(.node(host), .hypervisor)])
        #expect(requirement.alsoAsks == [EvidenceKey(.node(host), .hypervisorFiles)])
        #expect(judged(requirement, api: fact([guest]), files: nil) == .pass)
        var running = guest
        running.isRunning = false
        #expect(judged(requirement, api: fact([guest]), files: fact([running])) == .pass, "seen a moment later")
        guard case .unknown = judged(requirement, api: nil, files: fact([guest])) else { return #expect(Bool(false)) }
        var other = guest
        other.cards[0].tag = 1501
        other.disks[0].serial = nil
        let reasons = judged(requirement, api: fact([guest]), files: fact([other])).reasons
        #expect(reasons.count == 1 && reasons[0].code == .mismatch)
        #expect(reasons[0].detail.contains("the API of pve-1 and its files in /etc/pve differ on machine 101 wrk-e-1: net0 is"))
        #expect(reasons[0].detail.contains("VLAN 1500 by the API") && reasons[0].detail.contains("VLAN 1501 by the file; virtio1 is"))
        let lost = judged(requirement, api: fact([]), files: fact([guest])).reasons
        #expect(lost.count == 1 && lost[0].detail.contains("its files in /etc/pve have machine wrk-e-1, and its API does not"))
    }

    @Test("files know addresses and disks of the whole cluster, and who reads all of it makes up for a token that may not")
    func cluster() {
        let requirement = Requirement.guestUnique(planned, hypervisor: host, by: .both)
        var seen = fact([guest])
        seen.neighbours = [.init(vmid: 203, name: "thief", host: "pve2", addresses: [mac], serials: ["wrk-e-1-data"])]
        let details = judged(requirement, api: fact([guest]), files: seen).reasons.map(\.detail)
        #expect(details.count == 2 && details[0].contains("address bc:24:11:00:00:01 of wrk-e-1 belongs to machine 203 thief on pve2"))
        var blind = fact([guest])
        blind.unread = ["102 windows: 403"]
        #expect(judged(requirement, api: blind, files: fact([guest])) == .pass)
        guard case .unknown = judged(requirement, api: blind, files: blind) else { return #expect(Bool(false)) }
    }

    @Test("a storage of which nothing is said is not taken for an empty one")
    func silentStore() {
        let requirement = Requirement.room(host, [planned], by: .files)
        var seen = fact([guest])
        #expect(
            judged(requirement, api: nil, files: seen).reasons.first?.detail.contains("does not say how full storage local-lvm is") == true)
        seen.stores["local-lvm"] = .init(used: .gibibytes(1), total: .gibibytes(10))
        #expect(judged(requirement, api: nil, files: seen) == .pass)
    }

    @Test("a volume with a planned number that no guest names holds the end of a teardown, once, with its exact name")
    func orphanVolumes() {
        let now = Moment(wall: Timestamp(seconds: 0), boot: 0)
        var seen = fact([])
        seen.orphans = [
            .init(volume: "local-lvm:vm-101-disk-7", vmid: 101, size: nil), .init(volume: "local-lvm:vm-102-disk-7", vmid: 102, size: nil),
        ]
        var table = EvidenceTable()
        table.take(Evidence(subject: .node(host), probe: .virtualDisks, bootID: nil, takenAt: now, facts: []))
        let requirement = Requirement.noOrphans([.init(name: planned.name, hypervisor: host, vmid: 101, serials: [])])
        func reasons() -> [Reason] { Judge(evidence: table, maxAge: .seconds(60), now: now).judge(requirement).reasons }
        #expect(reasons().isEmpty)
        table.take(Evidence(subject: .node(host), probe: .hypervisorFiles, bootID: nil, takenAt: now, facts: [.hypervisorFiles(seen)]))
        seen.orphans?[0].size = .gibibytes(12)
        table.take(Evidence(subject: .node(host), probe: .hypervisor, bootID: nil, takenAt: now, facts: [.hypervisor(seen)]))
        #expect(
            reasons().count == 1
                && reasons()[0].detail.contains("volume local-lvm:vm-101-disk-7, 12GiB, on pve-1 has the number of wrk-e-1"))
        #expect(reasons()[0].remedy.contains("pvesm free local-lvm:vm-101-disk-7"))
    }
}
