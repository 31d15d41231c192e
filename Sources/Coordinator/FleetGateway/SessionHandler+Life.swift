// SPDX-License-Identifier: Apache-2.0

import MeshModel
import MeshWire
import NIOCore

/// Signs of life, asked and given.
extension SessionHandler {
    func beat(_ context: ChannelHandlerContext, _ heartbeat: Heartbeat) {
        session.count(dropped: heartbeat.droppedReports)
        if heartbeat.answer {
            if heartbeat.number == lifeNumber { settleLife(true) }
        } else {
            session.send(.heartbeat(Heartbeat(number: heartbeat.number, answer: true)))
        }
    }

    func proveLife(_ context: ChannelHandlerContext, _ promise: EventLoopPromise<Bool>) {
        switch phase {
        case .live: break
        // It has just said Hello.
        case .checking: return promise.succeed(session.silence < timing.proofOfLife)
        case .handshaking, .greeting, .joining, .enrolling, .feedGreeting, .feeding, .closed: return promise.succeed(false)
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

    func settleLife(_ alive: Bool) {
        let waiting = lifeProofs
        lifeProofs = []
        for promise in waiting { promise.succeed(alive) }
    }
}
