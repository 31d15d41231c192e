// SPDX-License-Identifier: Apache-2.0

package import MeshModel
import Planning
package import Running
import Synchronization

/// What the dashboard knows of the journal: the last runs, and the last events that a person would read.
package final class RecentPast: Sendable {
    package struct Run: Hashable, Sendable {
        package var id: RunID
        package var purpose: String
        package var by: String
        package var startedAt: Timestamp
        package var steps: Int
        /// Steps that changed something.
        package var changed = 0
        package var failed = 0
        package var endedAt: Timestamp?
        package var ending: RunEnding?
    }

    private struct State {
        var runs: [Run] = []
        var current: RunID?
        var events: [FeedEvent] = []
    }

    /// Evidence comes every few seconds and tells a person nothing.
    package static let kinds = [
        "alarm", "stepFailed", "stepHeld", "stepRegressed", "stepRecovered", "stepStarted", "stepReported", "stepFinished", "stepSkipped",
        "stepUnsettled", "stepReturned", "warrantTaken", "overrideGranted", "runStarted", "runFinished", "agentEnrolled", "agentRevoked",
        "bootSeen", "coordinatorStarted",
    ]
    private static let shown = Set(kinds)
    static let longestRuns = 50
    static let longestEvents = 200

    private let state = Mutex(State())

    package init() {}

    /// Takes in durable records, in order: those of the replay, and every later one.
    package func take(_ records: [JournalRecord]) {
        state.withLock { state in for record in records { Self.fold(record, into: &state) } }
    }

    /// The newest first.
    package var runs: [Run] { state.withLock { $0.runs.reversed() } }
    package var events: [FeedEvent] { state.withLock { $0.events.reversed() } }

    private static func fold(_ record: JournalRecord, into state: inout State) {
        switch record.entry {
        case .runStarted(let run, let plan, let by):
            state.current = run
            let started = Run(id: run, purpose: plan.purpose.word, by: by, startedAt: record.at.wall, steps: plan.steps.count)
            keep(started, in: &state.runs, atMost: longestRuns)
        case .stepFinished: change(&state) { $0.changed += 1 }
        case .stepFailed: change(&state) { $0.failed += 1 }
        case .runFinished(_, let ending):
            change(&state) { run in
                run.ending = ending
                run.endedAt = record.at.wall
            }
        default: break
        }
        let event = FeedEvent(record, run: state.current)
        if shown.contains(event.kind) { keep(event, in: &state.events, atMost: longestEvents) }
    }

    private static func change(_ state: inout State, _ body: (inout Run) -> Void) {
        guard let last = state.runs.indices.last else { return }
        body(&state.runs[last])
    }

    private static func keep<Value>(_ value: Value, in list: inout [Value], atMost limit: Int) {
        list.append(value)
        if list.count > limit { list.removeFirst(list.count - limit) }
    }
}
