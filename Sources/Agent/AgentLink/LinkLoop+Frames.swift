// SPDX-License-Identifier: Apache-2.0

import AgentCore
import MeshModel
import MeshWire

/// What each frame of the coordinator means.
extension LinkLoop {
    mutating func take(_ frame: CoordinatorFrame) {
        switch frame {
        case .rejected(let rejected): refused(rejected.code, rejected.words)
        case .welcome(let welcome) where !machine.isLive: take(welcome)
        case .task(let task) where machine.isLive: take(task)
        case .unknownOrder(let id) where machine.isLive:
            let refusal = TaskRefusal(.unsupported, "this agent does not know such an order; upgrade the agent")
            if !outbox.holds(id) { record(id, probe: nil, .refused(refusal), takenAt: now) }
        case .acknowledged(let acknowledged) where machine.isLive: take(acknowledged)
        case .heartbeat(let heartbeat) where machine.isLive:
            if !heartbeat.answer { beat(heartbeat.number, answer: true) }
        case .joined, .welcome, .task, .unknownOrder, .acknowledged, .heartbeat:
            refused("badFrame", "the coordinator sent a frame that has no place in this part of a session")
        }
    }

    mutating func take(_ welcome: Welcome) {
        guard welcome.protocolVersion == LinkProtocol.version else {
            return refused("otherProtocol", "the coordinator welcomes in protocol \(welcome.protocolVersion); upgrade the older side")
        }
        if case .refused(let known) = admission.obey(welcome.epoch) {
            return refused(
                "oldEpoch", "the coordinator's epoch is \(welcome.epoch) and this agent has obeyed \(known); another coordinator acts")
        }
        guard keepEpoch() else { return refused("storage", "the new epoch could not be kept, so it is not obeyed") }
        advance(.welcomed(heartbeat: welcome.heartbeat, patience: welcome.patience))
        link.tell(.live(endpoint, epoch: welcome.epoch))
        tellNoticed()
    }

    mutating func take(_ task: NodeTask) {
        let decision = admission.admit(task, now: now.wall, supported: link.handler.supports(task.order), outbox: outbox)
        guard keepEpoch() else {
            if case .perform = decision { admission.finish(task.id) }
            return refused("storage", "the order's epoch could not be kept, so it is not obeyed")
        }
        switch decision {
        case .perform: orders.append(.perform(task))
        case .answerComes: break
        case .refuse(let refusal): record(task.id, probe: task.probe, .refused(refusal), takenAt: now)
        }
    }

    mutating func take(_ acknowledged: Acknowledged) {
        if acknowledged.head.sequence >= state.acknowledged.sequence, acknowledged.head != state.acknowledged {
            state.acknowledged = acknowledged.head
            keepState()
        }
        if outbox.acknowledge(acknowledged.sequence) { keepOutbox() }
    }
}
