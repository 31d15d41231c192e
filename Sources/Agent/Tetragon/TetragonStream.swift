// SPDX-License-Identifier: Apache-2.0

package import GRPCStream
internal import Glibc
internal import MeshSystem
package import Telemetry

/// Tetragon's events over gRPC, as a source of the feed. The stream has no memory: after a break it begins with what comes then, so each
/// break is told, and the log fills it where there is one.
package final class TetragonStream: Sendable {
    package typealias Log = @Sendable (_ event: String, _ details: [String: String]) -> Void

    /// Where Tetragon is, and what is asked of it.
    package struct Configuration: Sendable {
        /// Asked before each try, as Tetragon may have moved; `nil` while there is no Tetragon.
        package var address: @Sendable () -> GRPCAddress?
        package var trust: GRPCTrust?
        /// Paths of fields that Tetragon leaves out, such as `parent.pod`.
        package var leftOut: [String] = []
        /// The longest wait between two tries.
        package var patience = Duration.seconds(5)
        /// When health and policies are asked for a second time: Tetragon answers before it has loaded its policies.
        package var lookSoon = Duration.seconds(5)
        package init(address: @escaping @Sendable () -> GRPCAddress?, trust: GRPCTrust? = nil) {
            self.address = address
            self.trust = trust
        }
    }

    /// Health and policies are asked for this often; a Tetragon that does not answer then is dialled anew.
    private static let lookAgain = Duration.seconds(30)

    private let configuration: Configuration
    private let dialer: GRPCDialer
    private let ways: TetragonWays
    private let intake: any TelemetryIntake
    private let hasRoom: @Sendable () -> Bool
    private let log: Log

    /// `hasRoom` is asked with each event: without room the stream is left where the log has what follows, and read on where it has not, so
    /// that what finds no room is at least counted.
    package init(
        _ configuration: Configuration, dialer: GRPCDialer, ways: TetragonWays, intake: any TelemetryIntake,
        hasRoom: @escaping @Sendable () -> Bool, log: @escaping Log = { _, _ in }
    ) {
        self.configuration = configuration
        self.dialer = dialer
        self.ways = ways
        self.intake = intake
        self.hasRoom = hasRoom
        self.log = log
    }

    /// Until cancelled.
    package func run() async {
        var backoff = Backoff(base: min(.milliseconds(200), configuration.patience), cap: configuration.patience)
        var generator = SystemRandomNumberGenerator()
        var told: String?
        while !Task.isCancelled {
            guard ways.mayStream, let address = configuration.address() else {
                try? await Task.sleep(for: .milliseconds(200))
                continue
            }
            ways.note { $0.address = "\(address)" }
            let before = ways.status
            do {
                try await stream(from: address)
                told = nil
                broke("the agent takes too little; the log keeps what follows")
            } catch {
                if Task.isCancelled { break }
                let why = "\(error)"
                broke(why)
                if told != why { log("tetragon's stream away", ["address": "\(address)", "why": why]) }
                told = why
            }
            // One that lasted was a real one.
            if ways.status.fromStream != before.fromStream { backoff.reset() }
            try? await Task.sleep(for: backoff.next(using: &generator))
        }
        ways.note { $0.isStreaming = false }
    }

    private func stream(from address: GRPCAddress) async throws {
        try await dialer.withChannel(to: address, trust: configuration.trust) { channel in
            try await look(channel)
            try await withThrowingTaskGroup { group in
                group.addTask { [self] in
                    let request = TetragonCalls.eventsRequest(leftOut: configuration.leftOut)
                    try await channel.follow(TetragonCalls.events, request, began: began, take: take)
                    // An end without an error is one all the same, unless it is ours.
                    guard !ways.mayStream else { throw TetragonEnded() }
                }
                group.addTask { [self] in
                    try await Task.sleep(for: configuration.lookSoon)
                    try await look(channel)
                    while true {
                        try await Task.sleep(for: Self.lookAgain)
                        try await look(channel)
                    }
                }
                defer { group.cancelAll() }
                try await group.next()
            }
        }
    }

    /// Asks what Tetragon is and does, and tells it, the same again as well: that it is still so is news.
    private func look(_ channel: GRPCChannel) async throws {
        let version = try await TetragonCalls.version(channel)
        let health = try await TetragonCalls.health(channel)
        // Listing takes a right of its own where Tetragon asks who is there; events flow without it.
        let policies = try? await TetragonCalls.policies(channel)
        ways.note { ($0.version, $0.health, $0.policies) = (version, health, policies ?? []) }
        let body = EventBody(.json, TetragonState.json(version: version, health: health, policies: policies))
        intake.offer(
            TelemetryEvent(
                time: Self.now(), kind: .tetragonState, attributes: EventAttributes(reason: version, verdict: health), body: body),
            from: .tetragon)
    }

    @Sendable private func began() {
        ways.note {
            $0.isStreaming = true
            $0.problem = nil
        }
        log("reads tetragon's stream", [:])
    }

    /// One message; false when the stream is to be left.
    @Sendable private func take(_ message: [UInt8]) -> Bool {
        guard let read = TetragonMessage(message) else {
            intake.lost(1, .malformed, from: .tetragon)
            return true
        }
        if let leftOut = read.leftOut {
            intake.lost(SourceLimits.believable(leftOut), .rateLimited, from: .tetragon)
        } else if ways.insert(read.key, from: .stream) {
            intake.offer(
                TelemetryEvent(
                    time: read.time ?? Self.now(), kind: read.kind, attributes: read.attributes, body: EventBody(.tetragonMessage, message)),
                from: .tetragon)
        }
        guard !hasRoom(), ways.canRefill else { return true }
        ways.permitStream(false)
        return false
    }

    /// Tells a break of a stream that was there.
    private func broke(_ why: String) {
        let wasStreaming = ways.isStreaming
        ways.note {
            $0.isStreaming = false
            $0.problem = why
            if wasStreaming { $0.breaks += 1 }
        }
        guard wasStreaming else { return }
        let fill = ways.canRefill ? "the log fills the gap, as far as its lists let events through" : "nothing fills the gap"
        intake.offer(
            TelemetryEvent(
                time: Self.now(), kind: .sourceLimited, attributes: EventAttributes(reason: "stream", verdict: "\(fill): \(why)")),
            from: .tetragon)
    }

    private static func now() -> EventTime {
        var wall = timespec()
        clock_gettime(CLOCK_REALTIME, &wall)
        return EventTime(nanoseconds: Int64(wall.tv_sec) * 1_000_000_000 + Int64(wall.tv_nsec))
    }
}

/// Tetragon ended the stream.
private struct TetragonEnded: Error, CustomStringConvertible {
    var description: String { "tetragon ended the stream" }
}

extension TetragonMessage {
    var key: EventKey { EventKey(time: time, kind: kind, execID: execID, reason: attributes.reason) }
}

extension TetragonLine {
    var key: EventKey { EventKey(time: time, kind: kind, execID: execID, reason: attributes.reason) }
}
