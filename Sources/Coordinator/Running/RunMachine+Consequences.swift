// SPDX-License-Identifier: Apache-2.0

internal import Gating
internal import MeshModel
internal import Planning

/// What follows by itself from where every step stands: its start, its end, what holds it, and the end of the run. Reads only.
extension RunMachine {
    /// Past its deadline by so much, an attempt without a report is looked into.
    private static let grace = Duration.seconds(120)
    /// How long the question of a run that only looks may stay without an answer.
    private static let patience = Duration.seconds(120)

    /// What follows from the state as it is; nothing, when nothing does.
    func consequences(now: Moment) -> [JournalEntry] {
        guard let run else { return [] }
        if run.isOver { return overdue(run, now) }
        var entries: [JournalEntry] = overdue(run, now)
        var active = run.steps.count { $0.status.isActive }
        for record in run.steps where !record.status.isOver {
            switch record.status {
            case .verifying(let outcome, let since):
                entries += settled(record, outcome, since, now: now)
            case .running, .done, .failed: continue
            case .waiting, .held:
                guard run.predecessorsDone(record.step) else { continue }
                if record.step.action == .look {
                    if let entry = answered(record, run, now: now) { entries.append(entry) }
                    continue
                }
                guard let entry = next(record, mayStart: active < run.plan.spec.policy.parallelism, now: now) else { continue }
                if case .stepStarted = entry { active += 1 }
                entries.append(entry)
            }
        }
        return entries.isEmpty ? ending(run) : entries
    }

    /// No report by now: it was lost on the way, or whoever was to make it is gone. Of a run that was stopped too, or nothing could follow it.
    private func overdue(_ run: RunStatus, _ now: Moment) -> [JournalEntry] {
        run.steps.compactMap { record in
            guard case .running(let since) = record.status, now.age(of: since) > record.step.deadline.duration + Self.grace else {
                return nil
            }
            return .stepUnsettled(step: record.step.id, attempt: record.attempts)
        }
    }

    /// A step whose turn has come: already true, held, or started.
    private func next(_ record: RunStatus.StepRecord, mayStart: Bool, now: Moment) -> JournalEntry? {
        guard let obstacle = obstacle(of: record.step, now: now) else { return .stepSkipped(step: record.step.id) }
        if obstacle.passes {
            return mayStart ? .stepStarted(step: record.step.id, attempt: record.attempts + 1) : nil
        }
        if case .held(let known, _) = record.status, sameObstacle(known, obstacle) { return nil }
        return .stepHeld(step: record.step.id, verdict: obstacle)
    }

    /// A question is over when it is answered, one way or the other; without an answer it waits as long as its deadline says.
    private func answered(_ record: RunStatus.StepRecord, _ run: RunStatus, now: Moment) -> JournalEntry? {
        let id = record.step.id
        let answer = judge(now: now, notBefore: run.notBefore(record.step)).judge(record.step.done)
        func failed(_ words: String) -> JournalEntry {
            let reasons = answer.reasons.map(\.detail)
            let more = reasons.count > 3 ? "; and \(reasons.count - 3) more" : ""
            return .stepFailed(step: id, attempt: record.attempts, problem: words + reasons.prefix(3).joined(separator: "; ") + more)
        }
        switch answer {
        case .pass: return .stepSkipped(step: id)
        case .hold, .deny: return failed("")
        case .unknown:
            // Only reading a disk back takes long; all else is answered soon or not at all.
            let quick = judge(now: now, notBefore: run.notBefore(record.step)).judge(record.step.done.filter { $0.gate != .blankProven })
            let limit =
                if case .unknown = quick { min(Self.patience, record.step.deadline.duration) } else { record.step.deadline.duration }
            if now.age(of: run.startedAt) > limit { return failed("nothing is known after \(limit.briefly): ") }
            if case .held(let known, _) = record.status, sameObstacle(known, answer) { return nil }
            return .stepHeld(step: id, verdict: answer)
        }
    }

    /// The world decides whether an attempt succeeded, by evidence taken after the report.
    private func settled(_ record: RunStatus.StepRecord, _ outcome: Outcome, _ since: Moment, now: Moment) -> [JournalEntry] {
        let id = record.step.id
        var wanted = record.step.done + (record.step.proof ?? [])
        if case .unknown = outcome, record.step.action.mustNotRepeat {
            // A disk looks blank long before its wipe has ended; while somebody holds it, the wipe goes on.
            wanted += record.step.gates.filter { $0.gate == .diskUnused }
        }
        var (notBefore, patience) = (since, record.step.deadline.duration)
        if case .unknown = outcome, record.step.action.goesOnUnseen {
            // Whoever writes tells nobody, and its disk may look blank and unused meanwhile. Only what is seen when it must have ended counts.
            guard now.age(of: since) > patience else { return [] }
            notBefore = since.advanced(by: patience)
            patience += record.step.settling.duration
        }
        let verdict = judge(now: now, notBefore: notBefore).judge(wanted)
        if verdict.passes { return [.stepFinished(step: id, attempt: record.attempts)] }
        let seen: Bool
        if case .unknown = verdict { seen = false } else { seen = true }
        if case .unknown(let why) = outcome {
            // An interrupted attempt: what is seen now is what it left behind. A wipe is never begun again by itself: the same task is
            // handed to the agent once more, which answers with the report it has, and until then there is nothing to conclude.
            if record.step.action.mustNotRepeat {
                guard now.age(of: since) > patience else { return [] }
                return [.stepFailed(step: id, attempt: record.attempts, problem: "\(why), and no report has come since")]
            }
            return seen ? [.stepReturned(step: id, attempt: record.attempts)] : []
        }
        // A denial is no matter of waiting: what was to be is seen not to be.
        if case .deny(let reasons) = verdict {
            let words = reasons.prefix(3).map(\.detail).joined(separator: "; ")
            return [.stepFailed(step: id, attempt: record.attempts, problem: "it was reported as done (\(outcome.words)), but \(words)")]
        }
        guard now.age(of: since) > record.step.settling.duration else { return [] }
        let reasons = verdict.reasons.prefix(3).map(\.detail).joined(separator: "; ")
        return [
            .stepFailed(
                step: id, attempt: record.attempts,
                problem: "it was reported as done (\(outcome.words)), but after \(record.step.settling): \(reasons)")
        ]
    }

    /// A run ends when every step is over, or when nothing is left that could still go on.
    private func ending(_ run: RunStatus) -> [JournalEntry] {
        if run.steps.allSatisfy({ $0.status.isDone }) { return [.runFinished(run: run.id, ending: .succeeded)] }
        guard run.steps.contains(where: { if case .failed = $0.status { true } else { false } }) else { return [] }
        let blocked = blockedByFailure(run)
        let goesOn = run.steps.contains { !$0.status.isOver && !blocked.contains($0.step.id) }
        return goesOn ? [] : [.runFinished(run: run.id, ending: .failed)]
    }

    private func blockedByFailure(_ run: RunStatus) -> Set<StepID> {
        var blocked: Set<StepID> = []
        for record in run.steps {
            if case .failed = record.status { blocked.insert(record.step.id) }
            if record.step.after.contains(where: blocked.contains) { blocked.insert(record.step.id) }
        }
        return blocked
    }
}
