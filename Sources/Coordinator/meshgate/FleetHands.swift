// SPDX-License-Identifier: Apache-2.0

import FleetGateway
import Logging
import MeshModel
import Planning
import Running
import ServiceLifecycle
import Synchronization
import ToolDrivers

/// Carries out what the run decides: steps with tools through `StepDriver`, wipes and probes through the fleet. Nothing here decides.
///
/// A `Service`: all its work lives in the task group of `run` and ends with it.
final class FleetHands: Hands, Service {
    /// How results come back.
    typealias Deliver = @Sendable (Input) async -> Void

    private let driver: StepDriver
    private let look: @Sendable (EvidenceKey, Plan) async -> Evidence
    private let talos: TalosWipe
    private let teardown: TeardownDriver
    private let seeds: SeedBook
    private let echoes: EchoDesk
    private let dispatch: @Sendable (NodeTask) async -> DispatchOutcome
    private let deliver: Deliver
    private let isWaitedFor: @Sendable (StepTask) -> Bool
    private let log: Logger
    private let inFlight = Mutex<[EvidenceKey: Int64]>([:])
    private let counter = Atomic<UInt64>(0)
    private let jobs: AsyncStream<Job>
    private let queue: AsyncStream<Job>.Continuation

    private enum Job: Sendable {
        case step(Step, attempt: Int, WarrantEnvelope?, HandsContext)
        case observe(EvidenceKey, HandsContext)
        case probe(NodeTask, HandsContext)
    }

    /// A probe without an answer is asked again after this; one that reads a disk takes its time.
    private static let probePatience: Int64 = 15_000
    private static let proofPatience: Int64 = 6 * 3_600_000
    private static let resend = Duration.seconds(20)
    /// Probes may be answered by a node whose clock is wrong: that is one of the things they are to find out.
    private static let probeDeadline = Duration.seconds(3600)

    /// - Parameters:
    ///   - look: what the coordinator sees by itself, through its tools or on the feed.
    ///   - isWaitedFor: whether the run still waits for this attempt.
    init(
        driver: StepDriver, look: @escaping @Sendable (EvidenceKey, Plan) async -> Evidence, talos: TalosWipe, teardown: TeardownDriver,
        seeds: SeedBook, echoes: EchoDesk,
        dispatch: @escaping @Sendable (NodeTask) async -> DispatchOutcome,
        deliver: @escaping Deliver,
        isWaitedFor: @escaping @Sendable (StepTask) -> Bool, log: Logger
    ) {
        self.driver = driver
        self.look = look
        self.talos = talos
        self.teardown = teardown
        self.seeds = seeds
        self.echoes = echoes
        self.dispatch = dispatch
        self.deliver = deliver
        self.isWaitedFor = isWaitedFor
        self.log = log
        // Bounded by the run: one job per started step, and one per evidence key in flight.
        (jobs, queue) = AsyncStream.makeStream()
    }

    func begin(_ step: Step, attempt: Int, warrant: WarrantEnvelope?, context: HandsContext) async {
        log.info("step started", metadata: ["step": "\(step.id)", "attempt": "\(attempt)"])
        queue.yield(.step(step, attempt: attempt, warrant, context))
    }

    func observe(_ orders: [ProbeOrder], context: HandsContext) async {
        for order in orders where claim(order.key, expires: order.probe != nil, now: context.now) {
            if let probe = order.probe, case .node(let node) = order.key.subject {
                guard let id = taskID(.probe(order.key.probe), context) else { continue }
                if case .blankness(_, let seed) = probe { seeds.note(seed, for: id) }
                queue.yield(
                    .probe(
                        NodeTask(
                            id: id, node: node, epoch: context.epoch, deadline: context.now.wall + Self.probeDeadline, order: .probe(probe)),
                        context))
            } else {
                queue.yield(.observe(order.key, context))
            }
        }
    }

    /// An answer has come, or will never come: the key may be asked again.
    func release(_ key: EvidenceKey) { inFlight.withLock { $0[key] = nil } }

    func run() async throws {
        // Graceful shutdown cancels everything under way: tools end with us, and the next start finds out what they did.
        await cancelWhenGracefulShutdown {
            await withDiscardingTaskGroup { group in
                for await job in self.jobs { group.addTask { await self.work(job) } }
                group.cancelAll()
            }
        }
    }

