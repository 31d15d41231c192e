// SPDX-License-Identifier: Apache-2.0

import Gating
import MeshModel
import MeshTesting
import Testing

@Suite("A judge of links, routes and clocks")
struct LinkJudgeTests {
    private let node: NodeID
    private let gateway: IPAddress
    private let mac: MACAddress
    private let boot: BootID

    init() throws {
        node = try SmallMesh.need(NodeID("wrk-e-1"))
        gateway = try SmallMesh.need(IPAddress("192.168.15.1"))
        mac = try SmallMesh.need(MACAddress("bc:24:11:00:0f:15"))
        boot = try SmallMesh.need(BootID("aaaaaaaa"))
    }

    private let noon = Moment(wall: Timestamp(seconds: 1_800_000_000), boot: 60_000)

    private func judge(_ facts: [Fact], _ probe: ProbeKind = .links, others: [Evidence] = []) -> Judge {
        var table = EvidenceTable()
        for item in others + [Evidence(subject: .node(node), probe: probe, bootID: boot, takenAt: noon, facts: facts)] { table.take(item) }
        return Judge(evidence: table, maxAge: .seconds(60), now: noon)
    }

    private func nic(
        _ name: String, mac: MACAddress? = nil, kind: String = "physical", up: Bool = true, carrier: Bool = true,
        addresses: [String] = []
    ) -> Fact {
        .link(LinkFact(name: name, index: 2, kind: kind, mac: mac, mtu: 1500, up: up, carrier: carrier, addresses: addresses))
    }

    private func route(_ gateway: IPAddress?, _ interface: String, metric: Int = 0, family: IPAddress.Family? = .v4) -> Fact {
        .route(RouteFact(destination: nil, gateway: gateway, interface: interface, metric: metric, family: family))
    }

