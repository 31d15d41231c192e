// SPDX-License-Identifier: Apache-2.0

import MeshModel
import MeshWire
import NIOCore
import NIOPosix
import Synchronization

/// One dialled connection, from the first packet to its end. Any thread may send or close; events come in order, `closed` once and last.
final class LinkConnection: Sendable {
    private struct State {
        var channel: (any Channel)?
        var closed = false
        var waiting = 0
    }
    private let state = Mutex(State())
    private let events: @Sendable (ConnectionEvent) -> Void

    private init(events: @escaping @Sendable (ConnectionEvent) -> Void) { self.events = events }

    /// Starts to connect; what becomes of it arrives as events.
    static func open(
        _ endpoint: Endpoint, alpn: String, identity: AgentIdentity, judge: @escaping CoordinatorJudge, timeout: Duration,
        on group: any EventLoopGroup, events: @escaping @Sendable (ConnectionEvent) -> Void
    ) -> LinkConnection {
        let connection = LinkConnection(events: events)
        ClientBootstrap(group: group)
            .connectTimeout(.milliseconds(timeout.inMilliseconds))
            .channelOption(.tcpOption(.tcp_nodelay), value: 1)
            .channelOption(.socketOption(.so_keepalive), value: 1)
            .channelOption(.tcpOption(.tcpUserTimeout), value: 20_000)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let proof = CoordinatorProof(judge: judge)
                    try channel.pipeline.syncOperations.addHandlers([
                        try LinkTLS.handler(identity: identity, alpn: alpn, host: endpoint.host, proof: proof),
                        LinkHandler(alpn: alpn, proof: proof, connection: connection),
                    ])
                }
            }
            .connect(host: endpoint.host, port: endpoint.port)
            .whenComplete { connection.connected($0) }
        return connection
    }

    private func connected(_ result: Result<any Channel, any Error>) {
        switch result {
        case .failure(let error): tell(.closed(ConnectionWords.of(error)))
        case .success(let channel):
            let late = state.withLock { state in
                state.channel = channel
                return state.closed
            }
            if late { channel.close(promise: nil) }
        }
    }

    var isClosed: Bool { state.withLock { $0.closed } }

    func tell(_ event: ConnectionEvent) {
        let silent = state.withLock { state in
            let was = state.closed
            if case .closed = event { state.closed = true }
            return was
        }
        if !silent { events(event) }
    }

    /// Returns how many frames wait for the owner.
    func tellFrame(_ frame: ConnectionEvent) -> Int {
        let waiting = state.withLock { state in
            state.waiting += 1
            return state.waiting
        }
        tell(frame)
        return waiting
    }

    /// The owner is done with one frame.
    func consumed() {
        let channel = state.withLock { state in
            state.waiting -= 1
            return state.waiting == LinkHandler.mostWaiting / 2 ? state.channel : nil
        }
        channel?.triggerUserOutboundEvent(LinkHandler.ResumeReading(), promise: nil)
    }

    func send(_ frame: AgentFrame) { send(frame.framed) }
    func send(_ frame: AgentFeedFrame) { send(frame.framed) }

    private func send(_ bytes: [UInt8]) {
        guard let channel = state.withLock({ $0.closed ? nil : $0.channel }) else { return }
        channel.writeAndFlush(ByteBuffer(bytes: bytes), promise: nil)
    }

    /// No event follows.
    func close() {
        let channel = state.withLock { state in
            state.closed = true
            return state.channel
        }
        channel?.close(promise: nil)
    }
}

extension NIOBSDSocket.Option {
    /// TCP_USER_TIMEOUT of linux/tcp.h: how long sent bytes may stay unacknowledged, in milliseconds.
    static let tcpUserTimeout = NIOBSDSocket.Option(rawValue: 18)
}
