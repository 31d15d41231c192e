// SPDX-License-Identifier: Apache-2.0

import FeedTesting
import Foundation
import GRPCStream
import ServerTesting
import Synchronization
import Telemetry
import Testing

@testable import Tetragon

private final class Flag: Sendable {
    private let value = Atomic(false)
    var isSet: Bool { value.load(ordering: .acquiring) }
    func set() { value.store(true, ordering: .releasing) }
}

/// A Tetragon, and both ways to it, in a directory of their own.
private final class TwoWays: Sendable {
    let directory = NSTemporaryDirectory() + "ways-\(UUID().uuidString)"
    var socket: String { directory + "/tetragon.sock" }
    var logPath: String { directory + "/tetragon.log" }
    let tetragon: StandInTetragon
    let intake = KeptFeed(.tetragon)
    let ways: TetragonWays
    private let hasLog: Bool

    init(hasLog: Bool) throws {
        self.hasLog = hasLog
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        let path = directory + "/tetragon.log"
        if hasLog { _ = FileManager.default.createFile(atPath: path, contents: nil) }
        tetragon = StandInTetragon(logPath: hasLog ? path : nil)
        ways = TetragonWays(readsLog: hasLog)
    }

    deinit { try? FileManager.default.removeItem(atPath: directory) }

    /// Runs both ways while `body` does.
    func run(_ body: @Sendable () async throws -> Void) async throws {
        var configuration = TetragonStream.Configuration(address: { [socket] in .unix(socket) })
        configuration.patience = .milliseconds(50)
        configuration.lookSoon = .seconds(1)
        configuration.leftOut = ["parent.pod"]
        let stream = TetragonStream(
            configuration, dialer: GRPCDialer(), ways: ways, intake: intake, hasRoom: { [intake] in intake.hasRoom })
        var logs = TetragonSource.Configuration(
            paths: [logPath], positionPath: directory + "/position", since: EventTime(nanoseconds: .min))
        logs.overlap = .milliseconds(200)
        let source = TetragonSource(
            logs, ways: ways, intake: intake, hasRoom: { [intake] in intake.hasRoom }, isTaken: { [intake] in intake.isTaken })
        let stopped = Flag()
        if hasLog { Thread { source.run { stopped.isSet } }.start() }
        defer { stopped.set() }
        try await withThrowingTaskGroup { group in
            group.addTask { await stream.run() }
            try await body()
            group.cancelAll()
        }
    }

    /// Times of the events that were told, in nanoseconds, and how often each.
    var told: [Int64: Int] {
        intake.events(butNot: "source_limited", "tetragon_state").reduce(into: [:]) { $0[$1.time.nanoseconds, default: 0] += 1 }
    }
}

