// SPDX-License-Identifier: Apache-2.0

import MeshModel
import MeshTesting
import Synchronization
import Telemetry
import Testing

@testable import TelemetryStore

@Suite("The last minute of the feed", .timeLimit(.minutes(2)))
struct RecentTelemetryTests {
    private let (east, west): (ClusterName, ClusterName)
    private let node: NodeID

    init() throws {
        (east, west) = (try #require(ClusterName("east")), try #require(ClusterName("west")))
        node = try #require(NodeID("wrk-e-1"))
    }

    private func recent() -> RecentTelemetry {
        let (east, west) = (east, west)
        return RecentTelemetry { address in
            switch "\(address)".prefix(5) {
            case "10.1.": east
            case "10.2.": west
            default: nil
            }
        }
    }

    /// A store that tells `recent` of what is new in it.
    private func bench(_ recent: RecentTelemetry) throws -> StoreBench {
        try StoreBench { _ in
        } arrived: {
            recent.take($0, at: $1)
        }
    }

    private func event(_ kind: EventKind, at seconds: Double, _ attributes: EventAttributes = EventAttributes(), body: String? = nil)
        -> TelemetryEvent
    {
        TelemetryEvent(
            time: EventTime(nanoseconds: StoreBench.start.milliseconds * 1_000_000 + Int64(seconds * 1e9)), kind: kind,
            attributes: attributes,
            body: body.map { .json($0) })
    }

    private func batch(_ first: UInt64, _ events: [TelemetryEvent], _ source: TelemetrySource = .tracer, lost: UInt64 = 0) throws
        -> TelemetryBatch
    {
        var packed = PackedEvents()
        for event in events { packed.append(event) }
        var runs: [TelemetryBatch.Run] = [.events(UInt64(events.count))]
        if lost > 0 { runs.append(.lost(lost, .ringFull)) }
        return try StoreBench.batch(first, runs, packed, stream: try StoreBench.stream(source))
    }

    private func drop(_ from: String, _ to: String, reason: String = "NETFILTER_DROP", at seconds: Double = 0) -> TelemetryEvent {
        event(
            .packetDrop, at: seconds,
            EventAttributes(reason: reason, source: EventPeer(address: from, port: 4), destination: EventPeer(address: to, port: 5)))
    }

    private func figures(at seconds: Double, _ body: String = #"{"Tcp.OutSegs":1000,"Tcp.RetransSegs":3,"watched":["kfree_skb","exec"]}"#)
        -> TelemetryEvent
    {
        event(.hostFigures, at: seconds, body: body)
    }

    @Test("of a node that said nothing nothing is known, and a statement alone is no word of a tracer")
    func silence() throws {
        let recent = recent()
        let now = Moment(wall: StoreBench.start, boot: 5_000_000)
        #expect(recent.fact(of: node, now: now) == nil)
        recent.stated(node, at: now)
        let fact = try #require(recent.fact(of: node, now: now.advanced(by: .seconds(25))))
        #expect(fact.stated == TimeSpan(.seconds(40)) && fact.traced == nil && fact.executed == nil && fact.resent == nil)
        #expect(fact.window == TimeSpan(.seconds(20)) && fact.watched.isEmpty && fact.lost == 0)
    }

    @Test("what arrives is counted once: liveness, losses, drops between clusters and segments")
    func counted() async throws {
        let recent = recent()
        let bench = try bench(recent)
        let drops = [
            drop("10.1.0.1", "10.2.0.1"), drop("10.1.0.1", "10.2.0.1"), drop("10.1.0.1", "10.1.0.2"), drop("10.1.0.1", "192.0.2.1"),
            drop("10.2.0.1", "10.1.0.1", reason: "NO_SOCKET"), event(.packetDrop, at: 0, EventAttributes(reason: "X")),
            drop("nonsense", "10.2.0.1"), event(.processExec, at: 0),
        ]
        let tracer = try batch(1, drops, lost: 92)
        try await bench.append(tracer)
        try await bench.append(tracer)
        try await bench.append(try batch(1, [figures(at: 0)], .host))
        let fact = try #require(recent.fact(of: node, now: bench.moment))
        #expect(
            fact.drops == [
                .init(reason: "NETFILTER_DROP", from: east, to: west, packets: 2),
                .init(reason: "NO_SOCKET", from: west, to: east, packets: 1),
            ])
        #expect(fact.lost == TelemetryFact.share(92, of: 101) && fact.lossReasons == ["ring_full"])
        #expect(fact.watched == ["exec", "kfree_skb"] && fact.resent == 5 && fact.traced == TimeSpan(.seconds(20)))
        #expect(fact.executed == TimeSpan(.seconds(300)))
    }

    private func sum(_ packets: UInt64, reason: String = "NETFILTER_DROP", at seconds: Double) -> TelemetryEvent {
        event(.packetDrops, at: seconds, EventAttributes(reason: reason), body: #"{"reason":"x","packets":\#(packets),"bytes":9}"#)
    }

    @Test("drops that are only in a sum are not known to be harmless: their reason is named, for as long as they are of this minute")
    func untold() async throws {
        let recent = recent()
        let bench = try bench(recent)
        // Within one cluster, and for another reason: what a flood looks like that hides what matters.
        let flood = (0..<40).map { _ in drop("10.1.0.1", "10.1.0.2", reason: "NO_SOCKET", at: 1) }
        try await bench.append(try batch(1, flood + [sum(40, reason: "NO_SOCKET", at: 10)]))
        #expect(recent.fact(of: node, now: bench.moment)?.untold == nil)
        try await bench.append(try batch(42, [sum(3, at: 10)]))
        let fact = try #require(recent.fact(of: node, now: bench.moment))
        #expect(fact.untold == ["NETFILTER_DROP"] && fact.drops.isEmpty)
        bench.advance(.seconds(70))
        #expect(recent.fact(of: node, now: bench.moment)?.untold == nil)
    }

    @Test("each transport has a sum of its own; packets that come behind their sum, or happened beside it, are told all the same")
    func lateDrops() async throws {
        let recent = recent()
        let bench = try bench(recent)
        func drops(_ count: Int, at seconds: Double) -> [TelemetryEvent] {
            (0..<count).map { _ in drop("10.1.0.1", "10.1.0.2", at: seconds) }
        }
        try await bench.append(try batch(1, drops(5, at: 9) + [sum(2, at: 10), sum(3, at: 10)]))
        #expect(recent.fact(of: node, now: bench.moment)?.untold == nil)
        try await bench.append(try batch(8, drops(5, at: 19) + [sum(7, at: 20)]))
        #expect(recent.fact(of: node, now: bench.moment)?.untold == ["NETFILTER_DROP"])
        // Two that were in the sum, and one that happened between the sum's taking and its stamp: the next sum has that.
        try await bench.append(try batch(14, drops(3, at: 19.99)))
        #expect(recent.fact(of: node, now: bench.moment)?.untold == nil)
        try await bench.append(try batch(17, drops(1, at: 25) + [sum(2, at: 30)]))
        #expect(recent.fact(of: node, now: bench.moment)?.untold == nil)
        // Told long ago, with a sum that never came: no excuse for later ones.
        try await bench.append(try batch(19, drops(9, at: 31)))
        bench.advance(.seconds(70))
        try await bench.append(try batch(28, drops(1, at: 75) + [sum(2, at: 80)]))
        #expect(recent.fact(of: node, now: bench.moment)?.untold == ["NETFILTER_DROP"])
    }

    @Test(
        "a sum that cannot be read is of any size",
        arguments: ["{}", "[]", #"{"packets":-1}"#, #"{"packets":1e99}"#, #"{"packets":"1"}"#, ""])
    func unreadableSum(body: String) async throws {
        let recent = recent()
        let bench = try bench(recent)
        try await bench.append(try batch(1, [event(.packetDrops, at: 0, EventAttributes(reason: "NETFILTER_DROP"), body: body)]))
        #expect(recent.fact(of: node, now: bench.moment)?.untold == ["NETFILTER_DROP"])
    }

    @Test(
        "whatever part of the drops is told, and whenever: a reason is named exactly when some were not", arguments: 0..<20 as Range<UInt64>
    )
    func sums(seed: UInt64) async throws {
        var random = SplitMix(seed: seed)
        let recent = recent()
        let bench = try bench(recent)
        var next: UInt64 = 1
        var carried = 0
        for round in 1...12 {
            let end = Double(round) * 10
            // Of those that were in the sum some are told before it, some behind it, and some never; others only happen while it is taken.
            let (before, behind) = (Int.random(in: 0...6, using: &random), Int.random(in: 0...3, using: &random))
            let (never, beside) = (max(0, Int.random(in: -4...3, using: &random)), Int.random(in: 0...2, using: &random))
            var events = (0..<before).map { _ in drop("10.1.0.1", "10.1.0.2", at: end - Double.random(in: 0.1..<9, using: &random)) }
            let packets = UInt64(before + behind + never + carried)
            if packets > 0 { events.append(sum(packets, at: end)) }
            events += (0..<behind).map { _ in drop("10.1.0.1", "10.1.0.2", at: end - 0.01) }
            // Without a sum there is no stamp to be before.
            carried = packets > 0 ? beside : 0
            events += (0..<carried).map { _ in drop("10.1.0.1", "10.1.0.2", at: end) }
            bench.advance(.seconds(10))
            guard !events.isEmpty else { continue }
            try await bench.append(try batch(next, events))
            next += UInt64(events.count)
            let untold = try #require(recent.fact(of: node, now: bench.moment)).untold
            // Those that happened beside it are taken for missing ones until they are in the next sum.
            if never == 0 || never > carried { #expect((untold != nil) == (never > carried), "round \(round)") }
            if never > 0 {
                bench.advance(.seconds(70))
                break
            }
        }
    }

    @Test("what a limit leaves out is in the books and no loss to a gate")
    func limited() async throws {
        let recent = recent()
        let bench = try bench(recent)
        var packed = PackedEvents()
        packed.append(event(.processExec, at: 0))
        try await bench.append(try StoreBench.batch(1, [.events(1), .lost(50, .rateLimited)], packed))
        #expect(recent.fact(of: node, now: bench.moment)?.lost == 0)
        #expect(try bench.account()?.lost == [.rateLimited: 50])
    }

    @Test("Tetragon's policies are those of its newest word; one that is no word, or another source's, changes nothing")
    func policies() async throws {
        let recent = recent()
        let bench = try bench(recent)
        func state(_ body: String, at: Double = 0) -> TelemetryEvent { event(.tetragonState, at: at, body: body) }
        let good = #"{"version":"v1.7.0","policies":[{"name":"a","state":"enabled"},{"name":"a","namespace":"n","state":"load_error"}]}"#
        try await bench.append(try batch(1, [state(good)], .host))
        #expect(recent.fact(of: node, now: bench.moment)?.tetragon == nil)
        try await bench.append(try batch(1, [state(good)], .tetragon))
        let states = ["a": "enabled", "n/a": "load_error"]
        #expect(recent.fact(of: node, now: bench.moment)?.tetragon == .init(heard: TimeSpan(.seconds(60)), policies: states))
        let odd = ["[]", "{", "null", #"{"policies":1}"#, #"{"policies":[{"name":"a"}]}"#, #"{"policies":[{"name":1,"state":"enabled"}]}"#]
        try await bench.append(try batch(2, odd.map { state($0) }, .tetragon))
        #expect(recent.fact(of: node, now: bench.moment)?.tetragon?.policies == states)
        bench.advance(.seconds(70))
        let many = (0..<400).map { #"{"name":"p\#($0)\u001b","state":"\#(String(repeating: "x", count: 90))"}"# }.joined(separator: ",")
        let twice =
            #"{"name":"b","state":"loading"},{"name":"b","state":"enabled"},{"name":"\#(String(repeating: "y", count: 400))","state":"enabled"}"#
        try await bench.append(try batch(8, [state(#"{"policies":[\#(twice),\#(many)]}"#, at: 70)], .tetragon))
        let bounded = try #require(recent.fact(of: node, now: bench.moment)?.tetragon?.policies)
        #expect(bounded.count == 254 && bounded["b"] == "loading" && bounded.values.allSatisfy { $0.utf8.count <= 40 })
        #expect(bounded.keys.allSatisfy { !$0.contains("\u{1b}") })
        try await bench.append(try batch(9, [state("{}", at: 70)], .tetragon))
        #expect(recent.fact(of: node, now: bench.moment)?.tetragon == .init(heard: TimeSpan(.seconds(60)), policies: nil))
        // What a spool brings is history.
        bench.advance(.seconds(200))
        try await bench.append(try batch(10, [state(good, at: 100)], .tetragon))
        #expect(recent.fact(of: node, now: bench.moment)?.tetragon == .init(heard: TimeSpan(.seconds(240)), policies: nil))
    }

    @Test("after a minute it is forgotten, and what the host's clock says is ahead is no fresher for it")
    func forgotten() async throws {
        let recent = recent()
        let bench = try bench(recent)
        try await bench.append(try batch(1, [drop("10.1.0.1", "10.2.0.1", at: 300), event(.processExec, at: 300)], lost: 1))
        try await bench.append(try batch(1, [figures(at: 300)], .host))
        #expect(recent.fact(of: node, now: bench.moment)?.drops.count == 1)
        bench.advance(.seconds(70))
        let fact = try #require(recent.fact(of: node, now: bench.moment))
        #expect(fact.drops.isEmpty && fact.lost == 0 && fact.resent == 0 && fact.window == TelemetryFact.fullWindow)
        #expect(fact.traced == TimeSpan(.seconds(80)), "it spoke when it arrived, 70 s ago")
    }

    @Test("what was spooled while the coordinator was away is history: it shows nobody alive and no drop of this minute")
    func backlog() async throws {
        let recent = recent()
        let bench = try bench(recent)
        bench.advance(.seconds(3600))
        try await bench.append(try batch(1, [drop("10.1.0.1", "10.2.0.1", at: 10), event(.processExec, at: 10)]))
        try await bench.append(try batch(1, [figures(at: 10)], .host))
        let fact = try #require(recent.fact(of: node, now: bench.moment))
        #expect(fact.traced == nil && fact.executed == nil && fact.drops.isEmpty && fact.watched.isEmpty)
    }

    @Test(
        "figures that are none are no word of a tracer",
        arguments: [
            "[]", "{", "null", #"{"Tcp.OutSegs":-1,"watched":[]}"#, #"{"Tcp.OutSegs":1e400}"#, #"{"Tcp.OutSegs":18446744073709551616}"#,
            #"{"watched":"kfree_skb"}"#, #"{"watched":[1]}"#, #"{"Tcp.OutSegs":NaN}"#, String(repeating: "[", count: 5000),
        ])
    func malformed(body: String) async throws {
        let recent = recent()
        let bench = try bench(recent)
        try await bench.append(try batch(1, [figures(at: 0, body)], .host))
        #expect(recent.fact(of: node, now: bench.moment)?.traced == nil)
    }

    @Test("figures of another source are not the tracer's; names that are none are left out, and no number overflows")
    func hostile() async throws {
        let recent = recent()
        let bench = try bench(recent)
        try await bench.append(try batch(1, [figures(at: 0)], .tetragon))
        #expect(recent.fact(of: node, now: bench.moment)?.traced == nil)
        let most = #"{"Tcp.OutSegs":18446744073709551615,"Tcp.RetransSegs":18446744073709551615,"watched":["ok_1","<b>","UPPER",""]}"#
        try await bench.append(try batch(1, [figures(at: 0, most), figures(at: 0, most)], .host))
        let reasons = (0..<500).map { drop("10.1.0.1", "10.2.0.1", reason: "R\($0)") }
        try await bench.append(try batch(1, reasons))
        let fact = try #require(recent.fact(of: node, now: bench.moment))
        #expect(fact.watched == ["ok_1"] && fact.resent == 1000)
        #expect(fact.drops.count <= 64)
        // Whichever of them found no room are named, as far as there is room for that.
        #expect(fact.untold?.count == 257 && fact.untold?.contains(TelemetryFact.anyReason) == true)
    }

    @Test("whatever comes in whatever order, what it says is bounded and never better than what came", arguments: 0..<20 as Range<UInt64>)
    func anything(seed: UInt64) async throws {
        var random = SplitMix(seed: seed)
        let recent = recent()
        let bench = try bench(recent)
        var next: UInt64 = 1
        var dropped = false
        for _ in 0..<40 {
            let lateness = Double.random(in: -100...100, using: &random)
            let at = Double(bench.now.milliseconds - StoreBench.start.milliseconds) / 1000 - lateness
            let isDrop = Bool.random(using: &random)
            let events = isDrop ? [drop("10.1.0.1", "10.2.0.1", at: at)] : [event(.processExec, at: at)]
            // Inside of both the slots and the time that counts as news.
            if isDrop, lateness < 59 { dropped = true }
            let lost = UInt64.random(in: 0...3, using: &random)
            try await bench.append(try batch(next, events, lost: lost))
            next += 1 + lost + UInt64.random(in: 0...4, using: &random)
            let fact = try #require(recent.fact(of: node, now: bench.moment))
            if dropped { #expect(!fact.drops.isEmpty) }
            #expect((0...1000).contains(fact.lost) && fact.window <= TelemetryFact.fullWindow && fact.traced == nil)
            if Int.random(in: 0..<8, using: &random) == 0 {
                bench.advance(.seconds(66))
                dropped = false
                #expect(recent.fact(of: node, now: bench.moment)?.drops.isEmpty == true)
            }
        }
    }

    @Test("a look at the newest ends after as many blocks as it may unpack")
    func bounded() async throws {
        let bench = try StoreBench()
        for index in 0..<50 as Range<UInt64> { try await bench.append(try StoreBench.batch(index * 2 + 1, 2, at: Double(index))) }
        let reader = bench.store.events(TelemetryQuery(reason: TextPattern("*nothing*")), newest: 10, mostBlocks: 7)
        #expect(try await reader.next() == nil)
        #expect(reader.examinedBlocks == 7)
        let newest = bench.store.events(TelemetryQuery(), newest: 3, mostBlocks: 7)
        #expect(try await newest.next()?.map(\.number) == [98, 99, 100])
    }
}
