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

    /// How often a disk that could not be proven blank is read again.
    package static let proofRecheck = Duration.seconds(60)

    /// The probes that are due at `now`: for steps whose turn it is, and once for all others, so that `explain` can tell early. `seed` chooses
    /// where a wiped disk is read; nobody may have known it before.
    package func probesDue(now: Moment, seed: Digest) -> [ProbeOrder] {
        guard let run, !run.isOver else { return [] }
        let maxAge = run.plan.spec.policy.evidenceMaxAge.duration
        var dueAfter: [EvidenceKey: Duration] = [:]
        var subjects = ProbeSubjects()
        let withoutAgent = Set(run.plan.spec.members.filter { !$0.node.hasAgent }.map(\.node.name))
        for record in run.steps where !record.status.isOver {
            for requirement in record.step.gates + record.step.done + proofsWanted(record) {
                for key in requirement.needs {
                    let limit = patience(record, key: key, ready: run.predecessorsDone(record.step), maxAge: maxAge)
                    dueAfter[key] = min(dueAfter[key] ?? limit, limit)
                }
                subjects.take(requirement, evidence)
            }
        }
        return dueAfter.filter { isDue($0.key, after: $0.value, now: now) }.keys.sorted().compactMap { key in
            guard case .node(let node) = key.subject else { return ProbeOrder(key: key, probe: nil) }
            // What a machine without an agent can say comes through the coordinator's own tools.
            if key.probe == .disks, withoutAgent.contains(node) { return ProbeOrder(key: key, probe: nil) }
            return subjects.probe(key.probe, of: node, now: now, seed: seed).map { ProbeOrder(key: key, probe: $0) }
        }
    }

    /// A proof is asked for only when the step was carried out.
    private func proofsWanted(_ record: RunStatus.StepRecord) -> [Requirement] {
        if case .verifying = record.status { record.step.proof ?? [] } else { [] }
    }

    /// How old an answer may grow before it is asked for again.
    private func patience(_ record: RunStatus.StepRecord, key: EvidenceKey, ready: Bool, maxAge: Duration) -> Duration {
        switch record.status {
        case .verifying: return key.probe == .blankness ? Self.proofRecheck : Self.recheck
        case .held(.unknown, _): return Self.recheck
        case .held(let verdict, _):
            // What holds the step is looked at often; so is what it changes.
            let concerned = verdict.reasons.filter { $0.subject == key.subject }
            if concerned.isEmpty { return maxAge / 2 }
            // A person takes their time.
            return concerned.allSatisfy { $0.code == .needsWarrant || $0.code == .disarmed } ? Self.slowRecheck : Self.recheck
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
}

/// What questions need to know besides their kind, gathered from the requirements that ask them.
private struct ProbeSubjects {
    private var targets: [NodeID: Set<ReachTarget>] = [:]
    private var serials: [NodeID: Set<String>] = [:]
    private var checks: [NodeID: [BlanknessCheck]] = [:]

    mutating func take(_ requirement: Requirement, _ evidence: EvidenceTable) {
        switch requirement {
        case .reaches(let node, let wanted): targets[node, default: []].formUnion(wanted)
        case .diskWitness(_, let disk, let hypervisor): if let serial = disk.serial { serials[hypervisor, default: []].insert(serial) }
        case .diskBlank(_, let disk, _, let host?), .osdRetired(_, let disk, _, let host?):
            if let serial = disk.serial { serials[host, default: []].insert(serial) }
        case .blankProven(_, let disk, let share, let host?):
            guard let serial = disk.serial else { return }
            let volume = DiskIdentity(
                kind: .volume, serial: serial, wwid: nil, sizeInBytes: disk.size.bytes, sectorSize: 512, path: "-", sequence: 0)
            checks[host, default: []].append(BlanknessCheck(disk: volume, share: share))
        case .blankProven(let node, let disk, let share, nil):
            // The disk instance of the last inventory, and only once nobody holds it: a proof must never get in the way of a wipe.
            let disks = evidence.newest[EvidenceKey(.node(node), .disks)]?.facts.compactMap { if case .disk(let fact) = $0 { fact } else { nil } }
            let matches = (disks ?? []).filter { disk.serial == nil ? $0.name == disk.name : $0.identity.serial == disk.serial }
            if matches.count == 1, matches[0].exclusiveOpen { checks[node, default: []].append(BlanknessCheck(disk: matches[0].identity, share: share)) }
        default: break
        }
    }

    /// `nil` for what cannot be asked yet, or is no question to an agent.
    func probe(_ kind: ProbeKind, of node: NodeID, now: Moment, seed: Digest) -> NodeTask.Probe? {
        switch kind {
        case .host: .host
        case .disks: .disks
        case .links: .links
        case .reach: .reach((targets[node] ?? []).sorted(), attempts: 2, timeout: TimeSpan(.milliseconds(1500)))
        case .clock: .clock(asked: now.wall)
        case .kernel: .kernel
        case .blankness: checks[node].map { .blankness($0, seed: seed) }
        case .virtualDisks: .virtualDisks(serials: (serials[node] ?? []).sorted())
        case .cluster, .provision, .connectivity, .wipe: nil
        }
    }
}
