// SPDX-License-Identifier: Apache-2.0

import Gating
import MeshModel
import MeshTesting
import Testing

/// What datagrams that went over the ways between nodes say about them.
@Suite("The judge of ways")
struct PathJudgeTests {
    private let node: NodeID
    private let own: IPAddress
    private let target: PathTarget
    private let boot: BootID

    init() throws {
        node = try SmallMesh.need(NodeID("wrk-e-1"))
        own = try SmallMesh.need(IPAddress("10.1.0.21"))
        let other = try SmallMesh.need(NodeID("wrk-w-1"))
        target = PathTarget(node: other, address: try SmallMesh.need(IPAddress("10.2.0.21")), port: 8472, mtu: 1500)
        boot = try SmallMesh.need(BootID("aaaaaaaa"))
    }

    private func echo(
        port: UInt16 = 8472, received: Int = 100, local: IPAddress? = nil, seen: IPAddress? = nil, there: Int = 1500, back: Int = 1500
    ) -> PathFact.Echo {
        .init(
            port: port, sent: 100, received: received, median: 200, slowest: 900, local: local ?? own, seen: seen ?? own, there: there,
            back: back)
    }

    private func fact(
        _ echo: PathFact.Echo?, pinged: Bool = true, health: ReachFact.Result = .refused, problem: String? = nil
    ) -> Fact {
        .path(PathFact(target: target, echo: echo, pinged: pinged, health: health, problem: problem))
    }

    private func judge(_ requirement: Requirement, _ facts: [Fact]) -> Verdict {
        let now = Moment(wall: Timestamp(seconds: 1_800_000_000), boot: 0)
        var table = EvidenceTable()
        table.take(Evidence(subject: .node(node), probe: .paths, bootID: boot, takenAt: now, facts: facts))
        return Judge(evidence: table, maxAge: .seconds(60), now: now).judge(requirement)
    }

    private var all: [Requirement] {
        [.answered(node, [target]), .carries(node, [target]), .healthReaches(node, [target]), .untranslated(node, own, [target])]
    }

    @Test("a sound way passes every gate, on the planned port and on its substitute, with one datagram in a hundred lost")
    func sound() {
        for facts in [[fact(echo())], [fact(echo(port: 8473))], [fact(echo(received: 99))]] {
            for requirement in all { #expect(judge(requirement, facts) == .pass) }
        }
    }

    @Test("what was not measured is unknown, and a prober that is missing is named; neither passes")
    func unknown() {
        for requirement in all {
            guard case .unknown(let reasons) = judge(requirement, []) else { #expect(Bool(false)); continue }
            #expect(reasons.first?.detail == "wrk-e-1 has not measured the way to wrk-w-1 (10.2.0.21, UDP 8472) yet")
            guard case .unknown(let missing) = judge(requirement, [.unavailable("start meshgate-prober on this host")]) else {
                #expect(Bool(false))
                continue
            }
            #expect(missing.first?.code == .unavailable && missing.first?.detail.contains("meshgate-prober") == true)
        }
        // Another size was asked for: that says nothing of this one.
        var smaller = target
        smaller.mtu = 1400
        let facts: [Fact] = [.path(PathFact(target: smaller, echo: echo(there: 1400, back: 1400), pinged: true, health: .refused))]
        guard case .unknown = judge(.carries(node, [target]), facts) else { return #expect(Bool(false)) }
    }

    @Test("silence holds G-NET-05 alone where ICMP is answered, and the remedy names the port and its substitute")
    func firewall() throws {
        let facts = [fact(nil)]
        let reason = try SmallMesh.need(judge(.answered(node, [target]), facts).reasons.first)
        #expect(reason.gate.rawValue == "G-NET-05" && reason.code == .unreachable)
        #expect(reason.detail == "no datagram from wrk-e-1 to wrk-w-1 (10.2.0.21, UDP 8472) is answered")
        #expect(reason.remedy.contains("UDP 8472 (and 8473,") && reason.remedy.contains("meshgate-prober run on wrk-w-1"))
        for requirement in all.dropFirst() { #expect(judge(requirement, facts) == .pass) }
    }

    @Test("loss above one in a hundred holds with its count")
    func loss() throws {
        let reason = try SmallMesh.need(judge(.answered(node, [target]), [fact(echo(received: 98))]).reasons.first)
        #expect(reason.code == .unhealthy && reason.detail.contains("of 100 datagrams from wrk-e-1 to wrk-w-1, UDP 8472, 98 are answered"))
    }

    @Test("a way that is too narrow holds with its direction, the size that fits, and the wanted one")
    func narrow() throws {
        let there = try SmallMesh.need(judge(.carries(node, [target]), [fact(echo(there: 1407, back: 1407))]).reasons.first)
        #expect(there.gate.rawValue == "G-NET-06")
        #expect(
            there.detail
                == "packets of at most 1407 bytes get from wrk-e-1 to wrk-w-1 (10.2.0.21); the tunnel sends 1500, and larger ones vanish")
        let back = try SmallMesh.need(judge(.carries(node, [target]), [fact(echo(back: 1333))]).reasons.first)
        #expect(back.detail.hasPrefix("packets of at most 1333 bytes get from wrk-w-1 back to wrk-e-1"))
    }

    @Test("a translated source and a wrong own source are told apart")
    func source() throws {
        let router = try SmallMesh.need(IPAddress("10.9.9.9"))
        let nat = try SmallMesh.need(judge(.untranslated(node, own, [target]), [fact(echo(seen: router))]).reasons.first)
        #expect(nat.gate.rawValue == "G-NET-09" && nat.detail.contains("wrk-w-1 sees wrk-e-1 as 10.9.9.9 and not as 10.1.0.21"))
        #expect(nat.remedy.contains("NAT"))
        let route = try SmallMesh.need(judge(.untranslated(node, own, [target]), [fact(echo(local: router, seen: router))]).reasons.first)
        #expect(route.detail.contains("from its address 10.9.9.9 and not from the planned 10.1.0.21") && route.remedy.contains("route"))
    }

    @Test("health checks need one of ICMP and TCP, and a refusal shows that TCP gets through")
    func health() {
        let wanted = Requirement.healthReaches(node, [target])
        for health in [ReachFact.Result.connected, .refused] { #expect(judge(wanted, [fact(nil, pinged: false, health: health)]) == .pass) }
        for health in [ReachFact.Result.timedOut, .unreachable, .failed] {
            #expect(judge(wanted, [fact(nil, pinged: true, health: health)]) == .pass)
            #expect(judge(wanted, [fact(nil, pinged: false, health: health)]).reasons.first?.gate.rawValue == "G-NET-08")
        }
    }

    @Test("round trips and a datagram more or less are no news, a hole is")
    func news() throws {
        func evidence(_ echo: PathFact.Echo?) -> Evidence {
            Evidence(
                subject: .node(node), probe: .paths, bootID: boot, takenAt: Moment(wall: Timestamp(seconds: 1), boot: 0),
                facts: [fact(echo)])
        }
        var other = echo(received: 99)
        (other.median, other.slowest) = (7, 8)
        #expect(evidence(echo()).says(sameAs: evidence(other)))
        for changed in [echo(received: 98), echo(there: 1400), echo(port: 8473), nil] {
            #expect(!evidence(echo()).says(sameAs: evidence(changed)))
        }
    }
}
