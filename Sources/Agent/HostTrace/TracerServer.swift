// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import LocalLink
internal import MeshModel
internal import MeshSystem
internal import Synchronization
internal import Telemetry

/// The tracer process: programs in the kernel on one side, the agent's network process on the other, who gets parcels and says that it has
/// them. The tracer has no key, no network and no state; what waits for an agent that is away is bounded.
package final class TracerServer: Sendable {
    package typealias Log = TracerLoop.Log

    /// Where it listens, and to whom.
    package struct Configuration: Sendable {
        package var socketPath: String
        /// Whose members may open the socket, besides our own user.
        package var socketGroup: UInt32?
        package var allowedUsers: Set<UInt32>
        package var topics: Set<TraceTopic>
        package var scope: TraceScope
        package var ringBytes = HostTracer.ringBytes
        package var version: String
        package init(
            socketPath: String, socketGroup: UInt32?, allowedUsers: Set<UInt32>, topics: Set<TraceTopic>, scope: TraceScope = .host,
            version: String
        ) {
            self.socketPath = socketPath
            self.socketGroup = socketGroup
            self.allowedUsers = allowedUsers
            self.topics = topics
            self.scope = scope
            self.version = version
        }
    }

    static let role = "tracer"
    private static let patience = Duration.seconds(10)
    /// A parcel without anything in it comes this often, so that both sides notice when the other is gone.
    private static let heartbeat = Duration.seconds(5)
    /// What little waits is handed over this often, as each parcel wakes both sides several times; `much` at once.
    private static let pace = Duration.milliseconds(120)
    private static let much = 64 << 10
    /// How long an agent may take what is left when the tracer stops.
    private static let farewell = Duration.seconds(3)

    private let server: LocalServer<TracerResponse>
    /// What waits for the agent; other sources of this process put theirs here, too.
    package let queue = RelayQueue()
    private let loop: TracerLoop
    private let isFollowed = Mutex(false)
    /// The loop has put its last event into the queue.
    private let isTraced = StopSignal()
    private let log: Log

    /// Opens the socket. Nothing is traced before `run`.
    package init(_ configuration: Configuration, log: @escaping Log = { _, _ in }) throws {
        self.log = log
        loop = TracerLoop(
            topics: configuration.topics, scope: configuration.scope, ringBytes: configuration.ringBytes, queue: queue,
            version: configuration.version, log: log)
        server = try LocalServer(
            .init(
                role: Self.role, path: configuration.socketPath, group: configuration.socketGroup,
                allowedUsers: configuration.allowedUsers, mostConnections: 8),
            whenBusy: .failed("the tracer is busy; ask again later"), log: log)
    }

    /// Traces and serves until `stop` or cancellation. `sources` tells of others that put events into the queue.
    package func run(sources: @escaping @Sendable () -> [SourceStatus] = { [] }) async throws {
        let stop = server.stopSignal
        async let traced: Void = OwnThread.run(named: "tracer-ring") { [self] in
            loop.run(until: stop)
            isTraced.set()
        }
        try await server.run { [self] in serve($0, sources) }
        try await traced
    }

    /// Ends `run`.
    package func stop() { server.stop() }

    private func serve(_ socket: LocalSocket, _ sources: () -> [SourceStatus]) {
        do {
            switch try socket.receive(TracerRequest.self, patience: Self.patience) {
            case .follow: try handOver(to: socket)
            case .status:
                var status = loop.status
                status.waiting = queue.waiting
                status.isFollowed = isFollowed.withLock { $0 }
                status.sources = sources()
                try socket.send(TracerResponse.status(status))
            case .took, nil: return
            }
        } catch {
            log("connection ended", ["why": "\(error)"])
        }
    }

    /// Parcels, each until it is taken, to one follower at a time.
    private func handOver(to socket: LocalSocket) throws {
        let first = isFollowed.withLock { followed in
            defer { followed = true }
            return !followed
        }
        guard first else { return try socket.send(TracerResponse.failed("another process has the events already")) }
        defer { isFollowed.withLock { $0 = false } }
        log("agent follows", [:])
        var (said, emptied) = (ContinuousClock.now, ContinuousClock.now)
        var end: ContinuousClock.Instant?
        var isDue = true
        while true {
            // What was seen before the end is handed over, too, to an agent that takes it.
            if server.stopSignal.isSet {
                let last = end ?? .now + Self.farewell
                end = last
                if (isTraced.isSet && queue.isEmpty) || ContinuousClock.now >= last { return }
            }
            if !isDue { isDue = end != nil || queue.waiting >= Self.much || ContinuousClock.now - emptied >= Self.pace }
            if isDue, let parcel = queue.next() {
                try hand(
                    TracerParcel(
                        number: parcel.number, source: parcel.source.rawValue, events: parcel.events.count,
                        lost: Dictionary(uniqueKeysWithValues: parcel.lost.map { ($0.key.rawValue, $0.value) })),
                    parcel.events.bytes, over: socket)
                queue.took(parcel.number)
                said = .now
                continue
            }
            if isDue { (isDue, emptied) = (false, .now) }
            if ContinuousClock.now - said >= Self.heartbeat {
                try hand(TracerParcel(number: 0, source: "tracer", events: 0, lost: [:]), [], over: socket)
                said = .now
            } else {
                poll(nil, 0, Int32(HostTracer.interval.inMilliseconds))
            }
        }
    }

    private func hand(_ head: TracerParcel, _ events: [UInt8], over socket: LocalSocket) throws {
        try socket.send(TracerResponse.parcel(head))
        if head.events > 0 { try socket.send(bytes: events) }
        guard case .took(head.number) = try socket.receive(TracerRequest.self, patience: Self.patience) else {
            throw LocalLinkError.unexpectedAnswer(role: Self.role, "a parcel was not taken")
        }
    }
}
