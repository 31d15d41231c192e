// SPDX-License-Identifier: Apache-2.0

import FeedTesting
import Foundation
import GRPCStream
import Synchronization
import Telemetry
import Testing

@testable import Hubble

/// Stands in for Hubble: a ring of the newest messages, and streams that begin at a time.
private final class StandInHubble: Sendable {
    private struct State {
        var ring: [[UInt8]] = []
        var requests: [ProtoFields] = []
        var isBroken = false
        var following = 0
        var written = 0
    }
    private let state = Mutex(State())

    var requests: [ProtoFields] { state.withLock { $0.requests } }
    var following: Int { state.withLock { $0.following } }
    /// Messages that were handed to the server's side of the socket.
    var written: Int { state.withLock { $0.written } }
    func happen(_ messages: [[UInt8]]) { state.withLock { $0.ring += messages } }
    func forget() { state.withLock { $0.ring = [] } }
    func isBroken(_ broken: Bool) { state.withLock { $0.isBroken = broken } }

    var service: StandInService {
        StandInService(
            unary: ["observer.Observer/ServerStatus": { _ in [0x42, 0x06] + Array("1.19.4".utf8) }],
            streams: ["observer.Observer/GetFlows": follow], ending: { [self] in isBroken(true) })
    }

    @Sendable private func follow(_ request: [UInt8], _ write: @escaping StandInService.Write) async throws {
        let fields = ProtoFields(request)
        // Without a time it begins at the end of the ring, as Hubble does.
        var next = state.withLock { state in
            state.requests.append(fields)
            state.following += 1
            return fields.value(7) == nil ? state.ring.count : 0
        }
        defer { state.withLock { $0.following -= 1 } }
        while true {
            let (messages, isBroken) = state.withLock { (Array($0.ring.dropFirst(next)), $0.isBroken) }
            if isBroken { throw StandInService.away }
            for message in messages { try await write(message) }
            next += messages.count
            state.withLock { $0.written += messages.count }
            try await Task.sleep(for: .milliseconds(2))
        }
    }
}

