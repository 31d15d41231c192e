// SPDX-License-Identifier: Apache-2.0

import Gating
package import MeshModel
import Planning

/// Which questions the present state needs answered. Pure, like the machine: the controller asks it at every tick.
package struct ProbeOrder: Hashable, Sendable {
    package var key: EvidenceKey
    /// What to ask an agent; absent for what the coordinator's own drivers observe.
    package var probe: NodeTask.Probe?
    package init(key: EvidenceKey, probe: NodeTask.Probe?) {
        self.key = key
        self.probe = probe
    }
}

extension RunMachine {
    /// How often a question is repeated while a step is held by its answer or waits to see its effect.
    package static let recheck = Duration.seconds(2)
    /// The same while nothing but a person's signature is missing.
    package static let slowRecheck = Duration.seconds(30)

    /// The probes that are due at `now`: for steps whose turn it is, and once for all others, so that `explain` can tell early.
    package func probesDue(now: Moment) -> [ProbeOrder] {
        guard let run, !run.isOver else { return [] }
        let maxAge = run.plan.spec.policy.evidenceMaxAge.duration
        var dueAfter: [EvidenceKey: Duration] = [:]
        var targets: [NodeID: Set<ReachTarget>] = [:]
        for record in run.steps where !record.status.isOver {
            for requirement in record.step.gates + record.step.done {
                for key in requirement.needs {
                    let limit = patience(record, key: key, ready: run.predecessorsDone(record.step), maxAge: maxAge)
                    dueAfter[key] = min(dueAfter[key] ?? limit, limit)
                }
                if case .reaches(let node, let wanted) = requirement { targets[node, default: []].formUnion(wanted) }
            }
        }
        return dueAfter.filter { isDue($0.key, after: $0.value, now: now) }.keys.sorted().map { key in
            ProbeOrder(key: key, probe: probe(for: key, targets: targets, now: now))
        }
    }

    /// How old an answer may grow before it is asked for again.
    private func patience(_ record: RunStatus.StepRecord, key: EvidenceKey, ready: Bool, maxAge: Duration) -> Duration {
        switch record.status {
        case .verifying: return Self.recheck
        case .held(.unknown, _): return Self.recheck
        case .held(let verdict, _):
            // What holds the step is looked at often; so is what it changes.
            let concerned = verdict.reasons.filter { $0.subject == key.subject }
            if concerned.isEmpty { return maxAge / 2 }
            // A person takes their time.
            return concerned.allSatisfy { $0.code == .needsWarrant } ? Self.slowRecheck : Self.recheck
        case .waiting: return ready ? Self.recheck : maxAge / 2
        case .running, .done, .failed: return maxAge / 2
        }
    }

    private func isDue(_ key: EvidenceKey, after limit: Duration, now: Moment) -> Bool {
        switch evidence.standing(key, now: now, maxAge: limit, notBefore: nil) {
        case .fresh: false
        case .missing, .stale, .otherBoot: true
        }
    }

    private func probe(for key: EvidenceKey, targets: [NodeID: Set<ReachTarget>], now: Moment) -> NodeTask.Probe? {
        guard case .node(let node) = key.subject else { return nil }
        switch key.probe {
        case .host: return .host
        case .disks: return .disks
        case .links: return .links
        case .reach: return .reach((targets[node] ?? []).sorted(), attempts: 2, timeout: TimeSpan(.milliseconds(1500)))
        case .clock: return .clock(asked: now.wall)
        case .kernel: return .kernel
        case .cluster, .provision, .connectivity: return nil
        }
    }
}
