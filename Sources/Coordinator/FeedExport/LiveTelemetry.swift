// SPDX-License-Identifier: Apache-2.0

import Synchronization
package import Telemetry

/// Events of hosts as they come, for those who look on. Nobody is waited for: what a follower has no room for is counted and told to it. Whoever
/// wants every event asks the store.
package final class LiveTelemetry: Sendable {
    /// Handed to one follower: some events, and how many there was no room for before them.
    package struct Portion: Sendable {
        package var events: [StoredEvent]
        package var left: UInt64
    }

    package struct TooMany: Error, CustomStringConvertible {
        package let limit: Int
        package var description: String { "\(limit) readers follow telemetry already; try again when one has left" }
    }

    private static let mostFollowers = 64
    /// Portions that wait for one follower, and events in one of them.
    private static let mostPortions = 32
    private static let portion = 256

    /// One who follows, until it cancels or nobody holds it any more. Read by one task at a time.
    package final class Follower: Sendable {
        private let portions: AsyncStream<Portion>
        private let end: @Sendable () -> Void

        fileprivate init(_ portions: AsyncStream<Portion>, end: @escaping @Sendable () -> Void) {
            self.portions = portions
            self.end = end
        }

        deinit { end() }

        /// The next portion, waiting for it; `nil` at the end.
        package func next() async -> Portion? {
            var iterator = portions.makeAsyncIterator()
            return await iterator.next()
        }
        package func cancel() { end() }
    }

    private struct Place {
        var query: TelemetryQuery
        var left: UInt64 = 0
        var portions: AsyncStream<Portion>.Continuation
    }

    private struct State {
        var followers: [UInt64: Place] = [:]
        var next: UInt64 = 0
    }

    private let state = Mutex(State())

    package init() {}

    /// Whether there is anybody to publish to.
    package var isFollowed: Bool { state.withLock { !$0.followers.isEmpty } }

    /// What those who follow want; unpacking what nobody does is a waste.
    package var queries: [TelemetryQuery] { state.withLock { $0.followers.values.map(\.query) } }

    /// Follows what fits `query` from now on, until it cancels or `close`.
    package func follow(_ query: TelemetryQuery) throws(TooMany) -> Follower {
        let (stream, continuation) = AsyncStream.makeStream(of: Portion.self, bufferingPolicy: .bufferingOldest(Self.mostPortions))
        let number: UInt64? = state.withLock { state in
            guard state.followers.count < Self.mostFollowers else { return nil }
            state.next += 1
            state.followers[state.next] = Place(query: query, portions: continuation)
            return state.next
        }
        guard let number else { throw TooMany(limit: Self.mostFollowers) }
        continuation.onTermination = { [weak self] _ in self?.remove(number) }
        return Follower(stream, end: { continuation.finish() })
    }

    /// Hands events on. Of each only the outline is ever shown, so they should come without their bodies: they wait here for slow readers.
    package func publish(_ events: [StoredEvent]) {
        state.withLock { state in
            for number in state.followers.keys {
                guard var follower = state.followers[number] else { continue }
                let wanted = events.filter(follower.query.wants)
                for start in stride(from: 0, to: wanted.count, by: Self.portion) {
                    let some = Array(wanted[start..<min(start + Self.portion, wanted.count)])
                    switch follower.portions.yield(Portion(events: some, left: follower.left)) {
                    case .enqueued: follower.left = 0
                    case .dropped: follower.left += UInt64(some.count)
                    default: break
                    }
                }
                state.followers[number] = follower
            }
        }
    }

    /// Lets followers see that the line is alive, and tells them of what they missed.
    package func beat() {
        state.withLock { state in
            for (number, follower) in state.followers {
                if case .enqueued = follower.portions.yield(Portion(events: [], left: follower.left)) { state.followers[number]?.left = 0 }
            }
        }
    }

    /// Ends all followers, for a graceful stop.
    package func close() {
        let all = state.withLock { state in
            defer { state.followers = [:] }
            return state.followers.values.map(\.portions)
        }
        for portions in all { portions.finish() }
    }

    private func remove(_ number: UInt64) { state.withLock { _ = $0.followers.removeValue(forKey: number) } }

    /// The beginning of a stream of server-sent events: comments keep the line open and start the reader.
    package static let preamble = ": telemetry\nretry: 2000\n\n"

    /// A portion as server-sent events: outlines, and before them what there was no room for.
    package static func write(_ portion: Portion) -> String {
        guard !portion.events.isEmpty || portion.left > 0 else { return ": beat\n\n" }
        let gap = portion.left > 0 ? "event: left\ndata: {\"events\":\(portion.left)}\n\n" : ""
        return gap + portion.events.map { "event: telemetry\ndata: \(TelemetryLine.outline($0))\n" }.joined()
    }
}
