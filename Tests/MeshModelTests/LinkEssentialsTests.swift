// SPDX-License-Identifier: Apache-2.0

import MeshModel
import Testing

@Suite("What matters of links")
struct LinkEssentialsTests {
    private func link(_ name: String, _ kind: String = "physical", addresses: [String] = [], carrier: Bool = true) -> Fact {
        .link(LinkFact(name: name, index: 2, kind: kind, mac: nil, mtu: 1500, up: true, carrier: carrier, addresses: addresses))
    }

    private func evidence(_ facts: [Fact]) throws -> Evidence {
        let node = try #require(NodeID("wrk-e-1"))
        return Evidence(
            subject: .node(node), probe: .links, bootID: nil, takenAt: Moment(wall: Timestamp(seconds: 0), boot: 0), facts: facts)
    }

    @Test("pods, their routes and the addresses of Services come and go unnoticed by a plan that builds, and by that alone")
    func pods() throws {
        let nic = link("ens18", addresses: ["10.0.0.5/24"])
        let bare = try evidence([nic, link("lxc0", "veth")])
        let pod = Fact.route(RouteFact(destination: CIDR("10.244.0.7/32"), gateway: nil, interface: "lxc1"))
        for busy in [
            try evidence([nic, link("lxc0", "veth"), link("lxc1", "veth")]),
            try evidence([nic, link("lxc1", "veth", addresses: ["fe80::1/64"])]), try evidence([nic, link("lxc0", "veth"), pod]),
            try evidence([nic, link("lxc0", "veth"), link("kube-ipvs0", "dummy", addresses: ["10.96.0.1/32"])]),
        ] {
            #expect(bare.says(sameAs: busy, essentially: true))
            #expect(!bare.says(sameAs: busy), "a teardown looks for just these")
        }
    }

    @Test("carrier, addresses, default routes and what could not be told are news to everybody")
    func news() throws {
        let bare = try evidence([link("ens18", addresses: ["10.0.0.5/24"])])
        let way = Fact.route(RouteFact(destination: nil, gateway: IPAddress("10.0.0.1"), interface: "ens18"))
        for other in [
            try evidence([link("ens18", addresses: ["10.0.0.5/24"], carrier: false)]), try evidence([link("ens18")]),
            try evidence([link("ens18", addresses: ["10.0.0.5/24"]), way]), try evidence([.unavailable("no netlink")]),
            // A lab's NIC is a veth with an address.
            try evidence([link("ens18", addresses: ["10.0.0.5/24"]), link("eth1", "veth", addresses: ["10.1.0.5/24"])]),
        ] {
            #expect(!bare.says(sameAs: other, essentially: true))
        }
    }

    @Test("what a Cilium that is gone has left is news when it is seen, and when it is gone as well")
    func leftovers() throws {
        let nic = link("ens18", addresses: ["10.0.0.5/24"])
        let bare = try evidence([nic])
        for left in [
            try evidence([nic, link("cilium_host", "veth"), link("cilium_net", "veth")]), try evidence([nic, link("lxc0", "veth")]),
        ] {
            #expect(!bare.says(sameAs: left, essentially: true))
            #expect(!left.says(sameAs: bare, essentially: true))
        }
    }

    @Test("a program that is loaded anew is no news; another program is")
    func programs() throws {
        func seen(_ name: String, _ id: Int) throws -> Evidence {
            let link = LinkFact(
                name: "ens18", index: 2, kind: "physical", mac: nil, mtu: 1500, up: true, carrier: true, addresses: [],
                programs: [.init(hook: "tc ingress", name: name, id: id)])
            return try evidence([.link(link)])
        }
        #expect(try seen("cil_from_netdev", 7).says(sameAs: try seen("cil_from_netdev", 8), essentially: true))
        #expect(try !seen("cil_from_netdev", 7).says(sameAs: try seen("shaper", 7), essentially: true))
    }
}
