// SPDX-License-Identifier: Apache-2.0

import Foundation
import MeshModel
import MeshSystem
import Testing

@testable import HostProbe

@Suite(.enabled(if: NetworkLab.isPossible, NetworkLab.reason)) struct LinksTests {
    let prober = HostProber(agentVersion: "test")

    private func links(_ facts: [Fact]) -> [LinkFact] {
        facts.compactMap { if case .link(let link) = $0 { link } else { nil } }
    }
    private func routes(_ facts: [Fact]) -> [RouteFact] {
        facts.compactMap { if case .route(let route) = $0 { route } else { nil } }
    }

    /// Compares every link and address with what `ip` prints.
    private func expectSame(_ facts: [LinkFact], as lab: [[String: Any]]) throws {
        #expect(facts.map(\.name) == lab.compactMap { $0["ifname"] as? String })
        for (fact, other) in zip(facts, lab) {
            let flags = try #require(other["flags"] as? [String])
            #expect(fact.index == other["ifindex"] as? Int)
            #expect(fact.mtu == other["mtu"] as? Int)
            #expect(fact.up == flags.contains("UP"))
            #expect(fact.carrier == flags.contains("LOWER_UP"), "\(fact.name)")
            if other["link_type"] as? String == "ether" { #expect(fact.mac?.description == other["address"] as? String) }
            let kind = (other["linkinfo"] as? [String: Any])?["info_kind"] as? String
            #expect(fact.kind == kind ?? (flags.contains("LOOPBACK") ? "loopback" : "physical"))
            let data = (other["linkinfo"] as? [String: Any])?["info_data"] as? [String: Any]
            #expect(fact.master == other["master"] as? String)
            #expect(fact.vni == (kind == "vxlan" ? data?["id"] as? Int : nil))
            #expect(fact.filtersVLANs == (kind == "bridge" ? (data?["vlan_filtering"] as? Int).map { $0 != 0 } : nil))
            let addresses = (other["addr_info"] as? [[String: Any]] ?? []).compactMap { address -> String? in
                guard let local = address["local"] as? String, let length = address["prefixlen"] as? Int else { return nil }
                return "\(local)/\(length)"
            }
            #expect(Set(fact.addresses) == Set(addresses))
        }
    }

    @Test("links and addresses in a namespace are what ip prints") func compare() throws {
        let lab = try NetworkLab()
        try shell("ip -n \(lab.here) link add br7 mtu 1400 type bridge")
        try shell("ip -n \(lab.here) link add vx7 type vxlan id 7 local 10.77.0.1 dstport 8472")
        try shell("ip -n \(lab.here) link set vx7 master br7")
        try shell("ip -n \(lab.here) addr add 192.0.2.1 peer 192.0.2.9/32 dev pair0")
        let facts = links(try lab.inside(lab.here) { [prober] in try prober.networkFacts() })
        try expectSame(facts, as: try lab.json("ip -j -d addr"))
        let pair = try #require(facts.first { $0.name == "pair0" })
        #expect((pair.kind, pair.mtu, pair.up, pair.carrier, pair.mac?.description) == ("veth", 1450, true, true, "02:00:00:00:aa:01"))
        #expect(pair.addresses.contains("10.77.0.1/24") && pair.addresses.contains("192.0.2.1/32"))
        #expect(facts.first { $0.name == "br7" }?.up == false)
        #expect(facts.first { $0.name == "lo" }?.mac == nil)
    }

    @Test("addresses that end within a week are told; those that stay, or last longer, are not") func lapsing() throws {
        let lab = try NetworkLab()
        for (address, seconds) in [("10.77.1.1", 3600), ("10.77.1.2", 604_800), ("10.77.1.3", 700_000)] {
            try shell("ip -n \(lab.here) addr add \(address)/24 dev pair0 valid_lft \(seconds) preferred_lft \(seconds)")
        }
        let facts = links(try lab.inside(lab.here) { [prober] in try prober.networkFacts() })
        let pair = try #require(facts.first { $0.name == "pair0" })
        #expect(pair.addresses.contains("10.77.1.3/24"))
        #expect(pair.lapsing == ["10.77.1.1/24", "10.77.1.2/24"])
        #expect(facts.first { $0.name == "lo" }?.lapsing == [])
    }

    @Test("a pulled cable is up without carrier, a link that is down is down") func carrier() throws {
        let lab = try NetworkLab()
        try shell("ip -n \(lab.there) link set pair0 down")
        let pulled = links(try lab.inside(lab.here) { [prober] in try prober.networkFacts() }).first { $0.name == "pair0" }
        #expect(pulled?.up == true && pulled?.carrier == false)
        try shell("ip -n \(lab.here) link set pair0 down")
        let down = links(try lab.inside(lab.here) { [prober] in try prober.networkFacts() }).first { $0.name == "pair0" }
        #expect(down?.up == false && down?.carrier == false)
    }

    @Test("routes of the main table are what ip prints, default routes first") func routing() throws {
        let lab = try NetworkLab()
        try shell("ip -n \(lab.here) route add default via 10.77.0.2")
        try shell("ip -n \(lab.here) route add 10.99.0.0/16 via 10.77.0.2")
        try shell("ip -n \(lab.here) route add 10.98.0.0/16 nexthop via 10.77.0.2 weight 1 nexthop via 10.77.0.3 weight 1")
        try shell("ip -n \(lab.here) route add 10.97.0.0/16 via inet6 fd77::2 dev pair0")
        try shell("ip -n \(lab.here) route add 10.96.0.0/16 via 10.77.0.2 table 100")
        try shell("ip -n \(lab.here) route add blackhole 10.95.0.0/16")
        try shell("ip -n \(lab.here) -6 route add default via fd77::2")
        let facts = routes(try lab.inside(lab.here) { [prober] in try prober.networkFacts() })
        #expect(facts.prefix(2).map(\.destination) == [nil, nil])
        #expect(facts.prefix(2).map { $0.gateway?.description } == ["10.77.0.2", "fd77::2"])
        #expect(facts.allSatisfy { $0.interface == "pair0" })
        let four = facts.filter { $0.destination?.base.family == .v4 || $0.gateway == IPAddress("10.77.0.2") }
        let wanted = try lab.json("ip -j route show type unicast").flatMap { route -> [String] in
            let destination = route["dst"] as? String ?? "?"
            let hops = route["nexthops"] as? [[String: Any]] ?? [route]
            return hops.map { hop in
                let gateway = hop["gateway"] as? String ?? (hop["via"] as? [String: Any])?["host"] as? String
                return "\(destination) \(gateway ?? "-")"
            }
        }
        #expect(Set(four.map { "\($0.destination?.description ?? "default") \($0.gateway?.description ?? "-")" }) == Set(wanted))
        #expect(four.filter { $0.destination == CIDR("10.98.0.0/16") }.count == 2)
    }

    @Test("no default route is no default route") func noDefault() throws {
        let lab = try NetworkLab()
        let facts = routes(try lab.inside(lab.here) { [prober] in try prober.networkFacts() })
        #expect(!facts.isEmpty && facts.allSatisfy { $0.destination != nil })
    }

    @Test("three hundred links come whole") func many() throws {
        let lab = try NetworkLab()
        let batch = (0..<300).map { "link add many\($0) type ifb\n" }.joined()
        let file = NSTemporaryDirectory() + "links-\(lab.here)"
        try batch.write(toFile: file, atomically: true, encoding: .utf8)
        defer { unlink(file) }
        try shell("ip -n \(lab.here) -batch \(file)")
        let facts = links(try lab.inside(lab.here) { [prober] in try prober.networkFacts() })
        try expectSame(facts, as: try lab.json("ip -j -d addr"))
        #expect(facts.count == 302)
    }

    @Test("the live answer of this machine is what ip prints") func live() async throws {
        // Other tests make and remove links here at the same time; the same words of `ip` before and after mean that nothing changed.
        for _ in 0..<100 {
            let before = try shell("ip -j -d addr")
            let facts = links(await prober.answer(.links))
            guard try shell("ip -j -d addr") == before else { continue }
            return try expectSame(facts, as: try #require(try JSONSerialization.jsonObject(with: Data(before.utf8)) as? [[String: Any]]))
        }
        Issue.record("the links of this machine did not stand still")
    }
}