@Suite(.timeLimit(.minutes(2))) struct HubbleStreamTests {
    private let socket = NSTemporaryDirectory() + "hubble-\(UUID().uuidString).sock"
    private let hubble = StandInHubble()
    private let intake = KeptFeed(.hubble)

    private func stream(verdicts: Set<UInt64> = []) -> HubbleStream {
        var configuration = HubbleStream.Configuration(address: { [socket] in .unix(socket) })
        configuration.patience = .milliseconds(50)
        configuration.sumUp = .milliseconds(20)
        configuration.verdicts = verdicts
        return HubbleStream(configuration, dialer: GRPCDialer(), intake: intake, hasRoom: { [intake] in intake.hasRoom })
    }

    private func running(_ stream: HubbleStream, _ body: @escaping @Sendable () async throws -> Void) async throws {
        try await hubble.service.serve(at: socket) {
            try await withThrowingTaskGroup { group in
                group.addTask { await stream.run() }
                defer { group.cancelAll() }
                try await until { hubble.following == 1 && stream.status.isStreaming }
                try await body()
            }
        }
    }

    /// A flow of its own at a second of its own.
    private func flow(_ number: Int, verdict: UInt64 = 1) -> [UInt8] {
        var writer = ProtoWriter()
        writer.message(1) { flow in
            flow.message(1) { $0.number(1, 1_700_000_000 + UInt64(number)) }
            flow.number(2, verdict)
            flow.block(34, "flow-\(number)".utf8)
            flow.message(8) { $0.block(7, "east".utf8) }
            flow.message(9) { $0.block(7, "west".utf8) }
        }
        return writer.bytes
    }
    private var told: [Int] { intake.events.filter { $0.kind == .flow }.map { Int($0.time.nanoseconds / 1_000_000_000) - 1_700_000_000 } }

    @Test("flows, losses, relay's nodes and sums between clusters arrive") func everything() async throws {
        let stream = stream()
        try await running(stream) {
            hubble.happen(try Flows.messages())
            try await until { intake.events.contains { $0.kind.text == "cluster_flows" } && told.count == 5 }
        }
        #expect(intake.lost == [.reportedBySource: 412])
        let nodes = try #require(intake.events.first { $0.kind.text == "hubble_nodes" })
        #expect(nodes.attributes.verdict == "unavailable" && nodes.body.map { JSONShape.isObjectLine($0.bytes) } == true)
        #expect(stream.status.version == "1.19.4" && stream.status.told == 5 && stream.status.lost == 412)
        let sums = intake.events.filter { $0.kind.text == "cluster_flows" }.map { String(decoding: $0.body?.bytes ?? [], as: UTF8.self) }
        #expect(sums.contains { $0.contains(#""destination_cluster":"mesh-west""#) && $0.contains(#""INVALID_CLUSTER_ID":1"#) })
        // Bodies are flow.Flow alone, as they came.
        let first = try #require(intake.events.first { $0.kind == .flow }?.body)
        #expect(
            first.encoding == .flowMessage
                && FlowMessage([0x0a, UInt8(first.bytes.count & 0x7f) | 0x80, UInt8(first.bytes.count >> 7)] + first.bytes) != nil)
    }

    @Test("flows of other verdicts are counted and not told") func verdicts() async throws {
        let stream = stream(verdicts: Set([FlowWords.verdict("dropped")].compactMap(\.self)))
        try await running(stream) {
            hubble.happen((0..<10).map { flow($0, verdict: $0 % 5 == 0 ? 2 : 1) })
            try await until {
                stream.status.told + stream.status.counted == 10 && intake.events.contains { $0.kind.text == "cluster_flows" }
            }
        }
        #expect(told == [0, 5] && stream.status.counted == 8)
    }

    @Test("after a break it goes on at the last flow, and tells each once") func resume() async throws {
        let stream = stream()
        try await running(stream) {
            hubble.happen((0..<20).map { flow($0) })
            try await until { told.count == 20 }
            hubble.isBroken(true)
            try await until { stream.status.breaks == 1 }
            hubble.happen((20..<40).map { flow($0) })
            hubble.isBroken(false)
            try await until { told.count == 40 }
        }
        #expect(told == Array(0..<40))
        let since = try #require(hubble.requests.last?.value(7)?.message.value(1)?.number)
        #expect(since == 1_700_000_018, "a second before the last one")
        #expect(!intake.events.contains { $0.attributes.reason == "gap" }, "the ring had it all")
    }

    @Test("a flow of the time to come does not silence Hubble until then") func future() async throws {
        let stream = stream()
        try await running(stream) {
            hubble.happen([flow(0), flow(2_000_000_000)])
            try await until { told.count == 2 }
            hubble.isBroken(true)
            try await until { stream.status.breaks == 1 }
            hubble.isBroken(false)
            try await until { hubble.requests.count >= 2 && stream.status.isStreaming }
        }
        let since = try #require(hubble.requests.last?.value(7)?.message.value(1)?.number)
        #expect(Double(since) <= Date().timeIntervalSince1970)
    }

    @Test("a loss that is read again after a break is the same loss") func lossAgain() async throws {
        @Sendable func lost(_ count: UInt64, at second: UInt64?) -> [UInt8] {
            var writer = ProtoWriter()
            writer.message(3) { $0.number(2, count) }
            if let second { writer.message(1001) { $0.number(1, 1_700_000_000 + second) } }
            return writer.bytes
        }
        let stream = stream()
        try await running(stream) {
            hubble.happen([flow(1), lost(5, at: 1), lost(5, at: 2)])
            try await until { stream.status.lost == 10 }
            hubble.isBroken(true)
            try await until { stream.status.breaks == 1 }
            hubble.isBroken(false)
            try await until { stream.status.isStreaming }
            // Without a time nobody can tell whether it is the same.
            hubble.happen([lost(1, at: nil), lost(1, at: nil), flow(2)])
            try await until { told.count == 2 }
        }
        #expect(stream.status.lost == 12 && intake.lost == [.reportedBySource: 12])
    }

    @Test("a ring that has gone past the break is told as a gap") func gap() async throws {
        let stream = stream()
        try await running(stream) {
            hubble.happen((0..<5).map { flow($0) })
            try await until { told.count == 5 }
            hubble.isBroken(true)
            try await until { stream.status.breaks == 1 }
            hubble.forget()
            hubble.happen((50..<60).map { flow($0) })
            hubble.isBroken(false)
            try await until { told.count == 15 }
        }
        #expect(intake.events.filter { $0.kind == .sourceLimited }.compactMap(\.attributes.reason) == ["stream", "gap"])
    }

    /// A word of the reader about itself.
    private struct Word: Decodable {
        var streaming: Bool
        var version: String
        var flows: Int
        var problem: String?
        var since: Int64?

        private enum CodingKeys: String, CodingKey {
            case streaming, version, flows, problem
            case since = "followed_since_ms"
        }
    }
    private var words: [Word] {
        intake.events.filter { $0.kind == .hubbleState }.compactMap {
            try? JSONDecoder().decode(Word.self, from: Data($0.body?.bytes ?? []))
        }
    }

    @Test("it says that it follows the flows and how many came; once when it does not; and since when, which a break without a gap leaves")
    func word() async throws {
        let stream = stream()
        try await running(stream) {
            hubble.happen((0..<7).map { flow($0) })
            try await until { words.map(\.flows).reduce(0, +) == 7 }
            let before = try #require(words.last)
            // Sums up to an instant are told before the word of that instant.
            try await until {
                let events = intake.events
                guard let sum = events.firstIndex(where: { $0.kind == .clusterFlows }) else { return false }
                return events[sum...].contains { $0.kind == .hubbleState && $0.time == events[sum].time }
            }
            #expect(before.streaming && before.version == "1.19.4" && before.problem == nil && before.since != nil)
            hubble.isBroken(true)
            try await until { words.contains { !$0.streaming } }
            hubble.isBroken(false)
            try await until { words.last.map { $0.streaming && $0.since == before.since } ?? false }
        }
        let away = try #require(words.first { !$0.streaming })
        #expect(away.problem?.isEmpty == false && away.since == nil)
        let states = intake.events.filter { $0.kind == .hubbleState }
        #expect(Set(states.compactMap(\.attributes.verdict)) == ["streaming", "away"])
    }

    @Test("after a break before any flow came it follows anew from then on, as nobody knows what it missed")
    func anew() async throws {
        let stream = stream()
        try await running(stream) {
            try await until { !words.isEmpty }
            let first = try #require(words.first?.since)
            hubble.isBroken(true)
            try await until { stream.status.breaks == 1 }
            hubble.isBroken(false)
            try await until { words.last.map { $0.streaming && $0.since ?? 0 > first } ?? false }
            #expect(intake.events.contains { $0.kind == .sourceLimited && $0.attributes.reason == "gap" })
        }
    }

    @Test("where there is no Hubble it says so once") func nowhere() async throws {
        let looks = Mutex(0)
        var configuration = HubbleStream.Configuration(address: {
            looks.withLock { $0 += 1 }
            return nil
        })
        configuration.patience = .milliseconds(20)
        let stream = HubbleStream(configuration, dialer: GRPCDialer(), intake: intake, hasRoom: { true })
        try await withThrowingTaskGroup { group in
            group.addTask { await stream.run() }
            defer { group.cancelAll() }
            try await until { looks.withLock { $0 } >= 2 }
        }
        #expect(words.count == 1 && words[0].problem == "there is no Hubble here")
    }

    @Test("a Relay that does not reach some nodes says so, and words of a peer are cut and clean") func relay() throws {
        // num_unavailable_nodes is a message with a number in it.
        let status = HubbleServerStatus([0x32, 0x02, 0x08, 0x03, 0x42, 0x03] + Array("1\u{1b}9".utf8))
        #expect(status.unavailableNodes == 3 && status.version == "1\u{fffd}9")
        #expect(HubbleServerStatus([]).unavailableNodes == 0 && HubbleServerStatus([0x32, 0xff]).unavailableNodes == 0)
        let long = HubbleState(time: EventTime(nanoseconds: 0), problem: String(repeating: "\u{1b}", count: 500)).event
        #expect(JSONShape.isObjectLine(long.body?.bytes ?? []) && (long.attributes.reason?.utf8.count ?? 0) <= 200)
    }

    @Test("without room nothing is read on, and nothing is lost by us") func noRoom() async throws {
        let stream = stream()
        try await running(stream) {
            intake.hasRoom = false
            hubble.happen((0..<50).map { flow($0) })
            try await until { hubble.written >= 50 }
            #expect(told.isEmpty)
            intake.hasRoom = true
            try await until { told.count == 50 }
        }
        #expect(intake.lost.isEmpty)
    }
}
