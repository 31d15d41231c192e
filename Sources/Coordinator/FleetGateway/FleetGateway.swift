// SPDX-License-Identifier: Apache-2.0

package import Logging
package import MeshModel
import MeshWire
import NIOCore
import NIOPosix
import Synchronization

/// Where agents dial in: accepts their connections, proves who they are, hands out tasks, takes reports and acknowledges what is durable.
///
/// One per process. `run` serves until it is cancelled; everything else may be called from anywhere at any time.
package final class FleetGateway: Sendable {
    /// Where the gateway really listens.
    package struct BoundAddress: Hashable, Sendable, CustomStringConvertible {
        package let host: String
        package let port: Int
        package var description: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }
    }

    let configuration: FleetGatewayConfiguration
    let inbox: any FleetInbox
    let enroller: any Enroller
    let telemetry: (any TelemetryInbox)?
    let log: Logger
    let roster: FleetRoster
    private let tls: ServerTLS
    private let work: AsyncStream<SessionWork>
    private let begin: AsyncStream<SessionWork>.Continuation
    private let bound: Bound

    /// Without `telemetry` no feed is spoken.
    package init(
        configuration: FleetGatewayConfiguration, inbox: any FleetInbox, enroller: any Enroller, telemetry: (any TelemetryInbox)? = nil,
        log: Logger
    ) {
        self.configuration = configuration
        self.inbox = inbox
        self.enroller = enroller
        self.telemetry = telemetry
        self.log = log
        roster = FleetRoster(limits: configuration.limits)
        tls = ServerTLS(provider: configuration.identity, gate: configuration.gate, speaksFeed: telemetry != nil)
        // Unbounded, yet bounded in effect: a session has at most one drain and one greeting here, and the connections are capped.
        (work, begin) = AsyncStream.makeStream(of: SessionWork.self)
        bound = Bound()
    }

    // MARK: for everyone

    /// Hands a task to the node's session. `.sent` promises nothing about the node; the report does.
    package func dispatch(_ task: NodeTask) async -> DispatchOutcome {
        guard let session = roster.session(of: task.node) else { return .notConnected }
        return session.dispatch(CoordinatorFrame.task(task.leaving(at: configuration.now().wall)).framed)
    }

    /// The live sessions, by node.
    package func sessions() async -> [SessionStatus] { roster.live.filter(\.isLive).compactMap(\.status).sorted { $0.node < $1.node } }

    /// Closes the node's session with a reason that the agent is told. False when there is none. The agent may come back at once, unless the
    /// gate refuses it by then.
    @discardableResult
    package func disconnect(_ node: NodeID, why: String) async -> Bool {
        guard let session = roster.session(of: node) else { return false }
        session.command(.close(.disconnected(why), Rejected(code: "disconnected", words: why)))
        return true
    }

    /// Waits until the gateway listens.
    package func boundAddress() async throws -> BoundAddress { try await bound.value() }

    /// Connections that a cap refused so far.
    package var refusedConnections: UInt64 { roster.refused }

    // MARK: service

    /// Listens and serves until cancelled; then says goodbye to every agent, lets the inbox finish what it has, and returns.
    package func run() async throws {
        _ = try tls.context()
        let own = configuration.limits.threads > 0 ? MultiThreadedEventLoopGroup(numberOfThreads: configuration.limits.threads) : nil
        let listener: any Channel
        do {
            listener = try await listen(on: own ?? MultiThreadedEventLoopGroup.singleton)
        } catch {
            bound.settle(nil)
            try await own?.shutdownGracefully()
            throw GatewayError.cannotListen(host: configuration.host, port: configuration.port, cause: error)
        }
        let address = BoundAddress(host: listener.localAddress?.ipAddress ?? configuration.host, port: listener.localAddress?.port ?? 0)
        bound.settle(address)
        log.info("listening for agents", metadata: ["address": "\(address)"])
        // Ends when `begin` is finished below; not a child, as the last reports are recorded after the cancellation that ends `watch`.
        let worker = Task { await self.workOff() }
        await watch()
        listener.close(promise: nil)
        await sayGoodbye()
        begin.finish()
        await worker.value
        bound.settle(nil)
        try await own?.shutdownGracefully()
        log.info("stopped listening for agents", metadata: ["address": "\(address)"])
    }

    private func listen(on group: any EventLoopGroup) async throws -> any Channel {
        let surroundings = SessionSurroundings(
            configuration: configuration, roster: roster, begin: { [begin] in begin.yield($0) },
            progressed: { [inbox] in inbox.progressed($0, of: $1) })
        let (roster, tls, log) = (roster, tls, log)
        return try await ServerBootstrap(group: group)
            .serverChannelOption(.backlog, value: 4096)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
            .childChannelOption(.socketOption(.so_keepalive), value: 1)
            .childChannelOption(.tcpOption(.tcpUserTimeout), value: .init(clamping: configuration.timing.patience.inMilliseconds))
            .childChannelInitializer { channel in
                guard let session = roster.admit(channel) else {
                    log.notice("connection refused by a cap", metadata: ["from": "\(channel.remoteAddress?.ipAddress ?? "-")"])
                    return channel.close()
                }
                channel.closeFuture.whenComplete { _ in roster.departed(session) }
                return channel.eventLoop.makeCompletedFuture {
                    let proof = PeerProof()
                    try channel.pipeline.syncOperations.addHandlers([
                        try tls.handler(proof: proof), SessionHandler(session: session, proof: proof, surroundings: surroundings),
                    ])
                }
            }
            .bind(host: configuration.host, port: configuration.port).get()
    }

    private func workOff() async {
        await withDiscardingTaskGroup { group in
            for await item in work {
                group.addTask {
                    switch item {
                    case .drain(let session): await session.drain(into: self.inbox, telemetry: self.telemetry)
                    case .greet(let session, let hello, let peer): await self.greet(session, hello, peer)
                    case .enrol(let session, let join, let key): await self.enrol(session, join, key)
                    }
                }
            }
        }
    }

    private func sayGoodbye() async {
        let everyone = roster.everyone
        let rejected = Rejected(code: "stopping", words: "the coordinator stops; try again later")
        for session in everyone { session.command(.close(.stopping, rejected)) }
        // Each ends within the TLS layer's own second.
        for session in everyone { try? await session.channel.closeFuture.get() }
    }

    // MARK: sweep

    /// Until cancelled: cuts the silent every quarter of the patience, and the revoked and expired at every sweep.
    private func watch() async {
        let step = min(configuration.timing.patience / 4, configuration.timing.sweep)
        var lastSweep = ContinuousClock.now
        while !Task.isCancelled {
            do {
                try await Task.sleep(for: step)
            } catch {
                return
            }
            let sweeping = ContinuousClock.now - lastSweep >= configuration.timing.sweep - step / 2
            if sweeping { lastSweep = .now }
            let now = configuration.now()
            for session in roster.live + roster.feeds { inspect(session, now: now, sweeping: sweeping) }
        }
    }

    private func inspect(_ session: Session, now: Moment, sweeping: Bool) {
        guard session.isLive else { return }
        let silence = session.silence
        if silence > configuration.timing.patience, !session.isReadingPaused { return session.command(.close(.silent(silence), nil)) }
        guard sweeping, let peer = session.status?.peer else { return }
        if let why = turnAway(peer, now: now) { turnAway(session, peer, why) }
    }

    /// Cuts the live session of every peer that is revoked or expired by now, without waiting for the next sweep.
    package func sweep() async {
        let now = configuration.now()
        for session in roster.live + roster.feeds { inspect(session, now: now, sweeping: true) }
    }

    private func turnAway(_ peer: SessionPeer, now: Moment) -> String? {
        if configuration.gate.isRevoked(peer.serial) { return "the certificate \(peer.serial) is revoked" }
        if now.wall >= peer.notAfter { return "the certificate \(peer.serial) expired at \(peer.notAfter)" }
        return nil
    }

    private func turnAway(_ session: Session, _ peer: SessionPeer, _ why: String) {
        log.warning("session cut", metadata: ["node": "\(peer.node)", "why": "\(why)"])
        if session.push(.alarm(.turnedAway(peer.node, why))).startDrain { begin.yield(.drain(session)) }
        session.command(.close(.turnedAway(why), Rejected(code: "turnedAway", words: why)))
    }
}

/// The address, once it is known; `nil` once it is known that there will be none.
private final class Bound: Sendable {
    private enum State {
        case waiting([CheckedContinuation<FleetGateway.BoundAddress?, Never>])
        case settled(FleetGateway.BoundAddress?)
    }
    private let state = Mutex(State.waiting([]))

    func settle(_ address: FleetGateway.BoundAddress?) {
        let waiting = state.withLock { state -> [CheckedContinuation<FleetGateway.BoundAddress?, Never>] in
            defer { state = .settled(address) }
            if case .waiting(let waiting) = state { return waiting }
            return []
        }
        for continuation in waiting { continuation.resume(returning: address) }
    }

    func value() async throws -> FleetGateway.BoundAddress {
        let address = await withCheckedContinuation { continuation in
            let known = state.withLock { state -> FleetGateway.BoundAddress?? in
                switch state {
                case .settled(let address): return .some(address)
                case .waiting(let waiting):
                    state = .waiting(waiting + [continuation])
                    return nil
                }
            }
            if let known { continuation.resume(returning: known) }
        }
        guard let address else { throw GatewayError.notListening }
        return address
    }
}
