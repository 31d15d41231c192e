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
        guard let run, !run.isOver || isWatching else { return [] }
        let maxAge = run.plan.spec.policy.evidenceMaxAge.duration
        var dueAfter: [EvidenceKey: Duration] = [:]
        var newsFrom: [EvidenceKey: Moment] = [:]
        var subjects = ProbeSubjects()
        let withoutAgent = Set(run.plan.spec.members.filter { !$0.node.hasAgent }.map(\.node.name))
        for record in run.steps where !record.status.isOver && !run.isOver {
            for requirement in record.step.gates + record.step.done + (record.step.proof ?? []) {
                if case .blankProven = requirement, !mayProve(requirement, record, run, now) { continue }
                for key in asks(requirement) {
                    // What a service's Terraform would do cannot be told before its clusters stand, and asking would only take long.
                    if case .service = key.subject, !run.predecessorsDone(record.step) { continue }
                    let limit = patience(record, key: key, ready: run.predecessorsDone(record.step), maxAge: maxAge)
                    dueAfter[key] = min(dueAfter[key] ?? limit, limit)
                    if let since = news(record, run), key.probe != .blankness {
                        newsFrom[key] = newsFrom[key].map { $0.boot > since.boot ? $0 : since } ?? since
                    }
                }
                subjects.take(requirement, evidence)
            }
        }
        for record in run.steps where isWatching && record.status.hasBegun {
            for requirement in record.step.ground {
                for key in requirement.needs + requirement.alsoAsks {
                    let limit = watchInterval(record, key, run, maxAge: maxAge)
                    dueAfter[key] = min(dueAfter[key] ?? limit, limit)
                }
                subjects.take(requirement, evidence)
            }
        }
        return dueAfter.filter { isDue($0.key, after: $0.value, newsFrom: newsFrom[$0.key], now: now) }.keys.sorted().compactMap { key in
            guard case .node(let node) = key.subject else { return ProbeOrder(key: key, probe: nil) }
            // What a machine without an agent can say comes through the coordinator's own tools.
            if key.probe == .hypervisor || key.probe == .telemetry || key.probe == .disks && withoutAgent.contains(node) {
                return ProbeOrder(key: key, probe: nil)
            }
            return subjects.probe(key.probe, of: node, now: now, seed: seed).map { ProbeOrder(key: key, probe: $0) }
        }
    }

    /// What was seen before the attempt had ended does not show what it did, and what was seen before the preceding step had ended says nothing
    /// of the next: a look that only answers for then does not put off the next one.
    private func news(_ record: RunStatus.StepRecord, _ run: RunStatus) -> Moment? {
        switch record.status {
        case .verifying(_, let since): since
        case .waiting, .held: run.predecessorsDone(record.step) ? run.notBefore(record.step) : nil
        case .running, .done, .failed: nil
        }
    }

    /// A proof reads a disk, so it is asked for only when its answer decides: once the step was reported, and before that only where all
    /// else says that there is nothing to do. Never while a wipe may be under way.
    private func mayProve(_ requirement: Requirement, _ record: RunStatus.StepRecord, _ run: RunStatus, _ now: Moment) -> Bool {
        switch record.status {
        case .verifying(.succeeded, _): return true
        case .verifying(.unknown, let since):
            guard case .blankProven(_, _, _, _, .some) = requirement else { return false }
            return now.age(of: since) > record.step.deadline.duration
        case .waiting, .held:
            guard record.step.done.contains(requirement), run.predecessorsDone(record.step) else { return false }
            return judge(now: now, notBefore: run.notBefore(record.step)).judge(record.step.done.filter { $0 != requirement }).passes
        case .verifying, .running, .done, .failed: return false
        }
    }

    /// The evidence that a requirement looks at, also that which it does without when it can.
    private func asks(_ requirement: Requirement) -> [EvidenceKey] {
        switch requirement {
        case .blankProven(let node, _, _, _, let host): return requirement.needs + [EvidenceKey(.node(host ?? node), .blankness)]
        case .osdRetired(let node, let disk, _, let host):
            // Whose the disk is matters only when something on it says that it is somebody's.
            let facts = evidence.newest[host.map { EvidenceKey(.node($0), .virtualDisks) } ?? EvidenceKey(.node(node), .disks)]?.facts ?? []
            let owned = facts.contains { fact in
                switch fact {
                case .disk(let found): disk.isMeant(found) && found.signatures.contains { $0.owner != nil }
                case .virtualDisk(let found): found.serial == disk.serial && found.signatures.contains { $0.owner != nil }
                default: false
                }
            }
            return requirement.needs + (owned ? (run?.plan.spec.clusters ?? []).map { EvidenceKey(.cluster($0.name), .cluster) } : [])
        case .upgradeTurn(let name, let version, _):
            // Others matter only to an upgrade.
            guard case .cluster(let fact)? = evidence.newest[EvidenceKey(.cluster(name), .cluster)]?.facts.first,
                let release = fact.releases["kube-system/cilium"], SemanticVersion(release.version) != version
            else { return requirement.needs }
            let earlier = (run?.plan.spec.clusters ?? []).map(\.name).prefix { $0 != name }
            return requirement.needs + earlier.map { EvidenceKey(.cluster($0), .cluster) }
        default: return requirement.needs + requirement.alsoAsks
        }
    }

    /// How old an answer may grow before it is asked for again.
    private func patience(_ record: RunStatus.StepRecord, key: EvidenceKey, ready: Bool, maxAge: Duration) -> Duration {
        if key.probe == .blankness { return Self.proofRecheck }
        // Old after seconds, and costs nobody anything.
        if key.probe == .telemetry, ready { return Self.recheck }
        switch record.status {
        case .verifying: return Self.recheck
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

    private func isDue(_ key: EvidenceKey, after limit: Duration, newsFrom: Moment?, now: Moment) -> Bool {
        switch evidence.standing(key, now: now, maxAge: limit, notBefore: newsFrom) {
        case .fresh: false
        case .missing, .stale, .otherBoot: true
        }
    }
}

/// What questions need to know besides their kind, gathered from the requirements that ask them.
struct ProbeSubjects {
    private var targets: [NodeID: Set<ReachTarget>] = [:]
    private var ways: [NodeID: Set<PathTarget>] = [:]
    private var servers: [NodeID: Set<HandshakeTarget>] = [:]
    private var anchors: [NodeID: [TrustAnchor]] = [:]
    private var vlans: [NodeID: Set<VLANTarget>] = [:]
    private var outside: [NodeID: Set<OutsideTarget>] = [:]
    private var serials: [NodeID: Set<String>] = [:]
    private var checks: [NodeID: [BlanknessCheck]] = [:]
    private var machines: [NodeID: [PlannedMachine]] = [:]

    mutating func take(_ requirement: Requirement, _ evidence: EvidenceTable) {
        switch requirement {
        case .reaches(let node, let wanted): targets[node, default: []].formUnion(wanted)
        case .answered(let node, let wanted), .carries(let node, let wanted), .healthReaches(let node, let wanted),
            .untranslated(let node, _, let wanted):
            ways[node, default: []].formUnion(wanted)
        case .handshakes(let node, let own, let wanted, let balanced), .serversRenewed(let node, let own, let wanted, let balanced):
            servers[node, default: []].formUnion(wanted + balanced.compactMap { $0.target(evidence.cluster($0.cluster)) })
            if anchors[node] == nil { anchors[node] = evidence.anchors(first: own) }
        case .guestUnique(let machine, let host, _), .guestAsPlanned(let machine, let host, _):
            machines[host, default: []].append(machine)
        case .room(let host, let planned, _): machines[host, default: []] += planned
        case .noOrphans(let guests):
            for guest in guests { machines[guest.hypervisor, default: []].append(PlannedMachine(name: guest.name, vmid: guest.vmid)) }
        case .outsideAnswers(let node, let wanted): outside[node, default: []].formUnion(wanted)
        case .tagged(let node, let wanted): vlans[node, default: []].formUnion(wanted)
        case .diskWitness(_, let disk, let hypervisor, _): if let serial = disk.serial { serials[hypervisor, default: []].insert(serial) }
        case .diskBlank(_, let disk, _, let host?), .osdRetired(_, let disk, _, let host?):
            if let serial = disk.serial { serials[host, default: []].insert(serial) }
        case .blankProven(_, let disk, let share, _, let host?):
            guard let serial = disk.serial else { return }
            let volume = DiskIdentity(
                kind: .volume, serial: serial, wwid: nil, sizeInBytes: disk.size.bytes, sectorSize: 512, path: "-", sequence: 0)
            checks[host, default: []].append(BlanknessCheck(disk: volume, share: share))
        case .blankProven(let node, let disk, let share, _, nil):
            // The disk instance of the last inventory, and only once nobody holds it: a proof must never get in the way of a wipe.
            let disks = evidence.newest[EvidenceKey(.node(node), .disks)]?.facts.compactMap {
                if case .disk(let fact) = $0 { fact } else { nil }
            }
            let matches = (disks ?? []).filter(disk.isMeant)
            if matches.count == 1, matches[0].exclusiveOpen {
                checks[node, default: []].append(BlanknessCheck(disk: matches[0].identity, share: share))
            }
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
        case .paths: .paths((ways[node] ?? []).sorted(), tokens: [:])
        case .handshakes: .handshakes((servers[node] ?? []).sorted(), anchors: (anchors[node] ?? []).map(\.pem))
        case .vlans: .vlans((vlans[node] ?? []).sorted(), tokens: [:])
        case .outside: .outside((outside[node] ?? []).sorted())
        case .clock: .clock(asked: now.wall)
        case .kernel: .kernel
        case .blankness: checks[node].map { .blankness($0, seed: seed) }
        case .virtualDisks: .virtualDisks(serials: (serials[node] ?? []).sorted())
        case .hypervisorFiles: .hypervisorFiles(selector(machines[node] ?? []))
        case .cluster, .provision, .connectivity, .talos, .hypervisor, .secrets, .contexts, .telemetry, .wipe: nil
        }
    }

    private func selector(_ machines: [PlannedMachine]) -> GuestSelector {
        GuestSelector(
            names: Set(machines.map(\.name.text)).sorted(), numbers: Set(machines.compactMap(\.vmid)).sorted(),
            serials: Set(machines.flatMap { $0.disks.compactMap(\.serial) }).sorted(),
            addresses: Set(machines.flatMap { $0.cards.compactMap(\.mac) }).sorted { $0.description < $1.description })
    }
}
