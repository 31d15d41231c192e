// SPDX-License-Identifier: Apache-2.0

package import GRPCStream
internal import Glibc
internal import MeshSystem
internal import Synchronization
package import Telemetry

/// Hubble's flows over gRPC, from a node's own observer or from Relay, as a source of the feed. The observer has a ring of some thousand
/// flows, so after a break the stream goes on at the last flow that came.
package final class HubbleStream: Sendable {
    package typealias Log = @Sendable (_ event: String, _ details: [String: String]) -> Void

    /// The observer's socket on a node.
    package static let usualSocket = "/var/run/cilium/hubble.sock"

    /// Where Hubble is, and which flows are wanted.
    package struct Configuration: Sendable {
        /// Asked before each try; `nil` while there is no Hubble.
        package var address: @Sendable () -> GRPCAddress?
        package var trust: GRPCTrust?
        /// Verdicts of flows that are told one by one; all flows between clusters are summed up besides. Empty for all.
        package var verdicts: Set<UInt64> = []
        /// How often the sums are told.
        package var sumUp = Duration.seconds(10)
        /// The longest wait between two tries.
        package var patience = Duration.seconds(5)
        package init(address: @escaping @Sendable () -> GRPCAddress?, trust: GRPCTrust? = nil) {
            self.address = address
            self.trust = trust
        }
    }

    /// What is known of Hubble, for `tracer status`.
    package struct Status: Hashable, Sendable {
        package var address: String?
        package var isStreaming = false
        package var version = ""
        /// Flows that were told, and flows that were only counted.
        package var told: UInt64 = 0
        package var counted: UInt64 = 0
        package var lost: UInt64 = 0
        package var breaks: UInt64 = 0
        package var problem: String?
    }

    private struct State {
        var status = Status()
        var newest: EventTime?
        var recent = RecentKeys(most: 16_384)
        /// After a break: no flow came yet, so nobody knows whether the ring still has what we missed.
        var isResuming = false
        var pairs = ClusterFlows()
        /// Since when no flow was missed, as far as we know.
        var followedSince: EventTime?
        /// Flows that came by the time of the last state that was told.
        var flowsTold: UInt64 = 0
        /// The problem that was told last.
        var problemTold: String?
    }

    private let configuration: Configuration
    private let dialer: GRPCDialer
    private let intake: any TelemetryIntake
    private let hasRoom: @Sendable () -> Bool
    private let log: Log
    private let state = Mutex(State())

    /// Without room nothing is read on: Hubble's ring keeps the newest flows and tells how many it lost.
    package init(
        _ configuration: Configuration, dialer: GRPCDialer, intake: any TelemetryIntake, hasRoom: @escaping @Sendable () -> Bool,
        log: @escaping Log = { _, _ in }
    ) {
        self.configuration = configuration
        self.dialer = dialer
        self.intake = intake
        self.hasRoom = hasRoom
        self.log = log
    }

    package var status: Status { state.withLock { $0.status } }

    /// Until cancelled.
    package func run() async {
        var backoff = Backoff(base: min(.milliseconds(200), configuration.patience), cap: configuration.patience)
        var generator = SystemRandomNumberGenerator()
        var told: String?
        while !Task.isCancelled {
            guard let address = configuration.address() else {
                tell(problem: "there is no Hubble here")
                try? await Task.sleep(for: .seconds(1))
                continue
            }
            let before = status
            state.withLock { $0.status.address = "\(address)" }
            do {
                try await stream(from: address)
            } catch {
                if Task.isCancelled { break }
                let why = "\(error)"
                if broke(why) || told != why { log("hubble's stream away", ["address": "\(address)", "why": why]) }
                told = why
            }
            let after = status
            if (after.told, after.counted) != (before.told, before.counted) { backoff.reset() }
            try? await Task.sleep(for: backoff.next(using: &generator))
        }
        sumUp()
        _ = broke(nil)
    }

    private func stream(from address: GRPCAddress) async throws {
        try await dialer.withChannel(to: address, trust: configuration.trust) { channel in
            // Also a look whether this is Hubble.
            let answer = HubbleServerStatus(try await channel.call(HubbleCalls.status))
            state.withLock { $0.status.version = answer.version }
            try await withThrowingTaskGroup { group in
                group.addTask { [self] in
                    let (request, isBlind) = state.withLock { state in
                        state.isResuming = state.newest != nil
                        // A clock that was set back, here or on the node: a time that is to come would have Hubble say nothing until then.
                        let since = state.newest.map { min($0, Self.now()) }
                        return (HubbleCalls.flowsRequest(since: since), since == nil && state.status.breaks > 0)
                    }
                    // No flow came before the break, so there is none to go on from.
                    if isBlind { gap() }
                    try await channel.follow(HubbleCalls.flows, request, began: { [self] in began(answer) }, take: take)
                    throw HubbleEnded()
                }
                group.addTask { [self] in
                    while true {
                        try await Task.sleep(for: configuration.sumUp)
                        let moment = sumUp()
                        // A peer that is gone without a word is noticed here.
                        let answer = HubbleServerStatus(try await channel.call(HubbleCalls.status))
                        // Without room there may be flows that were not read yet: then nobody knows how things stand at this moment.
                        if hasRoom() { tell(answer, at: moment) }
                    }
                }
                defer { group.cancelAll() }
                try await group.next()
            }
        }
    }

    private func began(_ answer: HubbleServerStatus) {
        let moment = Self.now()
        state.withLock { state in
            (state.status.isStreaming, state.status.problem) = (true, nil)
            state.followedSince = state.followedSince ?? moment
        }
        log("reads hubble's flows", [:])
        tell(answer, at: moment)
    }

    /// One message; true always, as there is always more wanted.
    @Sendable private func take(_ message: [UInt8]) async throws -> Bool {
        while !hasRoom() { try await Task.sleep(for: .milliseconds(20)) }
        switch FlowMessage(message) {
        case .flow(let flow): take(flow, message)
        case .lost(let count, _):
            guard isNew(message) else { break }
            let lost = SourceLimits.believable(count)
            state.withLock { $0.status.lost &+= lost }
            intake.lost(lost, .reportedBySource, from: .hubble)
        case .nodes(let state, let names, let message): tell(nodes: names, state, message)
        case .other: break
        case nil: intake.lost(1, .malformed, from: .hubble)
        }
        return true
    }

    private func take(_ flow: FlowMessage.Flow, _ message: [UInt8]) {
        let key = Self.key(message)
        let (isNew, isGap, isWanted) = state.withLock { state in
            let isNew = state.recent.insert(key)
            // The first flow of a stream that was taken up again must be one that came before, or the ring has gone past it.
            let isGap = state.isResuming && isNew
            state.isResuming = false
            guard isNew else { return (false, false, false) }
            if let time = flow.time { state.newest = max(state.newest ?? time, time) }
            state.pairs.count(flow)
            let isWanted = configuration.verdicts.isEmpty || configuration.verdicts.contains(flow.verdict)
            if isWanted { state.status.told &+= 1 } else { state.status.counted &+= 1 }
            return (true, isGap, isWanted)
        }
        if isGap { gap() }
        guard isNew, isWanted else { return }
        intake.offer(
            TelemetryEvent(
                time: flow.time ?? Self.now(), kind: .flow, attributes: flow.attributes, body: EventBody(.flowMessage, flow.body)),
            from: .hubble)
    }

    /// After a break the ring's last second is read again, with the losses in it. Two losses differ in their time; without one they count each.
    private func isNew(_ message: [UInt8]) -> Bool {
        state.withLock { $0.recent.insert(Self.key(message)) } || ProtoFields(message).value(1001) == nil
    }

    private static func key(_ message: [UInt8]) -> Int {
        var hasher = Hasher()
        message.withUnsafeBytes { hasher.combine(bytes: $0) }
        return hasher.finalize()
    }

    private func tell(nodes: [String], _ state: String, _ message: String) {
        guard let kind = EventKind("hubble_nodes") else { return }
        var line = JSONLine()
        line.put("state", state)
        line.put("nodes", nodes)
        line.put("message", message)
        intake.offer(
            TelemetryEvent(
                time: Self.now(), kind: kind, attributes: EventAttributes(reason: message, verdict: state),
                body: EventBody(.json, line.closed)), from: .hubble)
    }

    /// Tells the sums of all flows up to the returned instant.
    @discardableResult private func sumUp() -> EventTime {
        let moment = Self.now()
        let sums = state.withLock { $0.pairs.sums(at: moment) }
        if !sums.isEmpty { intake.offer(sums, from: .hubble) }
        return moment
    }

    private func gap() {
        state.withLock { $0.followedSince = Self.now() }
        limited("gap", "hubble's ring no longer has the flows after the break; nobody knows how many there were")
    }

    /// Says that flows are followed. A stream that was taken up again and brings nothing has not shown yet that it goes on without a gap.
    private func tell(_ answer: HubbleServerStatus, at moment: EventTime) {
        let word = state.withLock { state in
            let flows = state.status.told &+ state.status.counted
            defer { (state.flowsTold, state.problemTold) = (flows, nil) }
            return HubbleState(
                time: moment, version: answer.version, followedSince: state.isResuming ? moment : state.followedSince ?? moment,
                flows: flows &- state.flowsTold, unavailableNodes: answer.unavailableNodes)
        }
        intake.offer(word.event, from: .hubble)
    }

    /// Says once that flows are not followed, and why.
    private func tell(problem: String) {
        let isNews = state.withLock { state in
            defer { state.problemTold = problem }
            return state.problemTold != problem
        }
        if isNews { intake.offer(HubbleState(time: Self.now(), problem: problem).event, from: .hubble) }
    }

    /// Notes a break; true when there was a stream.
    private func broke(_ why: String?) -> Bool {
        let was = state.withLock { state in
            defer { (state.status.isStreaming, state.status.problem) = (false, why) }
            if state.status.isStreaming { state.status.breaks += 1 }
            return state.status.isStreaming
        }
        if was, let why { limited("stream", why) }
        if let why { tell(problem: why) }
        return was
    }

    private func limited(_ what: String, _ why: String) {
        intake.offer(
            TelemetryEvent(time: Self.now(), kind: .sourceLimited, attributes: EventAttributes(reason: what, verdict: why)), from: .hubble)
    }

    private static func now() -> EventTime {
        var wall = timespec()
        clock_gettime(CLOCK_REALTIME, &wall)
        return EventTime(nanoseconds: Int64(wall.tv_sec) * 1_000_000_000 + Int64(wall.tv_nsec))
    }
}

/// Hubble ended the stream.
private struct HubbleEnded: Error, CustomStringConvertible {
    var description: String { "hubble ended the stream" }
}

/// The calls of observer.Observer that are made.
enum HubbleCalls {
    static let status = "observer.Observer/ServerStatus"
    static let flows = "observer.Observer/GetFlows"
    /// Flows of several processors come a little out of order.
    private static let overlap: Int64 = 1_000_000_000

    /// GetFlowsRequest for all that comes, from a little before `since` on where that is known.
    static func flowsRequest(since: EventTime?) -> [UInt8] {
        var writer = ProtoWriter()
        writer.number(3, 1)
        if let since { writer.timestamp(7, EventTime(nanoseconds: max(0, since.nanoseconds &- overlap))) }
        return writer.bytes
    }
}
