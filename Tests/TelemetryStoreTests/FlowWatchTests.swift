// SPDX-License-Identifier: Apache-2.0

import MeshModel
import MeshTesting
import Telemetry
import Testing

@testable import TelemetryStore

/// What counts of Hubble's flows during a connectivity test, and above all what does not.
@Suite("Hubble's flows during a test", .timeLimit(.minutes(2)))
struct FlowWatchTests {
    private let (east, west): (ClusterName, ClusterName)
    private let (eastNode, westNode): (NodeID, NodeID)
    private let parties: TestFlows.Parties
    private let watch: FlowWatch
    private let bench: StoreBench

    init() throws {
        let (east, west) = (try #require(ClusterName("east")), try #require(ClusterName("west")))
        (self.east, self.west) = (east, west)
        (eastNode, westNode) = (try #require(NodeID("wrk-e-1")), try #require(NodeID("wrk-w-1")))
        parties = TestFlows.Parties(from: east, to: west, nodes: [eastNode: east, westNode: west])
        let watch = FlowWatch { ["10.1.": east, "10.2.": west]["\($0)".prefix(5)] }
        self.watch = watch
        bench = try StoreBench { _ in
        } arrived: {
            watch.take($0, at: $1)
        }
    }

    /// Numbers of events go on at each node.
    private final class Numbers {
        var next: [NodeID: UInt64] = [:]
    }
    private let numbers = Numbers()

    private var seconds: Double { Double(bench.now.milliseconds - StoreBench.start.milliseconds) / 1000 }

    private func event(_ kind: EventKind, at: Double?, _ attributes: EventAttributes = EventAttributes(), _ body: String? = nil)
        -> TelemetryEvent
    {
        let nanoseconds = StoreBench.start.milliseconds * 1_000_000 + Int64((at ?? seconds) * 1e9)
        return TelemetryEvent(
            time: EventTime(nanoseconds: nanoseconds), kind: kind, attributes: attributes, body: body.map { .json($0) })
    }

    private func tell(
        _ node: NodeID, _ events: [TelemetryEvent], lost: UInt64 = 0, _ reason: LossReason = .reportedBySource,
        source: TelemetrySource = .hubble
    ) async throws {
        var packed = PackedEvents()
        for event in events { packed.append(event) }
        var runs: [TelemetryBatch.Run] = events.isEmpty ? [] : [.events(UInt64(events.count))]
        if lost > 0 { runs.append(.lost(lost, reason)) }
        let first = numbers.next[node] ?? 1
        numbers.next[node] = first + UInt64(events.count) + lost
        try await bench.append(
            try StoreBench.batch(first, runs, packed, stream: try StoreBench.stream(source)), node: node.text,
            cluster: (node == eastNode ? east : west).text)
    }

    private func word(
        streaming: Bool = true, since: Double = -100, flows: UInt64 = 100, unavailable: UInt64 = 0, problem: String? = nil,
        at: Double? = nil
    ) -> TelemetryEvent {
        let since = streaming ? #","followed_since_ms":\#(StoreBench.start.milliseconds + Int64(since * 1000))"# : ""
        let why = problem.map { #","problem":"\#($0)""# } ?? ""
        return event(
            .hubbleState, at: at, EventAttributes(),
            #"{"streaming":\#(streaming),"version":"1.19.4"\#(since),"flows":\#(flows),"unavailable_nodes":\#(unavailable)\#(why)}"#)
    }

    private func sum(_ from: String, _ to: String, forwarded: UInt64 = 0, dropped: UInt64 = 0, _ reasons: String = "{}", at: Double? = nil)
        -> TelemetryEvent
    {
        event(
            .clusterFlows, at: at, EventAttributes(),
            #"{"source_cluster":"\#(from)","destination_cluster":"\#(to)","verdicts":{"forwarded":\#(forwarded),"dropped":\#(dropped)},"reasons":\#(reasons)}"#
        )
    }

    private func flow(_ from: String, _ to: String, _ reason: String?, verdict: String = "dropped", at: Double? = nil) -> TelemetryEvent {
        event(
            .flow, at: at,
            EventAttributes(
                reason: reason, verdict: verdict, source: EventPeer(address: from), destination: EventPeer(address: to)))
    }

    /// A test that goes well, with `extra` told by the node in the west: both readers speak before it, in it and after it.
    private func test(
        extra: @autoclosure () -> [TelemetryEvent] = [], lost: UInt64 = 0, _ reason: LossReason = .reportedBySource
    ) async throws -> TestFlows.Witness {
        for node in [eastNode, westNode] { try await tell(node, [word()]) }
        bench.advance(.seconds(1))
        watch.begin(parties, at: bench.moment)
        bench.advance(.seconds(10))
        try await tell(eastNode, [sum("west", "east", forwarded: 5), word()])
        try await tell(westNode, [sum("east", "west", forwarded: 7)] + extra() + [word()], lost: lost, reason)
        bench.advance(.seconds(1))
        let end = bench.now
        bench.advance(.seconds(9))
        #expect(!watch.count(parties, until: end).isWhole)
        try await tell(eastNode, [word()])
        #expect(!watch.count(parties, until: end).isWhole, "one node has not spoken yet")
        try await tell(westNode, [word()])
        let (flows, isWhole) = watch.count(parties, until: end)
        #expect(isWhole && flows.witnesses.map(\.node) == [eastNode, westNode])
        #expect(flows.witnesses[0].problem == nil && flows.witnesses[0].back == 5 && flows.witnesses[0].there == 0)
        return flows.witnesses[1]
    }

    @Test("flows are counted where they arrive, from the beginning of the test to its end")
    func counted() async throws {
        let seen = try await test()
        #expect(seen == TestFlows.Witness(node: westNode, cluster: west, there: 7))
        watch.forget(parties)
        #expect(
            watch.count(parties, until: bench.now).flows.witnesses.allSatisfy { $0.problem == "the count was not begun" && $0.there == 0 })
    }

    @Test("drops are counted by reason and direction; by the plan's addresses too, where Hubble knows no names, and not twice")
    func drops() async throws {
        let seen = try await test(extra: [
            sum("east", "west", dropped: 3, #"{"POLICY_DENIED":2,"INVALID_IDENTITY":1}"#),
            sum("west", "east", dropped: 2), sum("east", "north", dropped: 9), sum("north", "west", forwarded: 9),
            flow("10.1.0.1", "10.2.0.1", "POLICY_DENIED"), flow("10.1.0.1", "10.2.0.1", "STALE_OR_UNROUTABLE_IP"),
            flow("10.1.0.1", "10.2.0.1", "STALE_OR_UNROUTABLE_IP"), flow("10.1.0.1", "10.1.0.2", "INVALID_VNI"),
            flow("10.1.0.1", "nonsense", "INVALID_VNI"), flow("10.1.0.1", "10.2.0.1", nil, verdict: "forwarded"),
        ])
        #expect(seen.there == 7 && seen.back == 0)
        #expect(
            Set(seen.drops) == [
                .init(reason: "POLICY_DENIED", from: east, to: west, flows: 2),
                .init(reason: "INVALID_IDENTITY", from: east, to: west, flows: 1),
                .init(reason: "STALE_OR_UNROUTABLE_IP", from: east, to: west, flows: 2),
                .init(reason: "UNKNOWN", from: west, to: east, flows: 2),
            ])
    }

    @Test("what Hubble lost is a share of its flows; what was lost on the way to us hides any number of them")
    func losses() async throws {
        #expect(try await test(lost: 10).lost == TelemetryFact.share(10, of: 210))
    }

    @Test(
        "one event that was lost on the way leaves the count unknown", arguments: [LossReason.spoolFull, .intakeFull, .missing, .malformed])
    func lostOnTheWay(reason: LossReason) async throws {
        let seen = try await test(lost: 1, reason)
        #expect(seen.problem == "some of what it told was lost on the way: \(reason.rawValue)" && seen.lost == 0)
    }

    @Test("a limit that somebody set leaves single flows out, and no sum")
    func limited() async throws { #expect(try await test(lost: 50, .rateLimited).problem == nil) }

    /// How the word of the west after a test makes its count worthless.
    @Test(
        "a reader that does not follow to the end, or not from the beginning, is a problem with a name",
        arguments: [
            (#"{"streaming":false,"flows":0,"problem":"connection refused"}"#, "connection refused"),
            (#"{"streaming":false,"flows":0}"#, "its flows are not followed"),
            (#"{"streaming":true,"flows":0}"#, "its flows are not followed"),
            (#"{"streaming":true,"flows":0,"followed_since_ms":1,"unavailable_nodes":2}"#, "Hubble's relay does not reach 2 nodes"),
            (
                #"{"streaming":true,"flows":0,"followed_since_ms":9223372036854775807}"#,
                "its flows were not followed without a gap from the beginning of the test"
            ),
            (#"{"streaming":true}"#, "its reader has said nothing since the test ended"),
            (#"{"streaming":true,"flows":-1,"followed_since_ms":1}"#, "its reader has said nothing since the test ended"),
            (#"{"streaming":true,"flows":1e400,"followed_since_ms":1}"#, "its reader has said nothing since the test ended"),
            ("[", "its reader has said nothing since the test ended"),
        ])
    func unfollowed(body: String, problem: String) async throws {
        for node in [eastNode, westNode] { try await tell(node, [word()]) }
        watch.begin(parties, at: bench.moment)
        let end = bench.now
        bench.advance(.seconds(20))
        try await tell(eastNode, [word()])
        try await tell(westNode, [event(.hubbleState, at: nil, EventAttributes(), body)])
        let seen = watch.count(parties, until: end)
        #expect(seen.flows.witnesses[0].problem == nil && seen.flows.witnesses[1].problem == problem)
    }

    @Test("a Hubble that was never heard, and one that another source claims to be, are none")
    func unheard() async throws {
        try await tell(westNode, [word()], source: .tetragon)
        watch.begin(parties, at: bench.moment)
        let seen = watch.count(parties, until: bench.now)
        #expect(!seen.isWhole && seen.flows.witnesses.allSatisfy { $0.problem == "nothing was heard of it" })
        #expect(watch.reader(of: westNode, now: bench.moment) == nil)
    }

    @Test("what was spooled before the test counts neither for it nor against it")
    func backlog() async throws {
        let old = [
            sum("east", "west", forwarded: 4, dropped: 4, at: -5), flow("10.1.0.1", "10.2.0.1", "INVALID_VNI", at: -5), word(at: -5),
        ]
        let seen = try await test(extra: old)
        #expect(seen.there == 7 && seen.drops.isEmpty)
    }

    @Test("a test that is begun again counts anew, and the first one's drops are gone")
    func again() async throws {
        for node in [eastNode, westNode] { try await tell(node, [word()]) }
        watch.begin(parties, at: bench.moment)
        bench.advance(.seconds(2))
        try await tell(westNode, [sum("east", "west", dropped: 4), word()])
        #expect(watch.count(parties, until: bench.now).flows.witnesses[1].drops.map(\.flows) == [4])
        bench.advance(.seconds(2))
        #expect(try await test().drops.isEmpty)
    }

    @Test("a reader is as fresh as its word: a spool's is old, a clock that is ahead makes none fresher and does not silence the next")
    func freshness() async throws {
        try await tell(westNode, [word()])
        #expect(watch.reader(of: westNode, now: bench.moment) == .init(heard: TimeSpan(.seconds(20))))
        bench.advance(.seconds(100))
        try await tell(westNode, [word(at: 10)])
        #expect(watch.reader(of: westNode, now: bench.moment)?.heard == TimeSpan(.seconds(100)))
        try await tell(westNode, [word(at: 400)])
        bench.advance(.seconds(30))
        #expect(watch.reader(of: westNode, now: bench.moment)?.heard == TimeSpan(.seconds(40)))
        try await tell(westNode, [word(streaming: false, problem: "connection refused")])
        #expect(watch.reader(of: westNode, now: bench.moment) == .init(heard: TimeSpan(.seconds(40)), problem: "connection refused"))
        try await tell(westNode, [word(), word(streaming: false, problem: "old news", at: 50)])
        #expect(watch.reader(of: westNode, now: bench.moment) == .init(heard: TimeSpan(.seconds(20))))
    }

    @Test("whatever a host tells, numbers do not overflow, names are bounded and words are clean", arguments: 0..<20 as Range<UInt64>)
    func hostile(seed: UInt64) async throws {
        var random = SplitMix(seed: seed)
        let bodies = [
            "[]", "{", "null", #"{"source_cluster":"east"}"#, #"{"source_cluster":"","destination_cluster":"","verdicts":{},"reasons":{}}"#,
            #"{"source_cluster":"east","destination_cluster":"west","verdicts":{"dropped":-1},"reasons":{}}"#,
            #"{"source_cluster":"east","destination_cluster":"west","verdicts":{"forwarded":18446744073709551615,"dropped":18446744073709551615},"reasons":{"A":18446744073709551615,"b\u001b[31m":18446744073709551615}}"#,
            String(repeating: "[", count: 4000),
        ]
        var extra: [TelemetryEvent] = []
        for _ in 0..<60 {
            let body = try #require(bodies.randomElement(using: &random))
            switch Int.random(in: 0..<4, using: &random) {
            case 0: extra.append(event(.clusterFlows, at: 5, EventAttributes(), body))
            case 1: extra.append(event(.hubbleState, at: 5, EventAttributes(), body))
            case 2:
                let reason = "R\(Int.random(in: 0..<500, using: &random))"
                extra.append(sum("east", "west", dropped: .max, #"{"\#(reason)":18446744073709551615}"#, at: 5))
            default:
                extra.append(flow("10.1.0.1", "10.2.0.1", String(repeating: "x", count: Int.random(in: 0...300, using: &random)), at: 5))
            }
        }
        let seen = try await test(extra: extra)
        #expect(seen.drops.count <= 140 && (0...1000).contains(seen.lost))
        for drop in seen.drops {
            #expect(drop.reason.utf8.count <= 64 && drop.reason.utf8.allSatisfy { (0x30...0x5F).contains($0) })
        }
    }

    @Test("more reasons than are kept apart are one, and none of their drops is left out")
    func reasons() async throws {
        let seen = try await test(extra: (0..<200).map { sum("east", "west", dropped: 2, #"{"R\#($0)":2}"#) })
        #expect(seen.drops.count == 65 && seen.drops.map(\.flows).reduce(0, +) == 400)
        #expect(seen.drops.first == .init(reason: "UNKNOWN", from: east, to: west, flows: 272))
    }

    @Test("sums of pairs that were not kept apart leave the count unknown")
    func unnamed() async throws {
        let seen = try await test(extra: [sum("", "", forwarded: 3)])
        #expect(seen.problem == "some of its sums name no clusters, or cannot be read")
    }
}
