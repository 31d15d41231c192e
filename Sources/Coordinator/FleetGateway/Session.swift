// SPDX-License-Identifier: Apache-2.0

import MeshModel
import MeshWire
import NIOCore
import Synchronization
import Telemetry

/// One connection of an agent as the rest of the gateway sees it. The handler on the event loop feeds it; everyone may ask it.
final class Session: Sendable {
    /// What waits for the inbox, in order.
    enum Item: Sendable {
        case opened
        case report(TaskReport, receivedAt: Moment, size: Int)
        case alarm(FleetAlarm)
        case batch(ordinal: UInt64, Result<TelemetryBatch, TelemetryFault>, receivedAt: Moment, size: Int)
        case statement(number: UInt64, SpoolStatement, receivedAt: Moment, size: Int)
        case closed(SessionEnd)
    }

    private struct State {
        var status: SessionStatus?
        var live = false
        var closed = false
        var isFeed = false
        var feedFailed = false
        var items: [Item] = []
        var draining = false
        var waitingReports = 0
        var waitingBytes = 0
        var readingPaused = false
        var queuedTasks = 0
        var queuedBytes = 0
    }

    /// Bytes that may wait for a peer that does not read, before it is cut.
    static let mostUnreadBytes = 4 << 20

    let number: UInt64
    let channel: any Channel
    /// The peer's address without port, for caps.
    let address: String
    private let limits: FleetGatewayConfiguration.Limits
    private let state = Mutex(State())
    private let heardAt: Atomic<UInt64>

    init(number: UInt64, channel: any Channel, limits: FleetGatewayConfiguration.Limits) {
        self.number = number
        self.channel = channel
        self.limits = limits
        address = channel.remoteAddress?.ipAddress ?? "-"
        heardAt = Atomic(NIODeadline.now().uptimeNanoseconds)
    }

    var from: String { channel.remoteAddress.map { "\($0.ipAddress ?? "-") port \($0.port ?? 0)" } ?? "-" }

    // MARK: life

    func heard() { heardAt.store(NIODeadline.now().uptimeNanoseconds, ordering: .relaxed) }

    var silence: Duration {
        let (now, then) = (NIODeadline.now().uptimeNanoseconds, heardAt.load(ordering: .relaxed))
        return .nanoseconds(now > then ? Int64(clamping: now - then) : 0)
    }

    /// Who this is, once Hello was read.
    func introduce(_ status: SessionStatus) { state.withLock { $0.status = status } }

    /// False when the connection ended meanwhile. From now on tasks are taken and reports reach the inbox.
    func goLive() -> Bool {
        state.withLock { state in
            guard !state.closed else { return false }
            state.live = true
            return true
        }
    }

    /// True once this is known to be a feed and no session for orders.
    var isFeed: Bool { state.withLock { $0.isFeed } }
    /// True once a batch could not be stored: what came behind it must not be, or the numbers between would pass for missing.
    var feedFailed: Bool { state.withLock { $0.feedFailed } }
    func failFeed() { state.withLock { $0.feedFailed = true } }
    func becomeFeed() { state.withLock { $0.isFeed = true } }

    var isLive: Bool { state.withLock { $0.live } }
    /// True while the gateway itself does not read, so that silence says nothing about the agent.
    var isReadingPaused: Bool { state.withLock { $0.readingPaused } }
    var isClosed: Bool { state.withLock { $0.closed } }

    /// The last word; true for the one who said it first, with whether the session had been live.
    func finish() -> (first: Bool, wasLive: Bool) {
        state.withLock { state in
            defer { (state.closed, state.live) = (true, false) }
            return (!state.closed, state.live)
        }
    }

    func count(dropped: UInt64) { state.withLock { $0.status?.droppedReports = dropped } }

    /// The status as of now; `nil` before Hello.
    var status: SessionStatus? {
        let silence = silence
        return state.withLock { state in
            guard var status = state.status else { return nil }
            status.queuedBytes = state.queuedBytes
            status.waitingReports = state.waitingReports
            status.silence = silence
            return status
        }
    }

    // MARK: outwards

