// SPDX-License-Identifier: Apache-2.0

import MeshModel
import Planning
import Running
import Synchronization

/// How far running steps have come, as agents tell of wipes and tools of what they make. Shown and forgotten: nothing is decided by it, and it
/// is in no journal.
final class ProgressBoard: Sendable {
    private struct Entry {
        var progress: StepProgress
        var at: Int64
    }

    private let entries = Mutex<[StepTask: Entry]>([:])
    /// News that come faster than this add nothing to look at.
    private static let shortest: Int64 = 100

    /// What is to be shown of a wipe now; `nil` for what nobody waits for, and for what comes too soon.
    func take(_ progress: TaskProgress, of node: NodeID, machine: RunMachine, now: Moment) -> (step: StepID, progress: StepProgress)? {
        guard let task = StepTask(progress.task), let run = machine.run, run.id == task.run, let record = run[task.step],
            record.attempts == task.attempt, record.status.isActive, case .wipe(let wiped, _, _, nil) = record.step.action, wiped == node
        else { return nil }
        return entries.withLock { entries in
            forgetWhatIsOver(run, &entries)
            var new = StepProgress(phase: .init(progress.phase), done: progress.done, total: progress.total, rate: nil)
            if let old = entries[task] {
                let passed = now.boot - old.at
                guard passed >= Self.shortest else { return nil }
                new.rate = Self.rate(old.progress, progress.done, milliseconds: passed)
            }
            entries[task] = Entry(progress: new, at: now.boot)
            return (task.step, new)
        }
    }

    /// The same for a step that a tool of the coordinator's carries out. Its news are few and each counts, so the newest is always kept; `nil`
    /// where it comes too soon to be told to followers.
    func take(_ progress: StepProgress, of step: StepID, machine: RunMachine, now: Moment) -> StepProgress? {
        guard let run = machine.run, let record = run[step], case .running = record.status else { return nil }
        let task = StepTask(run: run.id, step: step, attempt: record.attempts)
        return entries.withLock { entries in
            forgetWhatIsOver(run, &entries)
            let isDue = entries[task].map { now.boot - $0.at >= Self.shortest } ?? true
            entries[task] = Entry(progress: progress, at: isDue ? now.boot : entries[task]?.at ?? now.boot)
            return isDue ? progress : nil
        }
    }

    private func forgetWhatIsOver(_ run: RunStatus, _ entries: inout [StepTask: Entry]) {
        entries = entries.filter { $0.key.run == run.id && run[$0.key.step]?.status.isActive == true }
    }

    func progress(of task: StepTask) -> StepProgress? { entries.withLock { $0[task]?.progress } }

    /// Smoothed, so that a pause of the disk does not make the remaining time jump.
    private static func rate(_ old: StepProgress, _ done: UInt64, milliseconds: Int64) -> UInt64? {
        guard done >= old.done else { return old.rate }
        let now = Double(done - old.done) * 1000 / Double(max(1, milliseconds))
        let smooth = old.rate.map { Double($0) * 0.7 + now * 0.3 } ?? now
        return UInt64(min(smooth, 1e15))
    }
}
