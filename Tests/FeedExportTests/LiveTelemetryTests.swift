// SPDX-License-Identifier: Apache-2.0

import Foundation
import MeshModel
import Telemetry
import Testing

@testable import FeedExport

@Suite("Telemetry as it comes", .timeLimit(.minutes(1)))
struct LiveTelemetryTests {
    private func stored(_ number: UInt64, _ kind: EventKind = .processExec, reason: String? = nil) throws -> StoredEvent {
        var event = TelemetryEvent(time: EventTime(nanoseconds: 1_764_000_000_000_000_000 + Int64(number)), kind: kind)
        event.attributes = EventAttributes(binary: "/bin/sh", pid: 7, reason: reason)
        event.body = .json(#"{"arguments":["sh","--password=secret"]}"#)
        return StoredEvent(
            node: try #require(NodeID("wrk-e-1")), cluster: ClusterName("east"),
            stream: TelemetryStream(source: .tracer, boot: try #require(BootID("0f6f2c1e-8a53")), instance: 1), number: number, event: event
        )
    }

    @Test("each follower gets what it asked for, in order, from when it came")
    func filters() async throws {
        let live = LiveTelemetry()
        #expect(!live.isFollowed)
        live.publish([try stored(1)])
        let all = try live.follow(TelemetryQuery())
        let drops = try live.follow(TelemetryQuery(kind: .packetDrop, reason: TextPattern("*FILTER*")))
        #expect(live.isFollowed)
        live.publish([try stored(2), try stored(3, .packetDrop, reason: "NETFILTER_DROP"), try stored(4, .packetDrop, reason: "OTHER")])
        #expect(await all.next()?.events.map(\.number) == [2, 3, 4])
        #expect(await drops.next()?.events.map(\.number) == [3])
        all.cancel()
        drops.cancel()
        #expect(await all.next() == nil)
        #expect(!live.isFollowed)
    }

    @Test("one that does not read is not waited for: what it missed is counted to the event, and told")
    func slow() async throws {
        let live = LiveTelemetry()
        let follower = try live.follow(TelemetryQuery())
        let crowd = try (1...1000).map { try stored($0) }
        for _ in 0..<100 { live.publish(crowd) }
        var (seen, left) = (0, UInt64(0))
        for _ in 0..<32 {
            let portion = try #require(await follower.next())
            seen += portion.events.count
            left += portion.left
        }
        live.beat()
        left += try #require(await follower.next()).left
        #expect(UInt64(seen) + left == 100_000 && seen <= 32 * 256)
    }

    @Test("a follower that nobody holds any more keeps no place")
    func abandoned() throws {
        let live = LiveTelemetry()
        for _ in 0..<200 { _ = try live.follow(TelemetryQuery(kind: .oomKill)) }
        #expect(!live.isFollowed && live.queries.isEmpty)
        let held = try live.follow(TelemetryQuery(kind: .oomKill))
        #expect(live.queries == [TelemetryQuery(kind: .oomKill)])
        held.cancel()
    }

    @Test("no more than so many follow; a close ends them all")
    func most() async throws {
        let live = LiveTelemetry()
        let followers = try (0..<64).map { _ in try live.follow(TelemetryQuery()) }
        #expect(throws: LiveTelemetry.TooMany.self) { _ = try live.follow(TelemetryQuery()) }
        live.close()
        for follower in followers { #expect(await follower.next() == nil) }
        _ = try live.follow(TelemetryQuery())
    }

    @Test("what is written is outlines, one message each, and never what a program was started with")
    func written() throws {
        let text = LiveTelemetry.write(.init(events: [try stored(5), try stored(6)], left: 3))
        let messages = text.components(separatedBy: "\n\n").filter { !$0.isEmpty }
        #expect(messages.count == 3 && messages[0] == "event: left\ndata: {\"events\":3}")
        #expect(messages[1].hasPrefix("event: telemetry\ndata: {\"time\":") && messages[1].contains("\"binary\":\"/bin/sh\""))
        #expect(!text.contains("secret") && !text.contains("body"))
        #expect(LiveTelemetry.write(.init(events: [], left: 0)) == ": beat\n\n")
    }
}