@Suite(.timeLimit(.minutes(2))) struct TetragonStreamTests {
    /// Events of every kind, each at an instant of its own.
    private func events(_ numbers: Range<Int>) throws -> [SampleEvent] {
        let samples = try Samples.events()
        return numbers.map { samples[$0 % samples.count].at(1_700_000_000_000_000_000 + Int64($0)) }
    }
    private func times(_ numbers: Range<Int>) -> [Int64: Int] {
        Dictionary(uniqueKeysWithValues: numbers.map { (1_700_000_000_000_000_000 + Int64($0), 1) })
    }

    @Test("what the stream tells arrives as it is, with what tetragon says of itself") func stream() async throws {
        let two = try TwoWays(hasLog: false)
        try await two.tetragon.service.serve(at: two.socket) {
            try await two.run {
                try await until { two.tetragon.followers == 1 }
                let events = try events(0..<200)
                try await two.tetragon.happen(events)
                try await until { two.told.count == 200 }
                #expect(two.told == times(0..<200))
                #expect(two.intake.events(butNot: "tetragon_state").map { $0.body?.bytes } == events.map(\.message))
                let state = try #require(two.intake.events.first { $0.kind.text == "tetragon_state" })
                #expect(state.attributes.reason == "v1.7.0" && state.attributes.verdict == "running")
                let status = two.ways.status
                #expect(status.isStreaming && status.version == "v1.7.0" && status.fromStream == 200 && status.problem == nil)
                #expect(status.policies.map(\.text) == ["shop/no-shells: enabled, enforce", "broken: load_error (cannot attach)"])
                // field_filters { fields: "parent.pod", action: EXCLUDE }
                #expect(two.tetragon.requests == [[0x22, 0x10, 0x12, 0x0c, 0x0a, 0x0a] + Array("parent.pod".utf8) + [0x18, 0x01]])
            }
        }
        #expect(two.intake.lost.isEmpty)
    }

    @Test("a tetragon that ends and comes back is followed anew, and the log has what happened between") func refill() async throws {
        let two = try TwoWays(hasLog: true)
        try await two.tetragon.happen(try events(0..<50))
        try await two.run {
            try await until { two.told.count == 50 }
            for round in 0..<3 {
                try await two.tetragon.service.serve(at: two.socket) {
                    try await until { two.tetragon.followers == 1 && two.ways.isStreaming }
                    for part in 0..<5 {
                        try await two.tetragon.happen(try events(50 + 100 * round + 10 * part..<60 + 100 * round + 10 * part))
                    }
                    // From here on the log is only marked.
                    if round == 1 { try await until { two.ways.canRefill && two.ways.status.fromStream > 0 } }
                    two.tetragon.breakStreams()
                    try await until { !two.ways.isStreaming }
                }
                try await two.tetragon.happen(try events(100 + 100 * round..<150 + 100 * round))
            }
            try await until { two.told.count >= 350 }
        }
        #expect(two.told == times(0..<350))
        #expect(two.ways.status.fromStream > 0 && two.ways.status.breaks >= 3)
        #expect(two.intake.events.filter { $0.kind == .sourceLimited }.allSatisfy { $0.attributes.reason == "stream" })
        #expect(two.intake.lost.isEmpty)
    }

    @Test("without room the stream is left, and the log has what follows") func noRoom() async throws {
        let two = try TwoWays(hasLog: true)
        try await two.tetragon.service.serve(at: two.socket) {
            try await two.run {
                try await until { two.tetragon.followers == 1 && two.ways.canRefill }
                try await two.tetragon.happen(try events(0..<20))
                try await until { two.told.count == 20 }
                two.intake.hasRoom = false
                try await two.tetragon.happen(try events(20..<30))
                try await until { two.tetragon.followers == 0 || two.ways.status.breaks > 0 }
                try await two.tetragon.happen(try events(30..<300))
                two.intake.hasRoom = true
                try await until { two.told.count == 300 }
                try await until { two.tetragon.followers > 0 }
                try await two.tetragon.happen(try events(300..<310))
                try await until { two.told.count == 310 }
                #expect(two.told == times(0..<310))
            }
        }
    }

    @Test("without a log a break is told, and what has no room is left to the one who counts") func noLog() async throws {
        let two = try TwoWays(hasLog: false)
        try await two.tetragon.service.serve(at: two.socket) {
            try await two.run {
                two.intake.hasRoom = false
                try await until { two.tetragon.followers == 1 }
                try await two.tetragon.happen(try events(0..<20))
                try await until { two.told.count == 20 }
                two.tetragon.breakStreams()
                try await until { two.tetragon.opened == 2 && two.tetragon.followers == 1 }
                let limit = try #require(two.intake.events.first { $0.kind == .sourceLimited })
                #expect(limit.attributes.reason == "stream" && limit.attributes.verdict?.hasPrefix("nothing fills the gap") == true)
            }
        }
    }

    @Test("a host on which nothing happens has a stream all the same, and its break is told") func quiet() async throws {
        let two = try TwoWays(hasLog: false)
        try await two.tetragon.service.serve(at: two.socket) {
            try await two.run {
                try await until { two.ways.status.isStreaming }
                #expect(two.told.isEmpty)
                two.tetragon.breakStreams()
                try await until { two.intake.events.contains { $0.kind == .sourceLimited } }
                #expect(two.ways.status.breaks == 1)
            }
        }
    }

    @Test("policies that tetragon loads after it began to answer are told soon") func policies() async throws {
        let two = try TwoWays(hasLog: false)
        two.tetragon.hasPolicies = false
        try await two.tetragon.service.serve(at: two.socket) {
            try await two.run {
                try await until { !two.ways.status.version.isEmpty }
                #expect(two.ways.status.policies.isEmpty)
                two.tetragon.hasPolicies = true
                try await until { two.ways.status.policies.count == 2 }
                #expect(two.intake.events.count { $0.kind.text == "tetragon_state" } == 2)
            }
        }
    }

    @Test("one that is refused has none") func refused() async throws {
        let two = try TwoWays(hasLog: false)
        let service = StandInService(
            unary: [
                "tetragon.FineGuidanceSensors/GetVersion": { _ in Array("\u{0a}\u{06}v1.7.0".utf8) },
                "tetragon.FineGuidanceSensors/GetHealth": { _ in [0x0a, 0x04, 0x08, 0x01, 0x10, 0x01] },
            ], streams: [:], ending: {})
        try await service.serve(at: two.socket) {
            try await two.run {
                try await until { two.ways.status.problem?.contains("unimplemented") == true }
                #expect(!two.ways.status.isStreaming && two.ways.status.breaks == 0)
                #expect(!two.intake.events.contains { $0.kind == .sourceLimited })
            }
        }
    }

    @Test("a message may be as long as tetra takes it") func long() async throws {
        let two = try TwoWays(hasLog: false)
        try await two.tetragon.service.serve(at: two.socket) {
            try await two.run {
                try await until { two.tetragon.followers == 1 }
                // Field 1900, one of those beside the event, with 9 MiB.
                var event = try #require(try events(0..<1).first)
                event.message += [0xe2, 0x76, 0x80, 0x80, 0xc0, 0x04] + [UInt8](repeating: 7, count: 9 << 20)
                try await two.tetragon.happen([event] + (try events(1..<3)))
                try await until { two.told.count == 3 }
                #expect(two.told == times(0..<3) && two.ways.status.breaks == 0 && two.intake.lost.isEmpty)
            }
        }
    }

    @Test("a message that is none is a loss with its reason") func malformed() async throws {
        let two = try TwoWays(hasLog: false)
        try await two.tetragon.service.serve(at: two.socket) {
            try await two.run {
                try await until { two.tetragon.followers == 1 }
                try await two.tetragon.happen([SampleEvent(message: [0xff], line: []), SampleEvent(message: [], line: [])])
                try await two.tetragon.happen(try events(0..<1))
                try await until { two.told.count == 1 }
                #expect(two.intake.lost == [.malformed: 2])
            }
        }
    }
}

