// SPDX-License-Identifier: Apache-2.0

import Gating
import MeshModel
import MeshTesting
import Testing

/// What came over the feed, and above all what did not.
@Suite("The judge of telemetry")
struct TelemetryJudgeTests {
    private let node: NodeID
    private let (east, west): (ClusterName, ClusterName)

    init() throws {
        node = try SmallMesh.need(NodeID("wrk-e-1"))
        (east, west) = (try SmallMesh.need(ClusterName("east")), try SmallMesh.need(ClusterName("west")))
    }

    private var sound: TelemetryFact {
        TelemetryFact(
            node: node, window: TelemetryFact.fullWindow, stated: seconds(20), traced: seconds(20),
            watched: ["kfree_skb", "sched_process_exec"], executed: seconds(300), resent: 0)
    }

    private func seconds(_ count: Int) -> TimeSpan { TimeSpan(.seconds(count)) }
    private func drop(_ reason: String) -> TelemetryFact.Drop { .init(reason: reason, from: east, to: west, packets: 3) }

    private func judge(_ requirement: Requirement, _ fact: TelemetryFact?, age: Int = 0) -> Verdict {
        let taken = Moment(wall: Timestamp(seconds: 1_800_000_000), boot: 1_000_000)
        var table = EvidenceTable()
        let facts = [fact.map(Fact.telemetry) ?? .unavailable("nothing of its telemetry has come since the coordinator began")]
        table.take(Evidence(subject: .node(node), probe: .telemetry, bootID: nil, takenAt: taken, facts: facts))
        return Judge(evidence: table, maxAge: .seconds(600), now: taken.advanced(by: .seconds(age))).judge(requirement)
    }

    private var flows: Requirement { .telemetryFlows(node, silence: seconds(30), loss: 1) }
    private var crossings: Requirement { .crossingsKept(node, reasons: ["NETFILTER_DROP", "NO_SOCKET"]) }
    private var resent: Requirement { .resentBelow(node, percent: 2) }
    private var all: [Requirement] { [flows, .executionsSeen(node), crossings, resent] }

    private func detail(_ verdict: Verdict) -> String { verdict.reasons.map(\.detail).joined(separator: "; ") }

    @Test("a feed that goes well opens every gate, with the words of its own")
    func good() {
        for requirement in all { #expect(judge(requirement, sound) == .pass) }
        #expect(all.map(\.gate.rawValue) == ["G-TEL-01", "G-TEL-02", "G-TEL-03", "G-TEL-04"])
        #expect(all.allSatisfy { $0.needs == [EvidenceKey(.node(node), .telemetry)] && !$0.comparesConfiguration })
    }

    @Test("nothing is good because nothing was heard: no evidence, an empty fact, and a fact of another node are unknown")
    func absent() throws {
        let empty = TelemetryFact(node: node, window: .init(.zero), stated: nil, traced: nil)
        var foreign = sound
        foreign.node = try SmallMesh.need(NodeID("wrk-w-1"))
        for requirement in all {
            for fact in [nil, empty, foreign] {
                guard case .unknown(let reasons) = judge(requirement, fact) else {
                    Issue.record("\(requirement) and \(String(describing: fact))")
                    continue
                }
                #expect(reasons.allSatisfy { $0.subject == .node(node) && !$0.remedy.isEmpty })
            }
            let unseen = Judge(evidence: EvidenceTable(), maxAge: .seconds(60), now: Moment(wall: Timestamp(seconds: 0), boot: 0))
            guard case .unknown = unseen.judge(requirement) else { Issue.record("\(requirement)"); continue }
        }
    }

    @Test("an old look opens nothing, however good it was")
    func old() {
        for requirement in all {
            guard case .unknown(let reasons) = judge(requirement, sound, age: 500) else { Issue.record("\(requirement)"); continue }
            #expect(reasons.first?.code == .stale)
        }
        #expect(judge(flows, sound, age: 10) == .pass)
        #expect(judge(flows, sound, age: 11) != .pass, "the silence goes on while nobody looks")
    }

    @Test("a silent agent is unknown, and a silent tracer beside an agent that speaks is held, each with what to do")
    func silence() {
        var fact = sound
        fact.stated = seconds(40)
        guard case .unknown = judge(flows, fact) else { Issue.record("a silent agent"); return }
        fact = sound
        fact.traced = seconds(40)
        #expect(judge(flows, fact).reasons.first?.code == .unhealthy)
        #expect(detail(judge(flows, fact)) == "the tracer of wrk-e-1 has said nothing for more than 30s")
        let later = [0, 1, 10].map { detail(judge(flows, fact, age: $0)) }
        #expect(Set(later).count == 1, "one silence is one reason, and not a new one every second")
        fact.traced = nil
        guard case .hold(let reasons) = judge(flows, fact) else { Issue.record("no tracer"); return }
        #expect(reasons[0].remedy.contains("start meshgate-tracer on wrk-e-1"))
        fact.window = seconds(10)
        guard case .unknown = judge(flows, fact) else { Issue.record("only just begun"); return }
    }

    @Test("losses up to the limit pass, and above it the reasons are told")
    func losses() {
        var fact = sound
        fact.lost = 10
        #expect(judge(flows, fact) == .pass)
        fact.lost = 11
        fact.lossReasons = ["ring_full", "spool_full"]
        #expect(
            detail(judge(flows, fact)) == "1.1 % of the events of wrk-e-1 in the last 1m were lost (ring_full, spool_full), and 1 % may be")
    }

