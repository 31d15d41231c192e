// SPDX-License-Identifier: Apache-2.0

import MeshModel
import MeshSystem

@testable import HostProbe

/// The prober and the link inventory on a kernel with 802.1Q, 802.1ad, bonding, WireGuard and netem.
extension Stage {
    /// Kinds of links that ordinary test machines do not have.
    func links() async throws {
        let wires = try await Wires(machine)
        let near = try await wires.links(Wires.near)
        func expect(_ name: String, _ words: String, _ holds: (LinkFact) -> Bool) {
            checks.expect(near[name].map(holds) ?? false, words, near[name].map { "\($0)" } ?? "there is no \(name)")
        }
        expect("bond0", "a bond, its mode and its active port") {
            $0.kind == "bond" && $0.bond == .init(mode: "active-backup", active: "eth1") && $0.up && $0.carrier
        }
        expect("eth1", "a port of the bond") { $0.master == "bond0" }
        expect("bond0.1500", "a VLAN, its id and its parent") { $0.kind == "vlan" && $0.vlan == 1500 && $0.parent == "bond0" && !$0.up }
        expect("wg0", "WireGuard without a MAC") { $0.kind == "wireguard" && $0.mac == nil && $0.mtu == 1420 }
        expect("spare", "a dummy link") { $0.kind == "dummy" }
        let switching = try await wires.links(Wires.middle)
        checks.expect(switching["br0"]?.filtersVLANs == true, "a bridge that keeps VLANs apart", "\(String(describing: switching["br0"]))")
        let carried = switching["near0"]?.vlans ?? []
        checks.expect(
            carried.contains(.init(first: 1, last: 1, isUntagged: true, isNative: true))
                && carried.contains(.init(first: 1500, last: 1500)),
            "the VLANs of its port", "\(carried)")
        try await wires.ip("-n", Wires.near, "link", "set", "dev", "eth1", "down")
        var lost = try await wires.links(Wires.near)["bond0"]
        for _ in 0..<50 where lost?.carrier == true {
            try await Task.sleep(for: .milliseconds(100))
            lost = try await wires.links(Wires.near)["bond0"]
        }
        checks.expect(
            lost?.carrier == false && lost?.bond?.active == nil, "a bond without a port has no carrier", "\(String(describing: lost))")
        let began = ContinuousClock.now
        _ = try await wires.links(Wires.near)
        say("# inventory of \(near.count) links: \((ContinuousClock.now - began).inMilliseconds) ms")
    }

    /// What a switch makes of tags, by the switch that is in the kernel.
    func vlans() async throws {
        let wires = try await Wires(machine)
        let house = FrameHouse()
        defer { house.stop() }
        func answer() async throws {
            try await wires.inside(Wires.far) {
                try house.open(FrameListen(token: Wires.token, link: "eth0", vlan: Wires.vlan, lasts: TimeSpan(.seconds(30))))
            }
        }
        func expect(_ finding: VLANFact.Finding, _ words: String, by link: String = "eth0", router: String? = nil) async throws {
            try await answer()
            let (fact, took) = try await wires.ask(link, router: router)
            checks.expect(fact.finding == finding, words, "\(fact)")
            say("# \(words): \(took.inMilliseconds) ms")
        }
        try await expect(.passes, "a VLAN that is tagged on both ports passes")
        try await expect(.passes, "by a bond as well", by: "bond0")
        try await expect(.passes, "a router with a VLAN link of its own answers", router: "10.78.0.254")
        try await wires.bridge("del", "dev", "near0", "vid", "1500")
        try await expect(.onlyUntagged, "not tagged on this port")
        // Linux answers for each of its addresses on every link.
        try await expect(.onlyUntagged, "and a router is heard without the tag", router: "10.78.0.254")
        try await wires.bridge("del", "dev", "near0", "vid", "1")
        try await expect(.silent, "in no VLAN at all: silence")
        try await wires.tagged()
        try await wires.bridge("add", "dev", "near0", "vid", "1500", "pvid")
        try await expect(.leaks, "the native VLAN of this port: untagged frames get in")
        try await wires.tagged()
        try await wires.bridge("add", "dev", "near0", "vid", "1500", "untagged")
        try await expect(.untaggedHere, "untagged on this port: answers come without the tag")
        try await wires.tagged()
        try await wires.bridge("add", "dev", "far0", "vid", "1500", "pvid", "untagged")
        try await expect(.untaggedThere, "the native VLAN of the other port: frames get there without the tag")
        try await wires.tagged()
        // A provider's bridge puts a tag of its own around ours.
        try await wires.ip("-n", Wires.middle, "link", "set", "dev", "br0", "type", "bridge", "vlan_protocol", "802.1ad")
        try await wires.bridge("add", "dev", "near0", "vid", "2000", "pvid", "untagged")
        try await wires.bridge("add", "dev", "far0", "vid", "2000", "pvid")
        try await expect(.doubled([2000, 1500]), "a second tag around ours")
    }

    /// Loss, delay and a hole for large packets, by netem and by a port's MTU.
    func ways() async throws {
        let wires = try await Wires(machine)
        let house = EchoHouse()
        defer { house.stop() }
        func netem(_ verb: String, _ rest: [String]) async throws {
            try await machine.tool("tc", ["-n", Wires.middle, "qdisc", verb, "dev", "far0", "root"] + rest)
        }
        let sound = try await measured(wires, house, "a sound way")
        expect(sound, "a sound way") { $0.isSound && $0.there == 1500 && $0.back == 1500 }
        try await netem("add", ["netem", "loss", "20%"])
        let lossy = try await measured(wires, house, "netem's loss")
        expect(lossy, "netem's loss is counted, and is no hole") { !$0.isSound && (50...95).contains($0.received) && $0.there == 1500 }
        try await netem("change", ["netem", "loss", "0%", "delay", "40ms"])
        let slow = try await measured(wires, house, "netem's delay")
        expect(slow, "netem's delay shows in the round trip") { $0.isSound && $0.median >= 40_000 }
        try await netem("del", [])
        try await wires.ip("-n", Wires.middle, "link", "set", "dev", "far0", "mtu", "1407")
        let narrow = try await measured(wires, house, "a port with a smaller MTU")
        // A bridge allows for the four bytes of a tag.
        expect(narrow, "a port that swallows large packets without a word is found to the byte") {
            $0.there == 1411 && $0.back == 1411 && $0.isSound
        }
    }

    private func expect(_ fact: PathFact, _ words: String, _ holds: (PathFact.Echo) -> Bool) {
        checks.expect(fact.echo.map(holds) ?? false, words, "\(fact)")
    }

    /// What the near end finds of its way while the far one answers.
    private func measured(_ wires: Wires, _ house: EchoHouse, _ words: String) async throws -> PathFact {
        guard let address = IPAddress("10.78.1.2") else { throw Stuck("the address is malformed") }
        let window = EchoWindow(token: Wires.token, address: address, port: Wires.tunnel, lasts: EchoWindow.longest)
        let port = try await wires.inside(Wires.far) { try house.open(window) }
        let (fact, took) = try await wires.measure()
        say("# \(words), by UDP \(port): \(took.inMilliseconds) ms")
        return fact
    }
}
