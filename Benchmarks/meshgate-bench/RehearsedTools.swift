// SPDX-License-Identifier: Apache-2.0

import MeshModel
import MeshSystem
import Planning
import Rehearsal
import Running
import Synchronization

/// Tools that do nothing but take their time, and a world that shows at once what they are said to have done.
final class RehearsedTools: Hands {
    private enum Job: Sendable {
        case step(Step, attempt: Int, HandsContext)
        case look([ProbeOrder])
    }

    private let world: Mutex<RehearsedWorld>
    private let time: @Sendable (Step) -> Duration
    /// What was true already is not among them.
    let carriedOut = Mutex<Set<StepID>>([])
    private let jobs: AsyncStream<Job>
    private let queue: AsyncStream<Job>.Continuation

    init(_ world: RehearsedWorld, time: @escaping @Sendable (Step) -> Duration) {
        self.world = Mutex(world)
        self.time = time
        (jobs, queue) = AsyncStream.makeStream()
    }

    func begin(_ step: Step, attempt: Int, warrant: WarrantEnvelope?, context: HandsContext) async {
        queue.yield(.step(step, attempt: attempt, context))
    }

    func observe(_ orders: [ProbeOrder], context: HandsContext) async { queue.yield(.look(orders)) }

    /// Until the task is cancelled.
    func work(for controller: RunController) async {
        await withDiscardingTaskGroup { group in
            for await job in jobs {
                group.addTask {
                    // A run that has ended takes nothing any more, and nobody waits for it.
                    do { try await self.work(job, for: controller) } catch { return }
                }
            }
            group.cancelAll()
        }
    }

    private func work(_ job: Job, for controller: RunController) async throws {
        switch job {
        case .look(let orders):
            for order in orders {
                guard let evidence = world.withLock({ $0.answer(order, now: SystemClock.now()) }) else { continue }
                try await controller.submit(.evidence(evidence))
            }
        case .step(let step, let attempt, let context):
            carriedOut.withLock { _ = $0.insert(step.id) }
            try await Task.sleep(for: time(step))
            guard let outcome = world.withLock({ $0.carryOut(step, warrant: nil) }) else { return }
            try await controller.submit(.outcome(run: context.run, step: step.id, attempt: attempt, outcome))
        }
    }
}
