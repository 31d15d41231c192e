// SPDX-License-Identifier: Apache-2.0

import MeshModel
import MeshTesting
import SwiftProtobuf
import Telemetry
import Testing

@testable import MeshWire

@Suite("The feed's frames, and events that other programs can read")
struct FeedFramesTests {
    static func stream() throws -> TelemetryStream { TelemetryStream(source: .hubble, boot: try Samples.boot(), instance: 77) }

    static func agentFrames() throws -> [AgentFeedFrame] {
        [
            .hello(FeedHello(agentVersion: "1.2.3", node: try #require(NodeID("wrk-e-1")), boot: try Samples.boot())),
            .batch(ordinal: 9, [1, 2, 3]),
            .statement(
                number: 4, SpoolStatement(streams: [try stream(): 12], spoolBytes: 5, waiting: 6, failures: 7, isComplete: false)),
        ]
    }

    static let coordinatorFrames: [CoordinatorFeedFrame] = [
        .welcome(FeedWelcome(credit: FeedCredit(batches: 3, bytes: 4000), statement: .seconds(2), patience: .seconds(15))),
        .acknowledged(ordinal: 1, refusal: nil, credit: nil), .acknowledged(ordinal: 2, refusal: "why", credit: FeedCredit()),
        .rejected(Rejected(code: "stopping", words: "the coordinator stops")), .taken(number: 8),
    ]

    @Test("every frame comes back as it was")
    func roundTrip() throws {
        for frame in try Self.agentFrames() { #expect(try AgentFeedFrame(decoding: frame.framed.dropFirst(4)) == frame) }
        for frame in Self.coordinatorFrames { #expect(try CoordinatorFeedFrame(decoding: frame.framed.dropFirst(4)) == frame) }
    }

    @Test("a source of a later version does not end the feed, an absurd credit does")
    func later() throws {
        var wire = WireAgentFeedFrame()
        wire.statement.streams = [WireStreamStatement.with { ($0.source, $0.boot, $0.produced) = ("profiler", "0f6f2c1e", 5) }]
        #expect(try AgentFeedFrame(decoding: try wire.serializedBytes() as [UInt8]) == .statement(number: 0, SpoolStatement(streams: [:])))
        var welcome = WireCoordinatorFeedFrame()
        welcome.welcome.protocol = 1
        welcome.welcome.credit.bytes = 1
        #expect(throws: WireError.self) { try CoordinatorFeedFrame(decoding: try welcome.serializedBytes() as [UInt8]) }
    }

    @Test("more streams than a statement takes are told to be more")
    func manyStreams() throws {
        var streams: [TelemetryStream: UInt64] = [:]
        for instance in 0..<300 as Range<UInt64> {
            streams[TelemetryStream(source: .host, boot: try Samples.boot(), instance: instance)] = 1
        }
        let bytes = AgentFeedFrame.statement(number: 1, SpoolStatement(streams: streams)).framed.dropFirst(4)
        guard case .statement(_, let statement) = try AgentFeedFrame(decoding: bytes) else {
            Issue.record("not a statement")
            return
        }
        #expect(statement.streams.count == SpoolStatement.mostStreams)
        #expect(!statement.isComplete)
    }

    @Test("the hand-written coding of events and batches is the one that telemetry.proto describes")
    func sameAsGenerated() throws {
        let event = TelemetryEvent(
            time: EventTime(nanoseconds: -1), kind: .flow,
            attributes: EventAttributes(
                binary: "/b", pid: 300, pod: "p", namespace: "n", device: "d", policy: "y", reason: "r", verdict: "v",
                source: EventPeer(address: "::1", port: 1), destination: EventPeer(address: "10.0.0.1", port: 65_535)),
            body: EventBody(.flowMessage, [0, 255]))
        let wire = try WireTelemetryEvent(serializedBytes: event.encoded)
        #expect(wire.unknownFields.data.isEmpty)
        #expect((wire.time, wire.kind, wire.binary, wire.pid, wire.pod, wire.namespace) == (-1, "flow", "/b", 300, "p", "n"))
        #expect(
            (wire.device, wire.policy, wire.reason, wire.verdict, wire.encoding, Array(wire.body)) == ("d", "y", "r", "v", 3, [0, 255]))
        #expect((wire.source.address, wire.source.port, wire.destination.port, wire.isCut) == ("::1", 1, 65_535, false))
        #expect(try TelemetryEvent(decoding: try wire.serializedBytes() as [UInt8]) == event)

        var packed = PackedEvents()
        packed.append(event)
        packed.append(encoded: event.encoded)
        #expect(try WireTelemetryEvents(serializedBytes: packed.bytes).events == [wire, wire])
        let batch = TelemetryBatch(
            stream: try Self.stream(), first: 7, runs: [.events(2), .lost(300, .ringFull)], packed: packed.bytes,
            plainBytes: UInt64(packed.sizeInBytes))
        let wireBatch = try WireTelemetryBatch(serializedBytes: batch.encoded)
        #expect(wireBatch.unknownFields.data.isEmpty)
        #expect((wireBatch.source, wireBatch.instance, wireBatch.first, wireBatch.packing) == ("hubble", 77, 7, 0))
        #expect(wireBatch.runs.map { [$0.events, $0.lost] } == [[2, 0], [0, 300]])
        #expect(wireBatch.runs.last?.reason == "ring_full")
        #expect(try TelemetryBatch(decoding: try wireBatch.serializedBytes() as [UInt8]) == batch)
    }

    @Test("twenty thousand damaged frames are refused or read, and never end the program")
    func fuzz() throws {
        var random = SplitMix(seed: 9)
        let frames =
            try Self.agentFrames().map { Array($0.framed.dropFirst(4)) } + Self.coordinatorFrames.map { Array($0.framed.dropFirst(4)) }
        for _ in 0..<20_000 {
            var bytes = frames[Int.random(in: 0..<frames.count, using: &random)]
            for _ in 0..<Int.random(in: 1...3, using: &random) where !bytes.isEmpty {
                bytes[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
            }
            _ = try? AgentFeedFrame(decoding: bytes)
            _ = try? CoordinatorFeedFrame(decoding: bytes)
        }
    }
}
