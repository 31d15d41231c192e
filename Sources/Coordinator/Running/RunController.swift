// SPDX-License-Identifier: Apache-2.0

package import MeshModel
import Planning
import Synchronization

/// The one loop that owns the run: drain the inbox, decide, one durable append, act, answer.
///
/// The machine lives inside `run()` alone. Everybody else sees the snapshot of the last append.
package final class RunController: Sendable {
    private let journal: any Journal
    private let hands: any Hands
    private let now: @Sendable () -> Moment
    private let seed: @Sendable () throws -> Digest
    private let committed: @Sendable ([JournalRecord]) -> Void
    private let shared: Mutex<Shared>
    private let wakeUps: AsyncStream<Void>
    private let wakeUp: AsyncStream<Void>.Continuation

    private struct Shared {
        var snapshot: RunMachine
        var head: JournalHead
        var inbox: [Submission] = []
        var closed = false
    }

    private struct Submission {
        let input: Input
        let answer: CheckedContinuation<Result<JournalHead, any Error>, Never>
    }

    /// Why a submission could not even be judged.
    package enum ControllerError: Error, CustomStringConvertible {
        case closed
        case overloaded
        package var description: String {
            switch self {
            case .closed: "the coordinator is stopping; ask again when it is back"
            case .overloaded: "the coordinator has too many unanswered requests; ask again in a moment"
            }
        }
    }

    /// More submissions than this wait for no answer but are refused: every queue has an end.
    private static let longestInbox = 65_536

    /// - Parameters:
    ///   - machine: the state after replay.
    ///   - seed: 32 unguessable bytes at each call.
    ///   - committed: told of every record after it is durable, in order, from the loop; it must not wait.
    package init(
        machine: RunMachine, head: JournalHead, journal: any Journal, hands: any Hands, now: @escaping @Sendable () -> Moment,
        seed: @escaping @Sendable () throws -> Digest, committed: @escaping @Sendable ([JournalRecord]) -> Void
    ) {
        self.journal = journal
        self.hands = hands
        self.now = now
        self.seed = seed
        self.committed = committed
        shared = Mutex(Shared(snapshot: machine, head: head))
        (wakeUps, wakeUp) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
    }

    /// The state after the last durable append.
    package var snapshot: RunMachine { shared.withLock { $0.snapshot } }
    package var head: JournalHead { shared.withLock { $0.head } }

    /// Hands an input over and returns when all that follows from it is durable.
    @discardableResult
    package func submit(_ input: Input) async throws -> JournalHead {
        try await withCheckedContinuation { answer in
            let refusal: ControllerError? = shared.withLock { shared in
                if shared.closed { return .closed }
                if shared.inbox.count >= Self.longestInbox { return .overloaded }
                shared.inbox.append(Submission(input: input, answer: answer))
                return nil
            }
            if let refusal { answer.resume(returning: .failure(refusal)) } else { wakeUp.yield() }
        }.get()
    }

    /// Runs until the task is cancelled or the journal fails. A journal that fails ends the process: what it holds is no longer known.
    package func run(boot: BootID) async throws {
        var machine = snapshot
        defer { close() }
        try await commit([.started(boot: boot)], into: &machine)
        await resume(machine)
        for await _ in wakeUps {
            while true {
                let batch = shared.withLock { shared in
                    defer { shared.inbox.removeAll(keepingCapacity: true) }
                    return shared.inbox
                }
                if batch.isEmpty { break }
                try await work(batch, into: &machine)
            }
        }
    }

    /// Wakes the loop so that time can pass: evidence ages, probes come due. Call it about once a second.
    package func tick() async throws {
        try await submit(.tick)
        await ask(snapshot, seed: try seed())
    }

    // MARK: private

    private func ask(_ machine: RunMachine, seed: Digest) async {
        guard let run = machine.run else { return }
        let moment = now()
        let orders = machine.probesDue(now: moment, seed: seed)
        guard !orders.isEmpty else { return }
        await hands.observe(orders, context: HandsContext(plan: run.plan, run: run.id, epoch: machine.epoch, now: moment))
    }

    /// Whether an entry raises questions that were not due before: a step has moved, or an answer was under way when it did and came too early
    /// to count. Answers of agents are quick and many; what they leave open waits for the next tick.
    private static func raisesQuestions(_ entry: JournalEntry) -> Bool {
        switch entry {
        case .runStarted, .stepReported, .stepFinished, .stepSkipped, .stepUnsettled, .stepReturned: true
        case .evidenceTaken(let evidence): isOwnLook(evidence.key)
        case .evidenceRenewed(let key, _): isOwnLook(key)
        case .coordinatorStarted, .warrantTaken, .overrideGranted, .stepHeld, .stepStarted, .stepFailed, .stepRegressed, .stepRecovered,
            .runFinished,
            .bootSeen, .agentEnrolled, .agentRevoked, .alarm:
            false
        }
    }

    private static func isOwnLook(_ key: EvidenceKey) -> Bool { if case .node = key.subject { false } else { true } }

    private func work(_ batch: [Submission], into machine: inout RunMachine) async throws {
        let moment = now()
        var trial = machine
        let (entries, refusals) = trial.take(batch.map(\.input), now: moment)
        do {
            try await persist(entries, at: moment, machine: trial)
        } catch {
            for submission in batch { submission.answer.resume(returning: .failure(error)) }
            throw error
        }
        machine = trial
        let head = head
        for (index, submission) in batch.enumerated() {
            submission.answer.resume(returning: refusals[index].map { .failure($0) } ?? .success(head))
        }
        await act(on: entries, machine)
        // Not left to the next tick, which may be a second away. Without a seed the tick says what is wrong with it.
        if entries.contains(where: Self.raisesQuestions), let seed = try? seed() { await ask(machine, seed: seed) }
    }

    private func commit(_ inputs: [Input], into machine: inout RunMachine) async throws {
        let moment = now()
        var entries: [JournalEntry] = []
        for input in inputs { entries += machine.take(input, now: moment) }
        try await persist(entries, at: moment, machine: machine)
        await act(on: entries.filter { if case .stepStarted = $0 { true } else { false } }, machine)
    }

    private func persist(_ entries: [JournalEntry], at moment: Moment, machine: RunMachine) async throws {
        guard !entries.isEmpty else { return }
        let head = try await journal.append(entries, at: moment)
        shared.withLock { shared in
            shared.snapshot = machine
            shared.head = head
        }
        let first = head.sequence - UInt64(entries.count) + 1
        committed(entries.enumerated().map { JournalRecord(sequence: first + UInt64($0.offset), at: moment, entry: $0.element) })
    }

    private func act(on entries: [JournalEntry], _ machine: RunMachine) async {
        for case .stepStarted(let id, let attempt) in entries { await begin(id, attempt, machine) }
    }

    /// After a restart: attempts that must not be repeated are asked about under their old task id.
    private func resume(_ machine: RunMachine) async {
        for record in machine.run?.steps ?? [] {
            guard case .verifying(.unknown, _) = record.status, record.step.action.mustNotRepeat else { continue }
            // Talos knows no task by its id: asked again it would wipe again. What became of it is settled by looking.
            if case .wipe(_, _, _, .talosAPI) = record.step.action { continue }
            await begin(record.step.id, record.attempts, machine)
        }
    }

    private func begin(_ id: StepID, _ attempt: Int, _ machine: RunMachine) async {
        // A stop may have come in the same batch; what is not under way in the run that goes on is not begun.
        guard let run = machine.run, !run.isOver, let record = run[id], record.attempts == attempt, record.status.isActive else { return }
        let context = HandsContext(plan: run.plan, run: run.id, epoch: machine.epoch, now: now())
        await hands.begin(record.step, attempt: attempt, warrant: machine.warrants[id]?.envelope, context: context)
    }

    private func close() {
        let left = shared.withLock { shared in
            shared.closed = true
            defer { shared.inbox.removeAll() }
            return shared.inbox
        }
        for submission in left { submission.answer.resume(returning: .failure(ControllerError.closed)) }
    }
}
