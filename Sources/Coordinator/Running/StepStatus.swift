// SPDX-License-Identifier: Apache-2.0

package import Gating
package import MeshModel
package import Planning

/// Where a step stands.
///
///     waiting ──> held <──> (gates open) ──> running ──> verifying ──> done
///        │          │                           │            │
///        │          └── already true ──> done   │            ├── not true in time ──> failed
///        └───────────── already true ──> done   └── coordinator restarted ──> verifying (unsettled)
///                                                                              ├── true ──> done
///                                                                              ├── not true, repeatable ──> waiting
///                                                                              └── not true, a wipe ──> failed
package enum StepStatus: Hashable, Sendable, Codable {
    case waiting
    case held(Verdict, since: Moment)
    case running(since: Moment)
    /// Reported (or interrupted) at `since`; evidence taken later decides.
    case verifying(Outcome, since: Moment)
    case done(skipped: Bool, at: Moment)
    case failed(String, at: Moment)

    package var isOver: Bool {
        switch self {
        case .done, .failed: true
        case .waiting, .held, .running, .verifying: false
        }
    }

    package var isDone: Bool { if case .done = self { true } else { false } }

    package var isActive: Bool {
        switch self {
        case .running, .verifying: true
        case .waiting, .held, .done, .failed: false
        }
    }

    /// Its gates have opened, or it was true before.
    package var hasBegun: Bool {
        switch self {
        case .running, .verifying, .done: true
        case .waiting, .held, .failed: false
        }
    }

    /// True while an attempt's own account is still to come.
    package var isAwaited: Bool {
        switch self {
        case .running, .verifying(.unknown, _): true
        case .verifying, .waiting, .held, .done, .failed: false
        }
    }

    /// One word for people and machines.
    package var word: String {
        switch self {
        case .waiting: "waiting"
        case .held: "held"
        case .running: "running"
        case .verifying: "verifying"
        case .done(let skipped, _): skipped ? "unchanged" : "done"
        case .failed: "failed"
        }
    }
}

/// One run as the journal tells it.
package struct RunStatus: Hashable, Sendable {
    package struct StepRecord: Hashable, Sendable {
        package var step: Step
        package var status: StepStatus
        package var attempts: Int
        /// What the last attempt reported, kept for people after the step has gone on.
        package var lastReport: Outcome?
        /// When it came: what was seen before does not show what the attempt did.
        package var reportedAt: Moment?
        /// What of its ground has given way since its gates opened.
        package var regression: Regression?
    }

    /// Gates that hold again.
    package struct Regression: Hashable, Sendable {
        package var verdict: Verdict
        package var since: Moment
    }
    package var id: RunID
    package var plan: Plan
    package var by: String
    package var startedAt: Moment
    /// In the order of the plan.
    package var steps: [StepRecord]
    package var ending: RunEnding?
    package var endedAt: Moment?

    /// How often ground gave way in this run.
    package var regressions = 0

    private var index: [StepID: Int]
    private let groundIndex: [EvidenceKey: [Int]]

    package init(id: RunID, plan: Plan, by: String, startedAt: Moment) {
        self.id = id
        self.plan = plan
        self.by = by
        self.startedAt = startedAt
        steps = plan.steps.map { StepRecord(step: $0, status: .waiting, attempts: 0) }
        var ground: [EvidenceKey: [Int]] = [:]
        for (position, step) in plan.steps.enumerated() {
            for key in Set(step.ground.flatMap(\.needs)) { ground[key, default: []].append(position) }
        }
        groundIndex = ground
        index = Dictionary(plan.steps.enumerated().map { ($0.element.id, $0.offset) }, uniquingKeysWith: { first, _ in first })
    }

    package subscript(_ id: StepID) -> StepRecord? {
        get { index[id].map { steps[$0] } }
        set {
            guard let position = index[id], let newValue else { return }
            steps[position] = newValue
        }
    }

    package var isOver: Bool { ending != nil }
    /// Steps whose ground is judged by evidence under `keys`, in the order of the plan.
    func standing(on keys: Set<EvidenceKey>) -> [StepRecord] {
        Set(keys.flatMap { groundIndex[$0] ?? [] }).sorted().map { steps[$0] }
    }
    /// Steps that changed something.
    package var changed: Int { steps.count { if case .done(false, _) = $0.status { true } else { false } } }
    /// The newest report of anything.
    package var newestReport: Moment? { steps.compactMap(\.reportedAt).max { $0.boot < $1.boot } }

    /// Evidence for a step counts only when it is younger than what the steps before it did. A run that only looks has been asked to look now.
    package func notBefore(_ step: Step) -> Moment? {
        if plan.purpose.onlyLooks { return startedAt }
        return step.after.compactMap { self[$0]?.reportedAt }.max { $0.boot < $1.boot }
    }

    /// Evidence taken before this says nothing new to some step.
    package var newsFrom: Moment? {
        if plan.purpose.onlyLooks { return startedAt }
        // An attempt that was cut off has no report, and is looked into all the same.
        let looks = steps.compactMap { if case .verifying(_, let since) = $0.status { since } else { nil } }
        return (looks + [newestReport].compactMap(\.self)).max { $0.boot < $1.boot }
    }

    /// How often the same facts again are news, to a step that waits until they have been so for a while, or by a gate that looks at the feed,
    /// where what was heard is old after seconds; `nil` when none does.
    func pulse(of key: EvidenceKey) -> Duration? {
        if key.probe == .telemetry, steps.contains(where: { isTurn(of: $0) && $0.step.gates.contains { $0.needs.contains(key) } }) {
            return Self.feedPulse
        }
        return steps.flatMap { record -> [Duration] in
            guard case .verifying = record.status else { return [] }
            return (record.step.proof ?? []).compactMap { requirement in
                guard case .meshSteady(_, let span) = requirement, requirement.needs.contains(key) else { return nil }
                return min(.seconds(10), span.duration / 4)
            }
        }.min()
    }

    private static let feedPulse = Duration.seconds(4)

    /// Whether nothing but its gates keeps a step.
    private func isTurn(of record: StepRecord) -> Bool {
        switch record.status {
        case .waiting, .held: predecessorsDone(record.step)
        case .running, .verifying, .done, .failed: false
        }
    }

    package func predecessorsDone(_ step: Step) -> Bool {
        step.after.allSatisfy { self[$0]?.status.isDone ?? false }
    }
}