    @Test("a drop for a named reason holds, one for another does not, and drops that nobody watches for are unknown")
    func drops() {
        var fact = sound
        fact.drops = [drop("TCP_CSUM")]
        #expect(judge(crossings, fact) == .pass)
        fact.drops.append(drop("NETFILTER_DROP"))
        #expect(detail(judge(crossings, fact)) == "wrk-e-1 dropped 3 packets from east to west in the last 1m: NETFILTER_DROP")
        fact.traced = nil
        guard case .hold = judge(crossings, fact) else { Issue.record("what was seen is true"); return }
        fact = sound
        fact.watched = ["sched_process_exec"]
        guard case .unknown = judge(crossings, fact) else { Issue.record("nobody watches"); return }
        fact = sound
        fact.window = seconds(50)
        guard case .unknown = judge(crossings, fact) else { Issue.record("less than a minute"); return }
    }

    @Test(
        "drops that were not told one by one may be between clusters: a named reason is unknown, another one passes, and what was seen holds"
    )
    func flood() {
        var fact = sound
        fact.untold = ["TCP_CSUM"]
        #expect(judge(crossings, fact) == .pass)
        for (untold, unsure) in [
            (["NETFILTER_DROP", "TCP_CSUM"], ["NETFILTER_DROP"]), ([TelemetryFact.anyReason], ["NETFILTER_DROP", "NO_SOCKET"]),
        ] {
            fact.untold = untold
            guard case .unknown(let reasons) = judge(crossings, fact) else { Issue.record("\(untold)"); return }
            #expect(
                reasons.map(\.detail)
                    == unsure.map { "wrk-e-1 dropped more packets for \($0) in the last 1m than it could tell one by one" })
            #expect(reasons.allSatisfy { $0.remedy.contains("feed query --node wrk-e-1 --kind packet_drops") })
        }
        fact.drops = [drop("NO_SOCKET")]
        guard case .hold = judge(crossings, fact) else { Issue.record("what was seen is true"); return }
    }

    @Test("segments that are sent again hold above the limit; a tracer that does not tell of them opens nothing")
    func retransmits() {
        var fact = sound
        fact.resent = 20
        #expect(judge(resent, fact) == .pass)
        fact.resent = 25
        #expect(detail(judge(resent, fact)) == "2.5 % of the TCP segments of wrk-e-1 in the last 1m were sent again, and 2 % may be")
        fact.resent = nil
        guard case .unknown = judge(resent, fact) else { Issue.record("not told"); return }
    }

    @Test("shares and spans are rounded up, at every edge")
    func rounding() {
        #expect(TelemetryFact.share(0, of: 0) == 0 && TelemetryFact.share(1, of: 0) == 1000)
        #expect(TelemetryFact.share(1, of: .max) == 1 && TelemetryFact.share(.max - 1, of: .max) == 1000)
        #expect(TelemetryFact.share(1, of: 1000) == 1 && TelemetryFact.share(1, of: 999) == 2)
        #expect(TelemetryFact.rounded(.zero) == seconds(20) && TelemetryFact.rounded(.seconds(20)) == seconds(20))
        #expect(TelemetryFact.rounded(.milliseconds(20_001)) == seconds(40) && TelemetryFact.rounded(.seconds(-5)) == seconds(20))
    }
}