@Suite struct TetragonDiscoveryTests {
    private func address(_ note: String) -> String? { TetragonDiscovery.serverAddress(Array(note.utf8)).map { "\($0)" } }

    @Test("tetragon's note says where it listens, and nonsense in it says nothing") func note() {
        #expect(address(#"{"server_address":"unix:///run/t.sock","pid":7}"# + "\n") == "unix:///run/t.sock")
        #expect(address(#"{"nested":{"server_address":"unix:///run/x"},"server_address":"localhost:54321"}"#) == "localhost:54321")
        for note in ["", "{", "[]", #"{"server_address":7}"#, #"{"server_address":"nonsense"}"#, #"{"other":"/x"}"#] {
            #expect(address(note) == nil, "\(note)")
        }
    }

    @Test("a socket that is not there is none; beside a port there is the usual one") func socket() throws {
        let directory = NSTemporaryDirectory() + "found-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let (note, usual, other) = (directory + "/info.json", directory + "/usual.sock", directory + "/other.sock")
        func found() -> String? { TetragonDiscovery.socket(infoPath: note, usualSocket: usual).map { "\($0)" } }
        #expect(found() == nil)
        _ = FileManager.default.createFile(atPath: usual, contents: nil)
        #expect(found() == "unix://\(usual)")
        try Data(#"{"server_address":"localhost:54321"}"#.utf8).write(to: URL(fileURLWithPath: note))
        #expect(found() == "unix://\(usual)")
        try Data(#"{"server_address":"unix://\#(other)"}"#.utf8).write(to: URL(fileURLWithPath: note))
        #expect(found() == nil)
        _ = FileManager.default.createFile(atPath: other, contents: nil)
        #expect(found() == "unix://\(other)")
    }
}
