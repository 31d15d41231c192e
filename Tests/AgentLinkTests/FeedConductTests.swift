// SPDX-License-Identifier: Apache-2.0

import AgentLink
import FleetGateway
import MeshModel
import MeshTesting
import MeshWire
import Telemetry
import TelemetrySpool
import Testing

@Suite("How a feed must behave", .timeLimit(.minutes(2)))
struct FeedConductTests {
    private static func peer(_ stage: Stage, _ name: NodeID) async throws -> RawPeer {
        let peer = try await RawPeer.connect(
            stage.endpoint, try RawPeer.tls(try stage.mesh.agent(name).identity, alpn: [LinkProtocol.feed]))
        await peer.seen.until { $0.secured || $0.closed }
        return peer
    }

    private static func hello(_ node: NodeID) throws -> [UInt8] {
        AgentFeedFrame.hello(FeedHello(agentVersion: "raw", node: node, boot: try #require(BootID("0f6f2c1e-8a53")))).framed
    }

    private static func batch(_ ordinal: UInt64) throws -> [UInt8] {
        let stream = TelemetryStream(source: .tracer, boot: try #require(BootID("0f6f2c1e-8a53")), instance: 1)
        return AgentFeedFrame.batch(ordinal: ordinal, TelemetryBatch(stream: stream, first: ordinal, runs: [.lost(1, .ringFull)]).encoded)
            .framed
    }

    @Test("Hello in another node's name ends the feed with an alarm")
    func foreign() async throws {
        let telemetry = RememberingTelemetry()
        try await Stage.with(telemetry: telemetry) { stage in
            let (east, west) = (try node("east-1"), try node("west-1"))
            let peer = try await Self.peer(stage, east)
            peer.send(try Self.hello(west))
            await peer.seen.until { $0.closed }
            let alarms = await stage.inbox.memory.until { !$0.alarms.isEmpty }.alarms
            guard case .foreignNode(east, claimed: west, _) = alarms[0] else {
                Issue.record("another alarm: \(alarms[0])")
                return
            }
        }
    }

    @Test("batches before Hello, a task's frame, a number out of turn and garbage end the feed", arguments: 0..<5)
    func misplaced(_ index: Int) async throws {
        let telemetry = RememberingTelemetry()
        try await Stage.with(telemetry: telemetry) { stage in
            let east = try node("east-1")
            let peer = try await Self.peer(stage, east)
            switch index {
            case 0: peer.send(try Self.batch(1))
            case 1:
                peer.send(try Self.hello(east))
                peer.send(try Self.batch(2))
            case 2:
                peer.send(try Self.hello(east))
                peer.send(try Self.hello(east))
            case 3:
                peer.send(try Self.hello(east))
                peer.send([0, 0, 0, 9] + [UInt8](repeating: 0xff, count: 9))
            default:
                peer.send(try Self.hello(east))
                peer.send([0x7f, 0xff, 0xff, 0xff])
            }
            await peer.seen.until { $0.closed }
            #expect(telemetry.memory.value.ledgers.isEmpty)
        }
    }

    @Test("what cannot be read as a batch is refused alone; the feed and all others go on")
    func unreadable() async throws {
        let telemetry = RememberingTelemetry()
        try await Stage.with(telemetry: telemetry) { stage in
            let (east, west) = (try node("east-1"), try node("west-1"))
            let peer = try await Self.peer(stage, east)
            peer.send(try Self.hello(east))
            var random = SplitMix(seed: 3)
            for ordinal in 1...200 as ClosedRange<UInt64> {
                let bytes = (0..<Int.random(in: 0...80, using: &random)).map { _ in UInt8.random(in: 0...255, using: &random) }
                peer.send(AgentFeedFrame.batch(ordinal: ordinal, bytes).framed)
            }
            peer.send(try Self.batch(201))
            await telemetry.memory.until { $0.unreadable == 200 && $0.ledgers[east] != nil }
            let kept = try TestSpool()
            kept.offer(0..<10)
            kept.spool.flush()
            try await stage.running(try stage.feed("west-1", kept.spool)) {
                await telemetry.memory.until { $0.account(west).delivered == 10 }
            }
            #expect(!peer.seen.value.closed)
            await peer.close()
        }
    }
}