    func dispatch(_ frame: [UInt8]) -> DispatchOutcome {
        let outcome = state.withLock { state -> DispatchOutcome in
            guard state.live else { return .notConnected }
            guard state.queuedTasks < limits.queuedTasks, state.queuedBytes + frame.count <= limits.queuedTaskBytes else {
                return .queueFull
            }
            state.queuedTasks += 1
            state.queuedBytes += frame.count
            return .sent
        }
        if outcome == .sent { write(frame, isTask: true) }
        return outcome
    }

    /// Acknowledgements and answers. A peer that sends and never reads is cut, as these would pile up without end.
    func send(_ frame: CoordinatorFrame) { send(frame.framed) }
    func send(_ frame: CoordinatorFeedFrame) { send(frame.framed) }

    private func send(_ bytes: [UInt8]) {
        let tooMuch = state.withLock { state in
            state.queuedBytes += bytes.count
            return state.queuedBytes > Self.mostUnreadBytes
        }
        write(bytes, isTask: false)
        if tooMuch { command(.close(.misbehaved("the agent does not read what it is sent"), nil)) }
    }

    private func write(_ bytes: [UInt8], isTask: Bool) {
        channel.writeAndFlush(ByteBuffer(bytes: bytes)).whenComplete { _ in
            self.state.withLock { state in
                state.queuedBytes -= bytes.count
                if isTask { state.queuedTasks -= 1 }
            }
        }
    }

    func command(_ command: SessionCommand) { channel.triggerUserOutboundEvent(command, promise: nil) }

    // MARK: inwards

    /// True when the caller must have `drain` started: nobody is at it.
    func push(_ item: Item) -> (startDrain: Bool, pauseReading: Bool) {
        state.withLock { state in
            switch item {
            case .report(_, _, let size), .batch(_, _, _, let size), .statement(_, _, _, let size):
                state.waitingReports += 1
                state.waitingBytes += size
            case .opened, .alarm, .closed: break
            }
            state.items.append(item)
            let full = state.waitingReports >= limits.waitingReports || state.waitingBytes >= limits.waitingReportBytes
            if full { state.readingPaused = true }
            defer { state.draining = true }
            return (!state.draining, full)
        }
    }

    /// Hands everything that waits to the inbox, in order, one at a time; ends when nothing waits.
    func drain(into inbox: any FleetInbox, telemetry: (any TelemetryInbox)?) async {
        while true {
            let batch = state.withLock { state -> [Item] in
                defer { state.items = [] }
                if state.items.isEmpty { state.draining = false }
                return state.items
            }
            if batch.isEmpty { return }
            for item in batch { await deliver(item, to: inbox) }
            if let telemetry { await deliverFeed(batch[...], to: telemetry) }
        }
    }

    private func deliver(_ item: Item, to inbox: any FleetInbox) async {
        switch item {
        case .opened: if let status { await inbox.sessionOpened(status) }
        case .alarm(let alarm): await inbox.alarm(alarm)
        case .batch, .statement: break  // `deliverFeed` has them.
        case .closed(let why): if !isFeed, let status { await inbox.sessionClosed(status, why: why) }
        case .report(let report, let receivedAt, let size):
            do {
                let head = try await inbox.reported(report, receivedAt: receivedAt)
                send(.acknowledged(Acknowledged(sequence: report.sequence, head: head)))
            } catch {
                let words = "the coordinator could not record a report; it will be asked for again"
                command(.close(.inboxFailed("\(error)"), Rejected(code: "notRecorded", words: words)))
            }
            settled(size, reports: 1)
        }
    }

    func settled(_ size: Int, reports: Int) {
        let resume = state.withLock { state in
            state.waitingReports -= reports
            state.waitingBytes -= size
            guard state.readingPaused, state.waitingReports <= limits.waitingReports / 2,
                state.waitingBytes <= limits.waitingReportBytes / 2
            else { return false }
            state.readingPaused = false
            return true
        }
        if resume { command(.resumeReading) }
    }
}

/// What others tell the handler of a connection, on whatever thread they are.
enum SessionCommand: Sendable {
    case resumeReading
    /// Hello is accepted.
    case welcome
    case close(SessionEnd, Rejected?)
    /// Ask the agent for a sign of life; the promise says whether it came in time.
    case proveLife(EventLoopPromise<Bool>)
}
