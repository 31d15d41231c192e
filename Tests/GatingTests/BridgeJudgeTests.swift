// SPDX-License-Identifier: Apache-2.0

import Gating
import MeshModel
import MeshTesting
import Testing

/// What a hypervisor's own links say about the way of a VLAN.
@Suite("The judge of a hypervisor's bridges")
struct BridgeJudgeTests {
    private let host: NodeID
    private let boot: BootID

    init() throws {
        host = try SmallMesh.need(NodeID("pve-1"))
        boot = try SmallMesh.need(BootID("aaaaaaaa"))
    }

    private func verdict(_ links: [LinkFact], vlan: Int? = 110, mtu: Int = 1500) -> Verdict {
        let now = Moment(wall: Timestamp(seconds: 1_800_000_000), boot: 0)
        var table = EvidenceTable()
        table.take(Evidence(subject: .node(host), probe: .links, bootID: boot, takenAt: now, facts: links.map { .link($0) }))
        return Judge(evidence: table, maxAge: .seconds(60), now: now).judge(.bridgeCarries(host, bridge: "vmbr0", vlan: vlan, mtu: mtu))
    }

    private func bridge(filters: Bool? = true, mtu: Int = 1500, up: Bool = true, addresses: [String] = [], kind: String = "bridge")
        -> LinkFact
    {
        LinkFact(
            name: "vmbr0", index: 2, kind: kind, mac: nil, mtu: mtu, up: up, carrier: true, addresses: addresses, filtersVLANs: filters)
    }

    private func port(
        _ name: String = "eno1", kind: String = "physical", carrier: Bool = true, vlan: Int? = nil, vlans: [LinkFact.VLANs]? = nil
    ) -> LinkFact {
        LinkFact(
            name: name, index: 3, kind: kind, mac: nil, mtu: 1500, up: true, carrier: carrier, addresses: [], master: "vmbr0", vlan: vlan,
            vlans: vlans)
    }

    private let native = LinkFact.VLANs(first: 1, last: 1, isUntagged: true, isNative: true)

    private func words(_ verdict: Verdict) -> [String] { verdict.reasons.map { "\($0.code.rawValue): \($0.detail)" } }

    @Test("a port that carries the VLAN passes: in a range, alone, as a link of its own, behind a VXLAN that filters nothing")
    func passes() {
        #expect(verdict([bridge(), port(vlans: [native, .init(first: 100, last: 120)])]) == .pass)
        #expect(verdict([bridge(), port(vlans: [.init(first: 110, last: 110)])]) == .pass)
        #expect(verdict([bridge(filters: false), port("eno1.110", kind: "vlan", vlan: 110)]) == .pass)
        #expect(verdict([bridge(filters: false), port()]) == .pass, "tagged by the machine's port, or by the switch")
        #expect(verdict([bridge(), port(vlans: [native])], vlan: nil) == .pass)
        // One of two ways is enough, and the ports of machines are no ways.
        #expect(
            verdict([
                bridge(), port(carrier: false, vlans: []), port("eno2", vlans: [.init(first: 2, last: 4094)]),
                port("tap100i0", kind: "tun", vlans: []),
            ]) == .pass)
        #expect(verdict([bridge(filters: false, addresses: ["10.20.10.1/24"])]) == .pass, "a network that the host itself routes")
    }

    @Test("a VLAN that is missing on the port holds, and says what the port carries and where it is set")
    func missing() {
        let held = verdict([bridge(), port(vlans: [native, .init(first: 200, last: 210)])])
        #expect(words(held) == ["absent: port eno1 of bridge vmbr0 on pve-1 does not carry VLAN 110; it carries 1 200-210"])
        #expect(held.reasons.first?.remedy.contains("bridge-vids") == true)
        #expect(held.reasons.first?.gate == .bridge && held.reasons.first?.subject == .node(host))
        #expect(
            words(verdict([bridge(), port(vlans: [])])) == [
                "absent: port eno1 of bridge vmbr0 on pve-1 does not carry VLAN 110; it carries none"
            ])
    }

    @Test("another tag, no tag, and a tag that is taken off are told apart")
    func mismatches() {
        #expect(
            words(verdict([bridge(filters: false), port("eno1.120", kind: "vlan", vlan: 120)]))
                == ["mismatch: port eno1.120 of bridge vmbr0 on pve-1 tags with VLAN 120, and the plan wants VLAN 110"])
        #expect(
            words(verdict([bridge(filters: false), port("eno1.120", kind: "vlan", vlan: 120)], vlan: nil))
                == ["mismatch: port eno1.120 of bridge vmbr0 on pve-1 tags with VLAN 120, and the plan wants no tag"])
        #expect(
            words(verdict([bridge(), port(vlans: [.init(first: 110, last: 110, isUntagged: true, isNative: true)])]))
                == ["mismatch: port eno1 of bridge vmbr0 on pve-1 sends VLAN 110 without its tag, as its native VLAN"])
        #expect(
            words(verdict([bridge(), port(vlans: [.init(first: 110, last: 110)])], vlan: nil))
                == ["absent: port eno1 of bridge vmbr0 on pve-1 has no native VLAN, and the plan's network is untagged"])
    }

    @Test("a bridge that is not there, no bridge, down, too small, or alone")
    func bridges() {
        let other = LinkFact(name: "vmbr9", index: 2, kind: "bridge", mac: nil, mtu: 1500, up: true, carrier: true, addresses: [])
        #expect(words(verdict([other])) == ["absent: pve-1 has no bridge vmbr0; it has vmbr9"])
        #expect(words(verdict([])) == ["absent: pve-1 has no bridge vmbr0; it has none"])
        #expect(
            words(verdict([bridge(mtu: 1450, up: false, kind: "bond"), port(vlans: [.init(first: 110, last: 110)])])) == [
                "mismatch: vmbr0 of pve-1 is a link of kind bond and no bridge", "unhealthy: bridge vmbr0 of pve-1 is down",
                "mismatch: bridge vmbr0 of pve-1 has MTU 1450, the plan wants 1500",
            ])
        #expect(
            words(verdict([bridge(), port("tap100i0", kind: "tun")])) == [
                "absent: bridge vmbr0 of pve-1 has no port to the outside and no address, so its machines are alone"
            ])
        #expect(
            words(verdict([bridge(), port(carrier: false, vlans: [.init(first: 110, last: 110)])])) == [
                "unhealthy: port eno1 of bridge vmbr0 on pve-1 has no carrier"
            ])
    }

    @Test("nothing is known without evidence")
    func unknown() {
        let now = Moment(wall: Timestamp(seconds: 1_800_000_000), boot: 0)
        let verdict = Judge(evidence: EvidenceTable(), maxAge: .seconds(60), now: now)
            .judge(.bridgeCarries(host, bridge: "vmbr0", vlan: 110, mtu: 1500))
        guard case .unknown = verdict else { return #expect(Bool(false), "\(verdict)") }
    }
}
