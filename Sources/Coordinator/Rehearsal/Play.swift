// SPDX-License-Identifier: Apache-2.0

import Gating
package import MeshModel
package import Planning
package import Running

/// One rehearsed run: the real machine, a rehearsed world, and a clock that jumps from second to second.

package struct Play: Sendable {
    package private(set) var machine = RunMachine()
    package var world: RehearsedWorld
    package private(set) var journal: [JournalRecord] = []
    package private(set) var now: Moment
    package private(set) var transcript: [String] = []
    package let plan: Plan
    private var running: [(step: Step, attempt: Int, endsAt: Int64)] = []
    private var warrantNumber = 0
    private let begin: Moment

    /// Seconds that a step takes.
    package static let stepTime: Int64 = 3

    package init(plan: Plan, world: RehearsedWorld? = nil) {
        self.plan = plan
        self.world = world ?? RehearsedWorld(spec: plan.spec)
        if case .teardown = plan.purpose { self.world.takesDown = true } else { self.world.takesDown = false }
        if case .teardown(.node(let node), _) = plan.purpose { self.world.leaving = node }
        begin = Moment(wall: Timestamp(seconds: 1_800_000_000), boot: 1_000_000)
        now = begin
    }

    /// Seconds since the curtain rose.
    package var seconds: Int64 { (now.boot - begin.boot) / 1000 }

    // MARK: directions

    package mutating func start() { take(.started(boot: RehearsedWorld.coordinatorBoot)) }

    package mutating func apply(run: RunID) { take(.apply(run: run, plan: plan, by: "rehearsal")) }

    /// The coordinator dies and comes back: all it has is its journal. What tools were doing is lost to it.
    package mutating func killCoordinator(keeping count: Int? = nil) {
        journal = Array(journal.prefix(count ?? journal.count))
        machine = RunMachine()
        for record in journal { machine.apply(record.entry, at: record.at) }
        running = []
        note("coordinator killed after \(journal.count) entries, and started again")
        start()
    }

    /// Signs for a wipe step: the disk as planned, valid for an hour.
    package mutating func approve(_ step: StepID) -> InputRefusal? {
        guard let found = plan.step(step), case .wipe(let node, let disk, let method, _) = found.action else { return .notAWipe(step) }
        warrantNumber += 1
        let digits = String(warrantNumber, radix: 16)
        guard let id = WarrantID(String(repeating: "0", count: 32 - digits.count) + digits) else { return .notAWipe(step) }
        let machineBoot = world.machines[node]?.boot ?? 1
        // Where the machine itself cannot be asked, what its hypervisor sees is what is signed for.
        let seen = found.gates.lazy.compactMap { if case .warranted(_, _, _, let host?) = $0 { host } else { nil } }.first.flatMap { host in
            machine.evidence.newest[EvidenceKey(.node(host), .virtualDisks)]?.facts.lazy.compactMap { fact in
                if case .virtualDisk(let volume) = fact, volume.serial == disk.serial { volume } else { nil }
            }.first
        }
        let terms = WarrantTerms(
            mesh: plan.spec.name, id: id, plan: plan.digest, step: step, node: node, nodeKey: .zero,
            boot: RehearsedWorld.bootID(node, machineBoot), store: RehearsedWorld.store,
            disk: DiskIdentity(
                kind: .virtio, serial: disk.serial, wwid: nil, sizeInBytes: disk.size.bytes, sectorSize: 512, path: "0000:00:0a.0",
                sequence: 1),
            holds: WarrantTerms.holds(seen?.signatures ?? []), fingerprint: seen?.fingerprint ?? .zero, method: method,
            verification: (plan.spec.policy.wipes ?? MeshSpec.Wipes()).verification(method, size: disk.size.bytes), notBefore: now.wall,
            notAfter: now.wall + .seconds(3600))
        return take(
            .warrant(step: step, id: id, notAfter: terms.notAfter, envelope: WarrantEnvelope(text: terms.text, signatures: ["rehearsed"])))
    }

    /// Signs for a step of a teardown, for an hour; `plan` is that of the warrant.
    package mutating func approveLosses(of step: StepID, plan digest: Digest? = nil) -> InputRefusal? {
        guard let found = plan.step(step), found.takesWarrant || found.terraform != nil else { return .notAWipe(step) }
        let losses = machine.losses(of: found)
        warrantNumber += 1
        let digits = String(warrantNumber, radix: 16)
        guard let id = WarrantID(String(repeating: "0", count: 32 - digits.count) + digits) else { return .notAWipe(step) }
        let terms = TeardownTerms(
            mesh: plan.spec.name, id: id, plan: digest ?? plan.digest, step: step, destroys: TeardownTerms.losses(losses?.lines ?? []),
            objects: losses?.objects, notBefore: now.wall, notAfter: now.wall + .seconds(3600))
        return take(
            .warrant(step: step, id: id, notAfter: terms.notAfter, envelope: WarrantEnvelope(text: terms.text, signatures: ["rehearsed"])))
    }

    /// One second passes: tools end, probes are asked and answered.
    package mutating func tick() {
        now = now.advanced(by: .seconds(1))
        let over = running.filter { $0.endsAt <= now.boot }
        running.removeAll { $0.endsAt <= now.boot }
        for item in over {
            guard let outcome = world.carryOut(item.step, warrant: machine.warrants[item.step.id]?.envelope) else { continue }
            guard let run = machine.run?.id else { continue }
            take(.outcome(run: run, step: item.step.id, attempt: item.attempt, outcome))
        }
        var answers: [Input] = []
        for order in machine.probesDue(now: now, seed: .zero) {
            if let evidence = world.answer(order, now: now) { answers.append(.evidence(evidence)) }
        }
        // Together, as the coordinator's loop takes what arrived at one moment.
        follow(machine.take(answers + [.tick], now: now).entries)
    }

    /// As an agent tells unasked that something of its links changed, later than anything that it was asked in this second.
    package mutating func tellLinks(of node: NodeID) {
        let order = ProbeOrder(key: EvidenceKey(.node(node), .links), probe: .links)
        guard let evidence = world.answer(order, now: now.advanced(by: .milliseconds(500))) else { return }
        take(.evidence(evidence))
    }

    @discardableResult
    package mutating func take(_ input: Input) -> InputRefusal? {
        if let refusal = machine.refusal(of: input, now: now) {
            note("refused: \(refusal)")
            return refusal
        }
        follow(machine.take(input, now: now))
        return nil
    }

    /// Writes down what was decided, and begins what is to be done.
    private mutating func follow(_ entries: [JournalEntry]) {
        for entry in entries {
            journal.append(JournalRecord(sequence: UInt64(journal.count + 1), at: now, entry: entry))
            record(entry)
            if case .stepStarted(let id, let attempt) = entry, let step = plan.step(id) {
                running.append((step, attempt, now.boot + Self.stepTime * 1000))
            }
        }
    }

    // MARK: transcript

    package mutating func note(_ text: String) {
        let stamp = String(seconds)
        transcript.append(String(repeating: " ", count: max(0, 5 - stamp.count)) + stamp + "s  " + text)
    }

    /// Evidence is left out: the decisions are what a reader compares.
    private mutating func record(_ entry: JournalEntry) {
        switch entry {
        case .evidenceTaken, .evidenceRenewed: return
        case .coordinatorStarted(let epoch, _): note("coordinator started, epoch \(epoch)")
        case .runStarted(let run, let plan, _): note("run \(run) started, \(plan.steps.count) steps")
        case .warrantTaken(let step, let id, _, _): note("warrant \(id.text.suffix(4)) taken for \(step)")
        case .overrideGranted(let item): note("override of \(item.gate.rawValue) for \(item.step) by \(item.by): \(item.reason)")
        case .stepHeld(let step, let verdict): note("\(step) \(Self.word(verdict)): \(verdict.reasons.first?.detail ?? "")")
        case .stepSkipped(let step): note("\(step) already true")
        case .stepStarted(let step, let attempt): note("\(step) started\(attempt > 1 ? ", attempt \(attempt)" : "")")
        case .stepReported(let step, _, let outcome): note("\(step) reported: \(outcome.words)")
        case .stepFinished(let step, _): note("\(step) done")
        case .stepFailed(let step, _, let problem): note("\(step) failed: \(problem)")
        case .stepUnsettled(let step, _): note("\(step) unsettled")
        case .stepReturned(let step, _): note("\(step) to be done again")
        case .stepRegressed(let step, let verdict): note("\(step) lost ground: \(verdict.reasons.first?.detail ?? "")")
        case .stepRecovered(let step): note("\(step) stands firm again")
        case .runFinished(let run, let ending): note("run \(run) \(ending.rawValue)")
        case .bootSeen(let node, _): note("\(node) booted")
        case .agentEnrolled(let node, _, _): note("\(node) enrolled")
        case .agentRevoked(let node, _, _, let reason): note("\(node) revoked: \(reason)")
        case .alarm(_, let text): note("alarm: \(text)")
        }
    }

    private static func word(_ verdict: Verdict) -> String {
        switch verdict {
        case .pass: "open"
        case .hold: "held"
        case .deny: "denied"
        case .unknown: "unknown"
        }
    }
}
