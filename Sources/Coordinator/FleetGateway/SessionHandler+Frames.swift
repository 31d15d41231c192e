// SPDX-License-Identifier: Apache-2.0

import MeshModel
import MeshWire
import NIOCore

/// What each frame means in each phase.
extension SessionHandler {
    func secured(_ context: ChannelHandlerContext, _ negotiated: String?) {
        switch (negotiated, proof.proof) {
        case (LinkProtocol.session, .agent(let peer, let chain)): phase = .greeting(peer, chain: chain)
        case (LinkProtocol.join, .joiner(let key)): phase = .joining(key: key)
        case (LinkProtocol.feed, .agent(let peer, let chain)):
            session.becomeFeed()
            phase = .feedGreeting(peer, chain: chain)
        case (_, .none):
            return close(
                context, .turnedAway("the handshake did not verify the peer's certificate; it was resumed, and that is not allowed"))
        case (nil, _): return close(context, .turnedAway("the peer did not offer \(LinkProtocol.session)"))
        case (.some(let name), _): return close(context, .turnedAway("the peer's certificate is not for the protocol \(name)"))
        }
        arm(context, TimeAmount(timing.greeting), "no Hello came within \(timing.greeting.briefly)")
    }

    func takeFrames(_ context: ChannelHandlerContext) {
        do throws(WireError) {
            while let bytes = try reader.next() {
                switch phase {
                case .feedGreeting, .feeding: try takeFeedFrame(bytes, context)
                case .handshaking, .greeting, .checking, .live, .joining, .enrolling, .closed:
                    take(try AgentFrame(decoding: bytes), size: bytes.count, context)
                }
                if case .closed = phase { return }
            }
        } catch {
            refuseFrame(context, error)
        }
    }

    func refuseFrame(_ context: ChannelHandlerContext, _ error: WireError) {
        switch phase {
        case .live(let peer), .feeding(let peer): push(.alarm(.malformed(peer.node, "\(error)")), context)
        case .handshaking, .greeting, .checking, .joining, .enrolling, .feedGreeting, .closed: break
        }
        let code = if case .otherProtocol = error { "otherProtocol" } else { "badFrame" }
        close(context, .misbehaved("\(error)"), Rejected(code: code, words: "\(error)"))
    }

    func take(_ frame: AgentFrame, size: Int, _ context: ChannelHandlerContext) {
        switch (phase, frame) {
        case (.greeting(let peer, let chain), .hello(let hello)): greet(context, hello, peer, chain)
        case (.joining(let key), .join(let join)): enrol(context, join, key)
        case (.live(let peer), .report(let report)): receive(context, report, peer, size)
        case (.live, .heartbeat(let heartbeat)): beat(context, heartbeat)
        case (.live(let peer), .progress(let progress)): surroundings.progressed(progress, peer.node)
        case (.closed, _): break
        case (.handshaking, _), (.greeting, _), (.checking, _), (.joining, _), (.enrolling, _), (.live, _), (.feedGreeting, _),
            (.feeding, _):
            let words = "a frame came that has no place in this part of a session"
            close(context, .misbehaved(words), Rejected(code: "badFrame", words: words))
        }
    }

    func greet(_ context: ChannelHandlerContext, _ hello: Hello, _ peer: SessionPeer, _ chain: [[UInt8]]) {
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

    func welcome(_ context: ChannelHandlerContext) {
        guard case .checking(let peer) = phase else { return }
        phase = .live(peer)
        reader.limit = LinkProtocol.longestFrame
        disarm()
        resumeReading(context)
        takeFrames(context)
    }

    func enrol(_ context: ChannelHandlerContext, _ join: Join, _ key: Digest) {
        guard surroundings.configuration.gate.keyOfRequest(join.request) == key else {
            let words = "the certificate request is not well formed, or its key is not the one of the TLS handshake"
            return close(context, .misbehaved(words), Rejected(code: "keyMismatch", words: words))
        }
        phase = .enrolling
        arm(context, Self.longestWork, "the enrolment took too long")
        surroundings.begin(.enrol(session, join, key: key))
    }

    func receive(_ context: ChannelHandlerContext, _ report: TaskReport, _ peer: SessionPeer, _ size: Int) {
        guard report.node == peer.node else {
            push(.alarm(.foreignNode(peer.node, claimed: report.node, from: session.from)), context)
            let words = "a report of \(report.node) came from the agent of \(peer.node)"
            return close(context, .misbehaved(words), Rejected(code: "wrongNode", words: words))
        }
        let now = surroundings.configuration.now()
        push(.report(report.arrived(at: now.wall), receivedAt: now, size: size), context)
    }

    func push(_ item: Session.Item, _ context: ChannelHandlerContext) {
        let (startDrain, pause) = session.push(item)
        if startDrain { surroundings.begin(.drain(session)) }
        if pause { readingPaused = true }
    }

    func resumeReading(_ context: ChannelHandlerContext) {
        readingPaused = false
        session.heard()
        if readIsOwed {
            readIsOwed = false
            context.read()
        }
    }
}
