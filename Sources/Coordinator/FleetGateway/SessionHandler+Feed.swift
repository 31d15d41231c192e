// SPDX-License-Identifier: Apache-2.0

import MeshModel
import MeshWire
import NIOCore
import Telemetry

/// What each frame of a feed means. A feed is a session of its own: the same judge, caps and sweeps, other frames, no tasks.
///
///     feedGreeting --Hello--> feeding
extension SessionHandler {
    func takeFeedFrame(_ bytes: ArraySlice<UInt8>, _ context: ChannelHandlerContext) throws(WireError) {
        switch (phase, try AgentFeedFrame(decoding: bytes)) {
        case (.feedGreeting(let peer, let chain), .hello(let hello)): welcomeFeed(context, hello, peer, chain)
        case (.feeding(let peer), .batch(let ordinal, let batch)): receive(context, ordinal, batch, peer)
        case (.feeding, .statement(let number, let statement)):
            push(.statement(number: number, statement, receivedAt: surroundings.configuration.now(), size: bytes.count), context)
        default:
            let words = "a frame came that has no place in this part of a feed"
            close(context, .misbehaved(words), Rejected(code: "badFrame", words: words))
        }
    }

    private func welcomeFeed(_ context: ChannelHandlerContext, _ hello: FeedHello, _ peer: SessionPeer, _ chain: [[UInt8]]) {
        guard hello.node == peer.node else {
            push(.alarm(.foreignNode(peer.node, claimed: hello.node, from: session.from)), context)
            let words = "the certificate is of \(peer.node) and Hello is of \(hello.node)"
            return close(context, .misbehaved(words), Rejected(code: "wrongNode", words: words))
        }
        if case .failure(let refusal) = surroundings.configuration.gate.judge(chain) {
            return close(context, .turnedAway(refusal.words), Rejected(code: "turnedAway", words: refusal.words))
        }
        phase = .feeding(peer)
        reader.limit = LinkProtocol.longestFrame
        disarm()
        session.introduce(
            SessionStatus(
                number: session.number, peer: peer, from: session.from, since: surroundings.configuration.now(),
                agentVersion: hello.agentVersion, bootID: hello.boot, installation: "", acknowledged: .empty, nextReport: 0,
                droppedReports: 0,
                queuedBytes: 0, waitingReports: 0, silence: .zero))
        // The newest connection is the one that lives; what the older one had on its way comes again on this one and is stored once. Whether two
        // agents share a key is found by the session for orders.
        if let older = surroundings.roster.claimFeed(peer.node, for: session) {
            // What it still holds is not acknowledged; its statement is older than ours and must not finish streams that it does not know.
            older.failFeed()
            older.command(.close(.replaced, nil))
        }
        guard session.goLive() else { return }
        session.send(
            .welcome(FeedWelcome(credit: surroundings.configuration.feedCredit, statement: timing.statement, patience: timing.patience)))
    }

    private func receive(_ context: ChannelHandlerContext, _ ordinal: UInt64, _ bytes: [UInt8], _ peer: SessionPeer) {
        feedOrdinal += 1
        guard ordinal == feedOrdinal else {
            let words = "batch \(ordinal) came where \(feedOrdinal) was next"
            return close(context, .misbehaved(words), Rejected(code: "badFrame", words: words))
        }
        let content: Result<TelemetryBatch, TelemetryFault>
        do throws(TelemetryFault) {
            content = .success(try TelemetryBatch(decoding: bytes))
        } catch {
            content = .failure(error)
        }
        push(.batch(ordinal: ordinal, content, receivedAt: surroundings.configuration.now(), size: bytes.count), context)
    }
}