    private func expect(_ verdict: Verdict, _ code: Reason.Code, _ words: String..., place: SourceLocation = #_sourceLocation) {
        guard case .hold(let reasons) = verdict, let reason = reasons.first else {
            return #expect(Bool(false), "not held: \(verdict)", sourceLocation: place)
        }
        #expect(reason.code == code, "\(reason)", sourceLocation: place)
        #expect(reason.subject == .node(node) && !reason.remedy.isEmpty, sourceLocation: place)
        for word in words { #expect(reason.detail.contains(word), "\(reason.detail)", sourceLocation: place) }
    }

    // MARK: links

    @Test("a link is found by its MAC whatever it is called, and the reason says how it is called here")
    func foundByMAC() {
        let wanted = Requirement.link(node, name: "ens18", mac: mac, mtu: 1500)
        #expect(judge([nic("ens19", mac: mac), nic("ens18")]).judge(wanted) == .pass)
        expect(
            judge([nic("ens19", mac: mac, carrier: false), nic("ens18")]).judge(wanted), .unhealthy,
            "ens19 (the plan's ens18, by its MAC) of wrk-e-1 has no carrier")
        expect(judge([nic("ens19", mac: mac, up: false)]).judge(wanted), .unhealthy, "is down")
        // The name alone is nobody, and what is there is told with its MAC.
        expect(judge([nic("ens18", mac: MACAddress("02:00:00:00:00:01"))]).judge(wanted), .absent, "ens18 (02:00:00:00:00:01)")
    }

    @Test("a VLAN above the NIC has the NIC's MAC and is not taken for it")
    func vlanAbove() {
        let wanted = Requirement.link(node, name: "ens18", mac: mac, mtu: 1500)
        let links = [nic("ens19.110", mac: mac, kind: "vlan", carrier: false), nic("ens19", mac: mac)]
        #expect(judge(links).judge(wanted) == .pass)
    }

    @Test("an address with another prefix than the network's is no planned address")
    func prefix() throws {
        let address = try SmallMesh.need(IPAddress("192.168.15.21"))
        let wanted = Requirement.address(node, address, network: CIDR("192.168.15.0/24"))
        #expect(judge([nic("ens18", addresses: ["192.168.15.21/24"])]).judge(wanted) == .pass)
        expect(judge([nic("ens18", addresses: ["192.168.15.21/16"])]).judge(wanted), .mismatch, "192.168.15.21/16", "192.168.15.0/24")
        expect(judge([nic("ens18", addresses: ["192.168.15.22/24"])]).judge(wanted), .absent, "192.168.15.22/24")
        #expect(judge([nic("ens18", addresses: ["192.168.15.21/16"])]).judge(.address(node, address)) == .pass, "a plan of before")
    }

    // MARK: default routes

    private var wanted: Requirement { .defaultRoute(node, name: "ens18", mac: nil, gateway: gateway) }
    private let other = IPAddress("198.18.77.1")

    @Test("exactly one default route, through the planned interface and by the planned gateway, passes")
    func oneRoute() {
        #expect(judge([nic("ens18"), route(gateway, "ens18")]).judge(wanted) == .pass)
        #expect(judge([nic("ens18"), route(gateway, "ens18", family: nil)]).judge(wanted) == .pass, "an agent of before names no family")
    }

    @Test("no default route, a second one, one through another interface, and one by another gateway each hold with their own words")
    func badRoutes() {
        let (own, second) = (nic("ens18"), nic("mgmt0"))
        expect(judge([own]).judge(wanted), .absent, "wrk-e-1 has no default route", "through ens18 by 192.168.15.1")
        expect(
            judge([own, second, route(gateway, "ens18"), route(other, "mgmt0", metric: 100)]).judge(wanted), .mismatch,
            "2 default routes", "through ens18 by 192.168.15.1", "through mgmt0 by 198.18.77.1 (metric 100)")
        expect(judge([own, second, route(other, "mgmt0")]).judge(wanted), .mismatch, "leads through mgmt0 by 198.18.77.1")
        expect(judge([own, route(IPAddress("192.168.15.254"), "ens18")]).judge(wanted), .mismatch, "the plan's gateway is 192.168.15.1")
        expect(judge([own, route(nil, "ens18")]).judge(wanted), .mismatch, "without a gateway")
        expect(judge([second, route(gateway, "mgmt0")]).judge(wanted), .absent, "no interface ens18")
    }

    @Test("a default route of the other family is another matter, and two hops of one route are two ways")
    func families() {
        let six = IPAddress("fe80::1")
        #expect(judge([nic("ens18"), route(gateway, "ens18"), route(six, "ens18", metric: 1024, family: .v6)]).judge(wanted) == .pass)
        #expect(judge([nic("ens18"), route(gateway, "ens18"), route(six, "ens18", family: nil)]).judge(wanted) == .pass)
        expect(
            judge([nic("ens18"), route(gateway, "ens18"), route(IPAddress("192.168.15.2"), "ens18")]).judge(wanted), .mismatch,
            "2 default routes")
    }

    @Test("the route is looked for on the interface with the planned MAC")
    func routeByMAC() {
        let wanted = Requirement.defaultRoute(node, name: "ens18", mac: mac, gateway: gateway)
        #expect(judge([nic("ens19", mac: mac), nic("ens18"), route(gateway, "ens19")]).judge(wanted) == .pass)
        expect(
            judge([nic("ens19", mac: mac), nic("ens18"), route(gateway, "ens18")]).judge(wanted), .mismatch,
            "ens19 (the plan's ens18, by its MAC)")
    }

    // MARK: clocks

    private func clock(_ ahead: Int64, roundTrip: Int64 = 2, synchronised: Bool? = true) -> Fact {
        let asked = noon.wall
        let seen = asked + .milliseconds(ahead + roundTrip / 2)
        return .clock(
            ClockFact(asked: asked, received: seen, replied: seen, arrived: asked + .milliseconds(roundTrip), synchronised: synchronised))
    }

    @Test("an answer that was longer on the way than what is allowed says nothing about the clock")
    func uncertain() {
        let wanted = Requirement.clockWithin(node, TimeSpan(.milliseconds(50)))
        #expect(judge([clock(0, roundTrip: 100)], .clock).judge(wanted) == .pass)
        guard case .unknown(let reasons) = judge([clock(0, roundTrip: 102)], .clock).judge(wanted) else {
            return #expect(Bool(false), "an uncertain clock passed or held")
        }
        #expect(reasons.first?.detail.contains("known only to within 51ms") == true, "\(reasons)")
        // Off by more than any doubt it is held, however long the answer took.
        expect(judge([clock(5000, roundTrip: 200)], .clock).judge(wanted), .skewed, "ahead of")
    }

    @Test("clocks of a storage cluster are compared with each other, and both ends of a spread that is too wide are told")
    func together() throws {
        let nodes = try ["a", "b", "c"].map { try SmallMesh.need(NodeID($0)) }
        func verdict(_ ahead: [Int64], roundTrip: Int64 = 2) -> Verdict {
            let items = zip(nodes, ahead).map { node, ahead in
                Evidence(
                    subject: .node(node), probe: .clock, bootID: boot, takenAt: noon, facts: [clock(ahead, roundTrip: roundTrip)])
            }
            return judge([], others: items).judge(.clocksTogether(nodes, TimeSpan(.milliseconds(50))))
        }
        #expect(verdict([5000, 5040, 5010]) == .pass, "that all differ from the coordinator is no matter of theirs")
        #expect(verdict([0, 51, 0]) == .pass, "the doubt of both counts in their favour")
        guard case .hold(let reasons) = verdict([-40, 40, 0]) else { return #expect(Bool(false), "two clocks 80 ms apart passed") }
        #expect(reasons.map(\.subject) == [.node(nodes[1]), .node(nodes[0])])
        #expect(reasons[0].detail.contains("the clock of b is 80ms ahead of that of a; at most 50ms"), "\(reasons)")
        guard case .unknown = verdict([0, 0, 0], roundTrip: 102) else { return #expect(Bool(false), "uncertain clocks passed") }
        guard case .unknown = verdict([0, 0]) else { return #expect(Bool(false), "a clock that nobody asked passed") }
    }

    @Test("the kernel's word that nothing keeps the clock is told, and who is the odd one is seen by the majority")
    func oddOne() throws {
        let wanted = Requirement.clockWithin(node, TimeSpan(.milliseconds(50)))
        expect(judge([clock(-500, synchronised: false)], .clock).judge(wanted), .skewed, "behind", "nothing keeps it in step")
        func others(_ ahead: Int64) throws -> [Evidence] {
            try ["a", "b", "c"].map { name in
                Evidence(
                    subject: .node(try SmallMesh.need(NodeID(name))), probe: .clock, bootID: boot, takenAt: noon, facts: [clock(ahead)])
            }
        }
        let alone = judge([clock(500)], .clock, others: try others(0)).judge(wanted)
        #expect(alone.reasons.first?.remedy.contains("check time synchronisation on wrk-e-1") == true)
        let together = judge([clock(500)], .clock, others: try others(490)).judge(wanted)
        #expect(together.reasons.first?.remedy.contains("set right the clock of the coordinator's host") == true, "\(together)")
    }
}
