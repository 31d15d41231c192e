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
        #expect(verdict(requirement, small) == .pass)
        var busy = fact([])
        busy.coresInUse = 45
        #expect(told(requirement, busy).contains("49 virtual cores of 8"))
        busy = fact([guest])
        busy.stores = ["local-lvm": .init(used: .gibibytes(85), total: .gibibytes(100))]
        #expect(told(requirement, busy).contains("storage local-lvm of pve-1 is 85 % full"))
    }
}
