// SPDX-License-Identifier: Apache-2.0

package import Gating
import MeshModel
package import Planning

/// What becomes of gates after they opened: the ground of a step that has begun is judged on with each new evidence.
///
///     good --(a requirement of the ground says no)--> regressed --(all of them say yes)--> good
///
/// What is not known (evidence is old, or the node has rebooted) changes neither way: that an agent is silent is told elsewhere.
extension RunMachine {
    /// Whether ground is watched now.
    var isWatching: Bool {
        guard let run, case .build = run.plan.purpose else { return false }
        return !run.isOver || run.plan.spec.policy.watch?.afterRun ?? false
    }

    /// What new evidence under `keys` says about ground that was good, or was not.
    func regressions(under keys: Set<EvidenceKey>, now: Moment) -> [JournalEntry] {
        guard isWatching, !keys.isEmpty, let run else { return [] }
        let judge = judge(now: now)
        return run.standing(on: keys).compactMap { record in
            guard record.status.hasBegun else { return nil }
            let waived = Set(overrides.filter { $0.step == record.step.id && now.wall < $0.until }.map(\.gate))
            var reasons: [Reason] = []
            var isKnown = true
            for requirement in record.step.ground where !waived.contains(requirement.gate) {
                switch judge.judge(requirement) {
                case .pass: continue
                case .unknown: isKnown = false
                case .hold(let found), .deny(let found): reasons += found
                }
            }
            if reasons.isEmpty { return isKnown && record.regression != nil ? .stepRecovered(step: record.step.id) : nil }
            let verdict = Verdict.hold(reasons)
            if let known = record.regression, sameObstacle(known.verdict, verdict) { return nil }
            return .stepRegressed(step: record.step.id, verdict: verdict)
        }
    }

    /// The ground that steps before `step` have lost, where the policy has their successors wait for it.
    package func lostGround(below step: Step) -> Verdict {
        guard let run, run.regressions > 0, run.plan.spec.policy.watch?.holdOnRegression ?? false else { return .pass }
        var open = step.after
        var seen = Set(open)
        var reasons: [Reason] = []
        while let id = open.popLast() {
            guard let record = run[id] else { continue }
            if let regression = record.regression {
                reasons += regression.verdict.reasons.map { reason in
                    var reason = reason
                    reason.detail = "the ground of \(id) has given way: \(reason.detail)"
                    return reason
                }
            }
            open += record.step.after.filter { seen.insert($0).inserted }
        }
        return reasons.isEmpty ? .pass : .hold(reasons)
    }

    /// How old an answer about ground may grow before it is asked for again.
    func watchInterval(_ record: RunStatus.StepRecord, _ key: EvidenceKey, _ run: RunStatus, maxAge: Duration) -> Duration {
        let isLost = record.regression?.verdict.reasons.contains { $0.subject == key.subject } ?? false
        return isLost ? (run.isOver ? Self.slowRecheck : Self.recheck) : maxAge / 2
    }
}

extension Step {
    /// What has to stay true once the step has begun.
    var ground: [Requirement] {
        var found: [Requirement] = []
        for requirement in gates + done where requirement.isGround && !found.contains(requirement) { found.append(requirement) }
        return found
    }
}
