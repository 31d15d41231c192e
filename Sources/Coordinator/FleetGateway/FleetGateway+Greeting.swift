// SPDX-License-Identifier: Apache-2.0

import Logging
import MeshModel
import MeshWire
import NIOCore

/// What happens between Hello and Welcome, and the whole of a join. May wait, so it is not on an event loop.
extension FleetGateway {
    func greet(_ session: Session, _ hello: Hello, _ peer: SessionPeer) async {
        let ours = configuration.epoch()
        guard hello.epoch <= ours else {
            let words = "the agent has obeyed epoch \(hello.epoch) and this coordinator's is \(ours); another coordinator is acting"
            return await refuse(session, "overtaken", words, .overtaken(peer.node, agent: hello.epoch, ours: ours))
        }
        if hello.acknowledged != .empty {
            switch await configuration.headCheck(hello.acknowledged) {
            case .agrees: break
            case .unknown: await inbox.alarm(.unknownHead(peer.node, remembered: hello.acknowledged))
            case .forked(let problem):
                let words = "the journal of this coordinator is not the one that the agent remembers: \(problem)"
                return await refuse(
                    session, "forkedJournal", words, .forkedJournal(peer.node, remembered: hello.acknowledged, problem: problem))
            }
        }
        guard await takePlace(session, peer) else { return }
        session.send(
            .welcome(
                Welcome(
                    epoch: ours, coordinatorBoot: configuration.bootID, heartbeat: configuration.timing.heartbeat,
                    patience: configuration.timing.patience)))
        // After Welcome was handed to the channel, so that no task can overtake it.
        guard session.goLive() else { return roster.release(peer.node, by: session) }
        let drainIsMine = session.push(.opened).startDrain
        session.command(.welcome)
        log.info("session opened", metadata: ["node": "\(peer.node)", "from": "\(session.from)", "agent": "\(hello.agentVersion)"])
        if drainIsMine { await session.drain(into: inbox, telemetry: nil) }
    }

    /// One live session per node. A session that is there already must show that it lives: if it does, two agents have one key, and the newer one is
    /// refused with an alarm; if it does not, it was a dead connection that nobody had noticed yet, and gives way.
    private func takePlace(_ session: Session, _ peer: SessionPeer) async -> Bool {
        for _ in 0..<4 {
            guard let other = roster.claim(peer.node, for: session) else {
                guard session.isClosed else { return true }
                roster.release(peer.node, by: session)
                return false
            }
            if await lives(other) {
                let words =
                    "another agent with the key of \(peer.node) is connected; if that is not intended, revoke the certificate and join again"
                await refuse(session, "duplicateSession", words, .duplicateSession(peer.node, live: other.from, refused: session.from))
                return false
            }
            other.command(.close(.replaced, nil))
            roster.release(peer.node, by: other)
        }
        let words = "several connections of \(peer.node) come at once"
        await refuse(session, "duplicateSession", words, .duplicateSession(peer.node, live: "several", refused: session.from))
        return false
    }

    private func lives(_ other: Session) async -> Bool {
        let promise = other.channel.eventLoop.makePromise(of: Bool.self)
        other.channel.triggerUserOutboundEvent(SessionCommand.proveLife(promise)).whenFailure { _ in promise.succeed(false) }
        do {
            return try await promise.futureResult.get()
        } catch {
            return false
        }
    }

    private func refuse(_ session: Session, _ code: String, _ words: String, _ alarm: FleetAlarm) async {
        log.warning("session refused", metadata: ["code": "\(code)", "from": "\(session.from)", "why": "\(words)"])
        session.command(.close(.turnedAway(words), Rejected(code: code, words: words)))
        await inbox.alarm(alarm)
    }

    func enrol(_ session: Session, _ join: Join, _ key: Digest) async {
        let answer = await enroller.enrol(
            token: join.token, node: join.node, csr: join.request, presentedKey: key, from: session.address)
        switch answer {
        case .success(let identity):
            log.info("agent enrolled", metadata: ["node": "\(join.node)", "from": "\(session.address)"])
            session.send(.joined(Joined(chain: identity.chain, roots: identity.roots)))
            session.command(.close(.disconnected("enrolled"), nil))
        case .failure(let refusal):
            log.warning("enrolment refused", metadata: ["node": "\(join.node)", "from": "\(session.address)", "code": "\(refusal.code)"])
            session.command(.close(.turnedAway(refusal.words), Rejected(code: refusal.code, words: refusal.words)))
        }
    }
}