    /// Our own looks have their drivers' deadlines and always end; two of a kind at once would get in each other's way.
    private func claim(_ key: EvidenceKey, expires: Bool, now: Moment) -> Bool {
        inFlight.withLock { inFlight in
            let patience = key.probe == .blankness ? Self.proofPatience : Self.probePatience
            if let since = inFlight[key], !expires || now.boot - since < patience { return false }
            inFlight[key] = now.boot
            return true
        }
    }

    private func work(_ job: Job) async {
        switch job {
        case .probe(var task, let context):
            guard case .probe(let probe) = task.order else { return }
            task.order = .probe(await echoes.completed(probe, epoch: context.epoch, now: context.now))
            if await dispatch(task) != .sent { release(EvidenceKey(.node(task.node), probe.kind)) }
        case .observe(let key, let context):
            let evidence = await look(key, context.plan)
            release(key)
            await deliver(.evidence(evidence))
        case .step(let step, let attempt, let warrant, let context):
            switch step.action {
            case .wipe(let node, _, _, nil): await wipe(step, attempt: attempt, node: node, warrant: warrant, context: context)
            case .wipe(_, _, _, .talosAPI):
                let outcome: Outcome
                if let warrant {
                    outcome = await talos.carryOut(step, plan: context.plan, envelope: warrant)
                } else {
                    outcome = .refused("there is no warrant for it")
                }
                // Stopped with the coordinator: what Talos made of it is not known.
                if Task.isCancelled { return }
                await deliver(.outcome(run: context.run, step: step.id, attempt: attempt, outcome))
            default:
                let outcome =
                    if case .undo = step.action {
                        await teardown.carryOut(step, plan: context.plan, warrant: warrant)
                    } else {
                        await driver.carryOut(step, plan: context.plan, warrant: warrant)
                    }
                // Stopped with the coordinator, not by the tool: the next start settles it by looking.
                if Task.isCancelled { return }
                log.info("step reported", metadata: ["step": "\(step.id)", "outcome": "\(outcome.words)"])
                await deliver(.outcome(run: context.run, step: step.id, attempt: attempt, outcome))
            }
        }
    }

    private func taskID(_ purpose: ProbeTask.Purpose, _ context: HandsContext) -> TaskID? {
        ProbeTask(epoch: context.epoch, purpose: purpose, number: counter.wrappingAdd(1, ordering: .relaxed).newValue).id
    }

    /// Hands the same task over until it is sent; the agent knows it by its id. The report comes back through the gateway.
    private func wipe(_ step: Step, attempt: Int, node: NodeID, warrant: WarrantEnvelope?, context: HandsContext) async {
        guard let warrant else {
            return await deliver(.outcome(run: context.run, step: step.id, attempt: attempt, .refused("there is no warrant for it")))
        }
        let order = StepTask(run: context.run, step: step.id, attempt: attempt)
        guard let id = order.id else {
            return await deliver(.outcome(run: context.run, step: step.id, attempt: attempt, .refused("its task id would be too long")))
        }
        let task = NodeTask(
            id: id, node: node, epoch: context.epoch, deadline: context.now.wall + step.deadline.duration, order: .wipe(warrant))
        var wasSent = false
        // Sent is not received: the agent knows a task by its id, so it is sent again until its report has come.
        while isWaitedFor(order), !Task.isCancelled {
            let sent = await dispatch(task) == .sent
            wasSent = wasSent || sent
            do {
                try await Task.sleep(for: sent ? Self.resend : .seconds(1))
            } catch {
                return
            }
        }
        if !wasSent, !Task.isCancelled {
            await deliver(.outcome(run: context.run, step: step.id, attempt: attempt, .refused("it was not sent: the run ended before")))
        }
    }
}

/// The task id of a step's attempt, and back: a report names only its task.
struct StepTask: Hashable, Sendable {
    var run: RunID
    var step: StepID
    var attempt: Int

    var id: TaskID? { TaskID("step:\(run):\(step):\(attempt)") }

    init(run: RunID, step: StepID, attempt: Int) {
        self.run = run
        self.step = step
        self.attempt = attempt
    }

    init?(_ id: TaskID) {
        let parts = id.text.split(separator: ":")
        guard parts.count == 4, parts[0] == "step", let run = RunID(String(parts[1])), let step = StepID(String(parts[2])),
            let attempt = Int(parts[3])
        else { return nil }
        self.init(run: run, step: step, attempt: attempt)
    }
}
