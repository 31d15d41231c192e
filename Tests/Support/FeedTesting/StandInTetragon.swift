// SPDX-License-Identifier: Apache-2.0

package import Foundation
internal import Synchronization
import Telemetry

/// Stands in for Tetragon: a stream that has no memory, and a log that has everything.
package final class StandInTetragon: Sendable {
    private struct State {
        var writers: [Int: StandInService.Write] = [:]
        /// What a follower has not read yet, where there is a limit to it.
        var queues: [Int: AsyncStream<[UInt8]>.Continuation] = [:]
        var overflowed = 0
        var ends: [Int: CheckedContinuation<Void, any Error>] = [:]
        var next = 0
        var requests: [[UInt8]] = []
        var opened = 0
        var hasPolicies = true
    }
    private let state = Mutex(State())
    private let logPath: String?
    private let queue: Int?

    /// With `logPath` each event is a line there as well. With `queue` a follower has as many messages waiting at most, and what finds no room
    /// is only counted, as Tetragon does it (with 10,000); without, whoever makes an event happen waits for the followers.
    package init(logPath: String? = nil, queue: Int? = nil) {
        self.logPath = logPath
        self.queue = queue
    }

    /// The service, for as many servers, one after the other, as a test wants.
    package var service: StandInService {
        StandInService(
            unary: [
                "tetragon.FineGuidanceSensors/GetVersion": { _ in Array("\u{0a}\u{06}v1.7.0".utf8) },
                // health_status { event: STATUS, status: RUNNING, details: "running" }
                "tetragon.FineGuidanceSensors/GetHealth": { _ in [0x0a, 0x04, 0x08, 0x01, 0x10, 0x01] },
                "tetragon.FineGuidanceSensors/ListTracingPolicies": { [self] _ in hasPolicies ? Self.policies : [] },
            ], streams: ["tetragon.FineGuidanceSensors/GetEvents": follow], ending: breakStreams)
    }

    /// Whether its policies are loaded yet.
    package var hasPolicies: Bool {
        get { state.withLock { $0.hasPolicies } }
        set { state.withLock { $0.hasPolicies = newValue } }
    }

    private static let policies: [UInt8] = {
        var writer = ProtoWriter()
        writer.message(1) { policy in
            policy.block(2, "no-shells".utf8)
            policy.block(3, "shop".utf8)
            policy.number(9, 1)
            policy.number(11, 1)
        }
        writer.message(1) { policy in
            policy.block(2, "broken".utf8)
            policy.block(8, "cannot attach".utf8)
            policy.number(9, 3)
        }
        return writer.bytes
    }()

    /// How many follow now, and how often somebody began to.
    package var followers: Int { state.withLock { $0.ends.count } }
    package var opened: Int { state.withLock { $0.opened } }
    package var requests: [[UInt8]] { state.withLock { $0.requests } }
    /// Events that a follower's queue had no room for.
    package var overflowed: Int { state.withLock { $0.overflowed } }
    /// Its page of counters.
    package var metrics: String {
        "process_start_time_seconds 1.79e+09\ntetragon_build_info{version=\"v1.7.0\"} 1\ntetragon_notify_overflowed_events_total \(overflowed)\n"
    }

    @Sendable private func follow(_ request: [UInt8], _ write: @escaping StandInService.Write) async throws {
        let id = state.withLock { state in
            state.next += 1
            state.opened += 1
            state.requests.append(request)
            state.writers[state.next] = write
            return state.next
        }
        let (waiting, more) = AsyncStream.makeStream(of: [UInt8].self, bufferingPolicy: .bufferingOldest(queue ?? 1))
        if queue != nil { state.withLock { $0.queues[id] = more } }
        let sending = Task { for await message in waiting { try await write(message) } }
        defer {
            sending.cancel()
            state.withLock { ($0.writers[id], $0.queues[id]) = (nil, nil) }
        }
        // Until it is broken: a server does not see by itself that its client has left.
        try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Void, any Error>) in
            state.withLock { $0.ends[id] = continuation }
        }
    }

    /// Breaks every stream, as a Tetragon that ends does.
    @Sendable package func breakStreams() {
        let ends = state.withLock { state in
            defer { state.ends = [:] }
            return state.ends.values
        }
        for end in ends { end.resume(throwing: StandInService.away) }
    }

    /// One event happens: whoever follows is told, and the log has it.
    package func happen(_ events: [SampleEvent]) async throws {
        if let logPath, let file = FileHandle(forWritingAtPath: logPath) {
            try file.seekToEnd()
            var lines = Data()
            for event in events {
                lines.append(contentsOf: event.line)
                lines.append(0x0a)
            }
            try file.write(contentsOf: lines)
            try file.close()
        }
        guard queue == nil else { return queueUp(events) }
        let writers = state.withLock { $0.writers.values.map(\.self) }
        for event in events { for write in writers { try? await write(event.message) } }
    }

    private func queueUp(_ events: [SampleEvent]) {
        state.withLock { state in
            for event in events {
                for queue in state.queues.values {
                    if case .dropped = queue.yield(event.message) { state.overflowed += 1 }
                }
            }
        }
    }
}

/// One event in both of Tetragon's forms.
package struct SampleEvent: Sendable {
    package var message: [UInt8]
    package var line: [UInt8]

    package init(message: [UInt8], line: [UInt8]) {
        self.message = message
        self.line = line
    }

    /// Real samples, one of every kind; the messages were encoded by another implementation of protobuf.
    package static func samples() throws -> [SampleEvent] {
        let lines = try Data(contentsOf: try fixture("ndjson")).split(separator: 0x0a).map(Array.init)
        return zip(try framed(try fixture("pb")), lines).map { SampleEvent(message: $0, line: $1) }
    }

    private struct NoFixture: Error {}
    private static func fixture(_ ending: String) throws -> URL {
        guard let url = Bundle.module.url(forResource: "tetragon-samples", withExtension: ending, subdirectory: "Fixtures") else {
            throw NoFixture()
        }
        return url
    }

    /// Messages that are each preceded by four bytes of length.
    package static func framed(_ file: URL) throws -> [[UInt8]] {
        var rest = Array(try Data(contentsOf: file))[...]
        var messages: [[UInt8]] = []
        while rest.count >= 4 {
            let length = rest.prefix(4).reduce(0) { $0 << 8 | Int($1) }
            messages.append(Array(rest.dropFirst(4).prefix(length)))
            rest = rest.dropFirst(4 + length)
        }
        return messages
    }

    /// Its message alone at another time, for a stand-in without a log.
    package func message(at nanoseconds: Int64) -> SampleEvent {
        var writer = ProtoWriter()
        writer.message(1001) {
            $0.number(1, UInt64(nanoseconds / 1_000_000_000))
            $0.number(2, UInt64(nanoseconds % 1_000_000_000))
        }
        // The last of several is the one that counts.
        return SampleEvent(message: message + writer.bytes, line: [])
    }

    /// The same at another time, which makes it another event.
    package func at(_ nanoseconds: Int64) -> SampleEvent {
        let time = EventTime(nanoseconds: nanoseconds)
        var text = String(decoding: line, as: UTF8.self)
        if let start = text.range(of: #""time":""#, options: .backwards),
            let end = text.range(of: "\"", range: start.upperBound..<text.endIndex)
        {
            text.replaceSubrange(start.upperBound..<end.lowerBound, with: "\(time)")
        }
        return SampleEvent(message: message(at: nanoseconds).message, line: Array(text.utf8))
    }
}
