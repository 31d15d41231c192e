// SPDX-License-Identifier: Apache-2.0

import MeshModel
import Planning
package import Running

/// Folds the journal into spans. A step's span begins with its first entry and ends when it is done, skipped or failed; what happens to it
/// afterwards is told by the run's span, which ends with the run and ends all that is open.
///
///     runStarted ──> [ stepHeld | stepStarted ──> … ──> stepFinished | stepFailed | stepSkipped ]* ──> runFinished
package struct RunSpans: Sendable {
    private var run: RunSpan?
    private var open: [StepID: RunSpan] = [:]
    /// Where reading has to begin after a restart for everything that is open now: the entry that began the run.
    package private(set) var openSince: UInt64?

    package init() {}

    /// Takes the next record; returns the spans that are over with it.
    package mutating func take(_ record: JournalRecord) -> [RunSpan] {
        let event = FeedEvent(record, run: run?.run)
        switch record.entry {
        case .runStarted(let id, let plan, let by):
            // A run that was never finished can only be one whose journal was cut; it ends where the next one begins.
            let ended = endRun(.open, "open", at: record.at.wall)
            var span = RunSpan(run: id, start: record.at.wall)
            span.by = by
            span.plan = plan.digest.hex
            run = span
            openSince = record.sequence
            return ended
        case .runFinished(_, let ending):
            let words: RunSpan.Ending =
                switch ending {
                case .succeeded: .good
                case .failed: .bad(event.text)
                case .stopped: .open
                }
            return endRun(words, ending.rawValue, at: record.at.wall)
        case .stepHeld, .stepReported, .stepUnsettled, .stepReturned:
            note(event)
        case .stepStarted(_, let attempt):
            note(event)
            if let step = event.step { open[step]?.attempts = attempt }
        case .stepSkipped: return end(event, .good, "unchanged")
        case .stepFinished: return end(event, .good, "done")
        case .stepFailed(_, _, let problem): return end(event, .bad(problem), "failed")
        case .stepRegressed, .stepRecovered, .overrideGranted, .warrantTaken, .alarm, .agentEnrolled, .agentRevoked: run?.add(event)
        case .coordinatorStarted, .evidenceTaken, .evidenceRenewed, .bootSeen: break
        }
        return []
    }

    private mutating func note(_ event: FeedEvent) {
        guard let run, let step = event.step else { return }
        var span = open[step] ?? RunSpan(run: run.run, step: step, start: event.time)
        span.cluster = event.cluster
        span.node = event.node
        span.add(event)
        open[step] = span
    }

    private mutating func end(_ event: FeedEvent, _ ending: RunSpan.Ending, _ state: String) -> [RunSpan] {
        note(event)
        guard let step = event.step, var span = open.removeValue(forKey: step) else { return [] }
        span.end = max(span.start, event.time)
        span.ending = ending
        span.state = state
        return [span]
    }

    private mutating func endRun(_ ending: RunSpan.Ending, _ state: String, at time: Timestamp) -> [RunSpan] {
        guard var ended = run else { return [] }
        ended.end = max(ended.start, time)
        ended.ending = ending
        ended.state = state
        let steps = open.values.sorted { ($0.start, $0.step?.text ?? "") < ($1.start, $1.step?.text ?? "") }.map { step in
            var step = step
            step.end = max(step.start, time)
            return step
        }
        (run, open, openSince) = (nil, [:], nil)
        return steps + [ended]
    }
}
