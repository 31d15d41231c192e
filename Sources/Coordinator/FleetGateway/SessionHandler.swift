// SPDX-License-Identifier: Apache-2.0

import MeshModel
import MeshWire
import NIOCore
import NIOTLS

/// What the handler needs from the gateway, the same for all connections.
struct SessionSurroundings: Sendable {
    let configuration: FleetGatewayConfiguration
    let roster: FleetRoster
    /// Starts asynchronous work of a session: greeting, enrolling, draining.
    let begin: @Sendable (SessionWork) -> Void
    /// Hands on how far an order of a node has come.
    let progressed: @Sendable (TaskProgress, NodeID) -> Void
}

/// Work of one session that may wait.
enum SessionWork: Sendable {
    case greet(Session, Hello, SessionPeer)
    case enrol(Session, Join, key: Digest)
    case drain(Session)
}

/// The rules of one accepted connection, after TLS. One plain handler and no task of its own, so that ten thousand idle sessions cost little.
///
///     handshaking --meshgate/1, agent--> greeting --Hello--> checking --welcome--> live
///          |       \--meshgate-join/1, joiner--> joining --Join--> enrolling
///          |       \--meshgate-feed/1, agent--> feedGreeting --Hello--> feeding
///          +----------------------- late, refused, broken, done --------------> closed (from every state)
final class SessionHandler: ChannelInboundHandler, ChannelOutboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    enum Phase {
        case handshaking
        case greeting(SessionPeer, chain: [[UInt8]])
        case checking(SessionPeer)
        case live(SessionPeer)
        case joining(key: Digest)
        case enrolling
        case feedGreeting(SessionPeer, chain: [[UInt8]])
        case feeding(SessionPeer)
        case closed
    }

    /// For the head check and the enrolment, which are our own code and answer fast when healthy.
    static let longestWork = TimeAmount.seconds(30)

    let session: Session
    let proof: PeerProof
    let surroundings: SessionSurroundings
    var phase = Phase.handshaking
    var reader = FrameReader(limit: LinkProtocol.longestEarlyFrame)
    var deadline: Scheduled<Void>?
    var readingPaused = false
    var readIsOwed = false
    var lifeNumber: UInt64 = 0
    /// Batches of this feed so far.
    var feedOrdinal: UInt64 = 0
    var lifeProofs: [EventLoopPromise<Bool>] = []

    init(session: Session, proof: PeerProof, surroundings: SessionSurroundings) {
        self.session = session
        self.proof = proof
        self.surroundings = surroundings
    }

    var timing: FleetGatewayConfiguration.Timing { surroundings.configuration.timing }

    // MARK: channel events

    func handlerAdded(context: ChannelHandlerContext) {
        arm(context, TimeAmount(timing.handshake), "the TLS handshake took longer than \(timing.handshake.briefly)")
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if let event = event as? TLSUserEvent, case .handshakeCompleted(let negotiated) = event {
            secured(context, negotiated)
        } else {
            context.fireUserInboundEventTriggered(event)
        }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        if case .closed = phase { return }
        session.heard()
        reader.append(unwrapInboundIn(data).readableBytesView)
        takeFrames(context)
    }

    func channelInactive(context: ChannelHandlerContext) {
        finish(.left)
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        close(context, .broken(proof.refusal ?? "\(error)"))
    }

    func read(context: ChannelHandlerContext) {
        if readingPaused { readIsOwed = true } else { context.read() }
    }

    func triggerUserOutboundEvent(context: ChannelHandlerContext, event: Any, promise: EventLoopPromise<Void>?) {
        guard let command = event as? SessionCommand else {
            context.triggerUserOutboundEvent(event, promise: promise)
            return
        }
        promise?.succeed()
        switch command {
        case .resumeReading: resumeReading(context)
        case .welcome: welcome(context)
        case .close(let end, let rejected): close(context, end, rejected)
        case .proveLife(let promise): proveLife(context, promise)
        }
    }

    // MARK: ends

    func arm(_ context: ChannelHandlerContext, _ time: TimeAmount, _ words: String) {
        disarm()
        deadline = context.eventLoop.assumeIsolated().scheduleTask(in: time) {
            self.close(context, .misbehaved(words), Rejected(code: "tooLate", words: words))
        }
    }

    func disarm() {
        deadline?.cancel()
        deadline = nil
    }

    func close(_ context: ChannelHandlerContext, _ end: SessionEnd, _ rejected: Rejected? = nil) {
        if case .closed = phase { return }
        let secured = if case .handshaking = phase { false } else { true }
        finish(end)
        readingPaused = false
        if let rejected, secured {
            let frame = session.isFeed ? CoordinatorFeedFrame.rejected(rejected).framed : CoordinatorFrame.rejected(rejected).framed
            context.writeAndFlush(wrapOutboundOut(ByteBuffer(bytes: frame)), promise: nil)
        }
        context.close(promise: nil)
    }

    /// Gives everything back at once; the socket follows when the peer has said goodbye or a second has passed.
    func finish(_ end: SessionEnd) {
        if case .closed = phase { return }
        phase = .closed
        disarm()
        settleLife(false)
        reader = FrameReader(limit: 0)
        let (first, wasLive) = session.finish()
        guard first else { return }
        if let status = session.status { surroundings.roster.release(status.node, by: session) }
        if wasLive, session.push(.closed(end)).startDrain { surroundings.begin(.drain(session)) }
    }
}
