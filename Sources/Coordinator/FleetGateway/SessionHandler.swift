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
///          +----------------------- late, refused, broken, done --------------> closed (from every state)
final class SessionHandler: ChannelInboundHandler, ChannelOutboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private enum Phase {
        case handshaking
        case greeting(SessionPeer, chain: [[UInt8]])
        case checking(SessionPeer)
        case live(SessionPeer)
        case joining(key: Digest)
        case enrolling
        case closed
    }

    /// For the head check and the enrolment, which are our own code and answer fast when healthy.
    private static let longestWork = TimeAmount.seconds(30)

    private let session: Session
    private let proof: PeerProof
    private let surroundings: SessionSurroundings
    private var phase = Phase.handshaking
    private var reader = FrameReader(limit: LinkProtocol.longestEarlyFrame)
    private var deadline: Scheduled<Void>?
    private var readingPaused = false
    private var readIsOwed = false
    private var lifeNumber: UInt64 = 0
    private var lifeProofs: [EventLoopPromise<Bool>] = []

    init(session: Session, proof: PeerProof, surroundings: SessionSurroundings) {
        self.session = session
        self.proof = proof
        self.surroundings = surroundings
    }

    private var timing: FleetGatewayConfiguration.Timing { surroundings.configuration.timing }

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

    // MARK: handshake

    private func secured(_ context: ChannelHandlerContext, _ negotiated: String?) {
        switch (negotiated, proof.proof) {
        case (LinkProtocol.session, .agent(let peer, let chain)): phase = .greeting(peer, chain: chain)
        case (LinkProtocol.join, .joiner(let key)): phase = .joining(key: key)
        case (_, .none):
            return close(
                context, .turnedAway("the handshake did not verify the peer's certificate; it was resumed, and that is not allowed"))
        case (nil, _): return close(context, .turnedAway("the peer did not offer \(LinkProtocol.session)"))
        case (.some(let name), _): return close(context, .turnedAway("the peer's certificate is not for the protocol \(name)"))
        }
        arm(context, TimeAmount(timing.greeting), "no Hello came within \(timing.greeting.briefly)")
    }

    // MARK: frames

    private func takeFrames(_ context: ChannelHandlerContext) {
        do throws(WireError) {
            while let bytes = try reader.next() {
                take(try AgentFrame(decoding: bytes), size: bytes.count, context)
                if case .closed = phase { return }
            }
        } catch {
            refuseFrame(context, error)
        }
    }

    private func refuseFrame(_ context: ChannelHandlerContext, _ error: WireError) {
        if case .live(let peer) = phase { push(.alarm(.malformed(peer.node, "\(error)")), context) }
        let code = if case .otherProtocol = error { "otherProtocol" } else { "badFrame" }
        close(context, .misbehaved("\(error)"), Rejected(code: code, words: "\(error)"))
    }

    private func take(_ frame: AgentFrame, size: Int, _ context: ChannelHandlerContext) {
        switch (phase, frame) {
        case (.greeting(let peer, let chain), .hello(let hello)): greet(context, hello, peer, chain)
        case (.joining(let key), .join(let join)): enrol(context, join, key)
        case (.live(let peer), .report(let report)): receive(context, report, peer, size)
        case (.live, .heartbeat(let heartbeat)): beat(context, heartbeat)
        case (.closed, _): break
        case (.handshaking, _), (.greeting, _), (.checking, _), (.joining, _), (.enrolling, _), (.live, _):
            let words = "a frame came that has no place in this part of a session"
            close(context, .misbehaved(words), Rejected(code: "badFrame", words: words))
        }
    }

    private func greet(_ context: ChannelHandlerContext, _ hello: Hello, _ peer: SessionPeer, _ chain: [[UInt8]]) {
        guard hello.node == peer.node else {
            push(.alarm(.foreignNode(peer.node, claimed: hello.node, from: session.from)), context)
            let words = "the certificate is of \(peer.node) and Hello is of \(hello.node)"
            return close(context, .misbehaved(words), Rejected(code: "wrongNode", words: words))
        }
        if case .failure(let refusal) = surroundings.configuration.gate.judge(chain) {
            return close(context, .turnedAway(refusal.words), Rejected(code: "turnedAway", words: refusal.words))
        }
        phase = .checking(peer)
        readingPaused = true
        arm(context, Self.longestWork, "the greeting could not be checked in time")
        let now = surroundings.configuration.now()
        session.introduce(
            SessionStatus(
                number: session.number, peer: peer, from: session.from, since: now, agentVersion: hello.agentVersion, bootID: hello.bootID,
                installation: hello.installation, acknowledged: hello.acknowledged, nextReport: hello.nextReport,
                droppedReports: hello.droppedReports, queuedBytes: 0, waitingReports: 0, silence: .zero))
        surroundings.begin(.greet(session, hello, peer))
    }

    private func welcome(_ context: ChannelHandlerContext) {
        guard case .checking(let peer) = phase else { return }
        phase = .live(peer)
        reader.limit = LinkProtocol.longestFrame
        disarm()
        resumeReading(context)
        takeFrames(context)
    }

    private func enrol(_ context: ChannelHandlerContext, _ join: Join, _ key: Digest) {
        guard surroundings.configuration.gate.keyOfRequest(join.request) == key else {
            let words = "the certificate request is not well formed, or its key is not the one of the TLS handshake"
            return close(context, .misbehaved(words), Rejected(code: "keyMismatch", words: words))
        }
        phase = .enrolling
        arm(context, Self.longestWork, "the enrolment took too long")
        surroundings.begin(.enrol(session, join, key: key))
    }

    private func receive(_ context: ChannelHandlerContext, _ report: TaskReport, _ peer: SessionPeer, _ size: Int) {
        guard report.node == peer.node else {
            push(.alarm(.foreignNode(peer.node, claimed: report.node, from: session.from)), context)
            let words = "a report of \(report.node) came from the agent of \(peer.node)"
            return close(context, .misbehaved(words), Rejected(code: "wrongNode", words: words))
        }
        let now = surroundings.configuration.now()
        push(.report(report.arrived(at: now.wall), receivedAt: now, size: size), context)
    }

    private func push(_ item: Session.Item, _ context: ChannelHandlerContext) {
        let (startDrain, pause) = session.push(item)
        if startDrain { surroundings.begin(.drain(session)) }
        if pause { readingPaused = true }
    }

    private func resumeReading(_ context: ChannelHandlerContext) {
        readingPaused = false
        if readIsOwed {
            readIsOwed = false
            context.read()
        }
    }

    // MARK: signs of life

    private func beat(_ context: ChannelHandlerContext, _ heartbeat: Heartbeat) {
        session.count(dropped: heartbeat.droppedReports)
        if heartbeat.answer {
            if heartbeat.number == lifeNumber { settleLife(true) }
        } else {
            session.send(.heartbeat(Heartbeat(number: heartbeat.number, answer: true)))
        }
    }

    private func proveLife(_ context: ChannelHandlerContext, _ promise: EventLoopPromise<Bool>) {
        switch phase {
        case .live: break
        // It has just said Hello.
        case .checking: return promise.succeed(session.silence < timing.proofOfLife)
        case .handshaking, .greeting, .joining, .enrolling, .closed: return promise.succeed(false)
        }
        if lifeProofs.isEmpty {
            lifeNumber &+= 1
            session.send(.heartbeat(Heartbeat(number: lifeNumber, answer: false)))
            let number = lifeNumber
            context.eventLoop.assumeIsolated().scheduleTask(in: TimeAmount(timing.proofOfLife)) {
                if number == self.lifeNumber { self.settleLife(false) }
            }
        }
        lifeProofs.append(promise)
    }

    private func settleLife(_ alive: Bool) {
        let waiting = lifeProofs
        lifeProofs = []
        for promise in waiting { promise.succeed(alive) }
    }

    // MARK: ends

    private func arm(_ context: ChannelHandlerContext, _ time: TimeAmount, _ words: String) {
        disarm()
        deadline = context.eventLoop.assumeIsolated().scheduleTask(in: time) {
            self.close(context, .misbehaved(words), Rejected(code: "tooLate", words: words))
        }
    }

    private func disarm() {
        deadline?.cancel()
        deadline = nil
    }

    private func close(_ context: ChannelHandlerContext, _ end: SessionEnd, _ rejected: Rejected? = nil) {
        if case .closed = phase { return }
        let secured = if case .handshaking = phase { false } else { true }
        finish(end)
        readingPaused = false
        if let rejected, secured {
            context.writeAndFlush(wrapOutboundOut(ByteBuffer(bytes: CoordinatorFrame.rejected(rejected).framed)), promise: nil)
        }
        context.close(promise: nil)
    }

    /// Gives everything back at once; the socket follows when the peer has said goodbye or a second has passed.
    private func finish(_ end: SessionEnd) {
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
