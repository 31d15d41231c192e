// SPDX-License-Identifier: Apache-2.0

package import MeshModel

/// Decides which orders the agent carries out: its own node's, of the highest epoch it knows, in time, once.
package struct Admission: Hashable, Sendable {
    /// What to do with an order.
    package enum Decision: Hashable, Sendable {
        /// Carry it out, once the epoch is on disk.
        case perform
        /// It is being carried out, or its answer waits in the outbox: nothing to do, the answer will come.
        case answerComes
        case refuse(TaskRefusal)
    }

    /// What Welcome's epoch means for the session.
    package enum Obedience: Hashable, Sendable {
        case same
        /// Must be on disk before the first order.
        case grew
        /// An older coordinator: the session must end.
        case refused(known: Generation)
    }

    package let node: NodeID
    /// Never goes back.
    package private(set) var epoch: Generation
    private let concurrency: Int
    private let wipes: Int
    private let memory: Int
    private var running: Set<TaskID> = []
    /// Those of `running` that are wipes. They last, so they do not take the places of questions.
    private var wiping: Set<TaskID> = []
    private var done: Set<TaskID> = []
    private var doneInOrder: [TaskID] = []

    /// `epoch` is the persisted one. `concurrency` counts questions and `wipes` wipes, each for itself. `memory` is how many finished task ids
    /// are remembered.
    package init(node: NodeID, epoch: Generation, concurrency: Int = 8, wipes: Int = 16, memory: Int = 1024) {
        precondition(concurrency > 0 && wipes > 0 && memory > 0, "an agent that may do nothing is a wiring mistake")
        self.node = node
        self.epoch = epoch
        self.concurrency = concurrency
        self.wipes = wipes
        self.memory = memory
    }

    /// Orders that are being carried out.
    package var underWay: Int { running.count }

    /// A coordinator introduces itself.
    package mutating func obey(_ offered: Generation) -> Obedience {
        if offered < epoch { return .refused(known: epoch) }
        if offered == epoch { return .same }
        epoch = offered
        return .grew
    }

    /// An order came. Afterwards `epoch` may have grown, and must be on disk before anything else is done. `supported`: this agent knows how; the outbox says whether the answer of an earlier delivery is still on its way.
    package mutating func admit(_ task: NodeTask, now: Timestamp, supported: Bool, outbox: Outbox) -> Decision {
        guard task.node == node else { return .refuse(TaskRefusal(.wrongNode, "the order is for \(task.node) and this is \(node)")) }
        guard task.epoch >= epoch else {
            return .refuse(TaskRefusal(.oldEpoch, "the order is of epoch \(task.epoch) and epoch \(epoch) was obeyed"))
        }
        epoch = task.epoch
        if running.contains(task.id) || outbox.holds(task.id) { return .answerComes }
        guard !done.contains(task.id) else {
            return .refuse(TaskRefusal(.duplicate, "this order was carried out, and its answer was acknowledged"))
        }
        guard now <= task.deadline else {
            return .refuse(TaskRefusal(.deadlinePassed, "the deadline was \(task.deadline) and this clock says \(now)"))
        }
        guard supported else { return .refuse(TaskRefusal(.unsupported, "this agent cannot carry out such an order")) }
        if case .wipe = task.order {
            guard wiping.count < wipes else { return .refuse(TaskRefusal(.overloaded, "\(wiping.count) wipes are under way")) }
            guard outbox.hasRoomForWipe else {
                return .refuse(TaskRefusal(.overloaded, "too many accounts of wipes wait for their acknowledgement"))
            }
            wiping.insert(task.id)
        } else if running.count - wiping.count >= concurrency {
            return .refuse(TaskRefusal(.overloaded, "\(running.count - wiping.count) orders are under way"))
        }
        running.insert(task.id)
        return .perform
    }

    /// The order has its result, which is in the outbox now.
    package mutating func finish(_ id: TaskID) {
        wiping.remove(id)
        guard running.remove(id) != nil, done.insert(id).inserted else { return }
        doneInOrder.append(id)
        if doneInOrder.count > memory { done.remove(doneInOrder.removeFirst()) }
    }
}
