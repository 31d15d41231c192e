// SPDX-License-Identifier: Apache-2.0

import MeshModel
import Testing

@testable import HostProbe

/// Which link of a host the plan's port is, and whether the host puts tags on.
@Suite("ports for tagged frames")
struct TrunkPortTests {
    private func link(
        _ name: String, kind: String = "physical", mac: String? = nil, addresses: [String] = [], master: String? = nil,
        parent: String? = nil, vlan: Int? = nil, filters: Bool? = nil
    ) -> LinkFact {
        LinkFact(
            name: name, index: 1, kind: kind, mac: mac.flatMap { MACAddress($0) }, mtu: 1500, up: true, carrier: true, addresses: addresses,
            master: master, parent: parent, vlan: vlan, filtersVLANs: filters)
    }

    private let bridge = TrunkPort(name: "vmbr0", isBridge: true)

    @Test("a bridge that filters tags on its uplink, and a plain one is not known to")
    func uplinks() {
        let uplink = link("eno1", master: "vmbr0")
        let tap = link("tap100i0", kind: "tun", master: "vmbr0")
        #expect(
            bridge.resolved(for: 110, among: [tap, link("vmbr0", kind: "bridge", filters: true), uplink]) == .link("eno1", isTrunk: true))
        let plain = [link("vmbr0", kind: "bridge", filters: false), tap, uplink]
        #expect(bridge.resolved(for: 110, among: plain) == .link("eno1", isTrunk: false))
        // The VLAN link that Proxmox makes for a machine's tag.
        let made = plain + [link("eno1.110", kind: "vlan", parent: "eno1", vlan: 110)]
        #expect(bridge.resolved(for: 110, among: made) == .link("eno1", isTrunk: true))
        #expect(bridge.resolved(for: 120, among: made) == .link("eno1", isTrunk: false))
    }

    @Test("a bridge on a VLAN link sends by what that stands on")
    func standing() {
        let links = [link("vmbr0", kind: "bridge"), link("bond0.110", kind: "vlan", master: "vmbr0", parent: "bond0", vlan: 110)]
        #expect(bridge.resolved(for: 110, among: links) == .link("bond0", isTrunk: true))
        guard case .missing = bridge.resolved(for: 120, among: links) else { return #expect(Bool(false)) }
        let hidden = [links[0], link("v110", kind: "vlan", master: "vmbr0", vlan: 110)]
        guard case .missing = bridge.resolved(for: 110, among: hidden) else { return #expect(Bool(false)) }
    }

    @Test("a host that routes for its machines, and a tunnel, need no tag; a bridge without any way out has none to give")
    func exempt() {
        guard case .exempt = bridge.resolved(for: 110, among: [link("vmbr0", kind: "bridge", addresses: ["10.0.0.1/24"])]) else {
            return #expect(Bool(false))
        }
        guard case .exempt = bridge.resolved(for: 110, among: [link("vmbr0", kind: "bridge"), link("vx", kind: "vxlan", master: "vmbr0")])
        else { return #expect(Bool(false)) }
        #expect(
            bridge.resolved(for: 110, among: [link("vmbr0", kind: "bridge")]) == .missing("vmbr0 has no port to the outside"))
        #expect(bridge.resolved(for: 110, among: [link("eno1")]) == .missing("there is no bridge vmbr0"))
    }

    @Test("a machine's own port is known by its address, and not taken for the VLAN above it")
    func own() throws {
        let mac = "02:00:00:00:00:01"
        let links = [
            link("ens19.110", kind: "vlan", mac: mac, addresses: ["10.20.10.21/24"], parent: "ens19", vlan: 110), link("ens19", mac: mac),
        ]
        #expect(TrunkPort(name: "ens18", mac: MACAddress(mac)).resolved(for: 110, among: links) == .link("ens19", isTrunk: true))
        #expect(TrunkPort(name: "ens19").resolved(for: 120, among: links) == .link("ens19", isTrunk: false))
        #expect(TrunkPort(name: "ens18").resolved(for: 110, among: links) == .missing("there is no link ens18"))
        let router = try #require(IPAddress("10.20.10.1"))
        #expect(TrunkPort.own(for: router, vlan: 110, on: "ens19", among: links) == IPAddress("10.20.10.21"))
        #expect(TrunkPort.own(for: router, vlan: 120, on: "ens19", among: links) == nil)
        #expect(TrunkPort.own(for: try #require(IPAddress("10.30.0.1")), vlan: 110, on: "ens19", among: links) == nil)
    }
}
