// SPDX-License-Identifier: Apache-2.0

package import Gating
package import MeshModel
internal import Planning

/// The heart: from what the world tells to what is journaled. Pure; the clock arrives as `now`.
///
/// `decide` changes nothing and `apply` folds one entry; replay is `apply` over all entries and nothing else. The picture of a step's
/// life stands at `StepStatus`.
package struct RunMachine: Sendable {
    package private(set) var epoch = Generation(0)
    package private(set) var boot: BootID?
    package private(set) var evidence = EvidenceTable()
    package private(set) var warrants: [StepID: Warrant] = [:]
    package private(set) var overrides: [GateOverride] = []
    package private(set) var run: RunStatus?
    package private(set) var revokedSerials: Set<String> = []
    private(set) var spentWarrants: Set<WarrantID> = []

    package struct Warrant: Hashable, Sendable {
        package var note: Judge.WarrantNote
        package var envelope: WarrantEnvelope
    }

    package init() {}

    // MARK: decide

    /// Whether `input` may be taken at all.
    package func refusal(of input: Input, now: Moment) -> InputRefusal? {
        switch input {
        case .apply(_, let plan, _):
            if let run, !run.isOver { return .runActive(run.id) }
            if let run, let step = run.steps.first(where: { if case .running = $0.status { true } else { false } }) {
                return .windingDown(run.id, step.step.id)
            }
            let faults = PlanCheck.faults(of: plan)
            return faults.isEmpty ? nil : .planFaulty(faults)
        case .stop: return run.map { !$0.isOver } ?? false ? nil : .noRun
        case .warrant(let step, let id, _, let envelope): return refusal(ofWarrant: id, envelope, for: step)
        case .override(let override): return refusal(of: override, now: now)
        case .started, .evidence, .booted, .outcome, .enrolled, .revoked, .alarm, .tick: return nil
        }
    }

    /// The entries that follow from `input`, consequences included. Changes nothing.
    package func decide(_ input: Input, now: Moment) -> [JournalEntry] {
        var copy = self
        return copy.take(input, now: now)
    }

    /// `decide` and `apply` in one go, for the loop and for rehearsals.
    package mutating func take(_ input: Input, now: Moment) -> [JournalEntry] {
        guard refusal(of: input, now: now) == nil else { return [] }
        var entries = direct(input, now: now)
        for entry in entries { apply(entry, at: now) }
        entries += follow(entries, now: now)
        return entries
    }

    /// Everything that arrived at one moment, in order. A fleet answers all at once, and each look at the consequences is a look at every step:
    /// so facts are first taken in together, and what follows from them is drawn once. Anything else is judged, with its refusal, against
    /// the state that all inputs before it leave.
    package mutating func take(_ inputs: [Input], now: Moment) -> (entries: [JournalEntry], refusals: [Int: InputRefusal]) {
        var entries: [JournalEntry] = []
        var refusals: [Int: InputRefusal] = [:]
        var untold: [JournalEntry] = []
        var isUntold = false
        for (index, input) in inputs.enumerated() {
            if input.onlyInforms {
                let news = direct(input, now: now)
                for entry in news { apply(entry, at: now) }
                entries += news
                untold += news
                isUntold = true
                continue
            }
            if isUntold { entries += follow(untold, now: now) }
            (untold, isUntold) = ([], false)
            if let refusal = refusal(of: input, now: now) { refusals[index] = refusal } else { entries += take(input, now: now) }
        }
        if isUntold { entries += follow(untold, now: now) }
        return (entries, refusals)
    }

    /// What `input` itself says, before its consequences.
    private func direct(_ input: Input, now: Moment) -> [JournalEntry] {
        switch input {
        case .started(let boot): [.coordinatorStarted(epoch: epoch.next, boot: boot)] + unsettled()
        case .apply(let run, let plan, let by): [.runStarted(run: run, plan: plan, by: by)]
        case .stop: run.map { [.runFinished(run: $0.id, ending: .stopped)] } ?? []
        case .evidence(let evidence): taken(evidence)
        case .booted(let node, let boot): evidence.boots[node] == boot ? [] : [.bootSeen(node: node, boot: boot)]
        case .warrant(let step, let id, let notAfter, let envelope):
            [.warrantTaken(step: step, id: id, notAfter: notAfter, envelope: envelope)]
        case .override(let override): [.overrideGranted(override)]
        case .outcome(let run, let step, let attempt, let outcome): run == self.run?.id ? reported(step, attempt, outcome) : []
        case .enrolled(let node, let serial, let by): [.agentEnrolled(node: node, serial: serial, by: by)]
        case .revoked(let node, let serial, let by, let reason):
            [.agentRevoked(node: node, serial: serial, by: by, reason: reason)]
        case .alarm(let subject, let text): [.alarm(subject: subject, text: text)]
        case .tick: []
        }
    }

    /// What is no news is not journaled: a run that waits for a person overnight must not fill the disk. The same facts again count as news
    /// only where their age matters.
    private func taken(_ new: Evidence) -> [JournalEntry] {
        guard let known = evidence.newest[new.key] else { return [.evidenceTaken(new)] }
        if new.takenAt.boot <= known.takenAt.boot { return [] }
        let builds = if case .build? = run?.plan.purpose { true } else { false }
        guard known.bootID == new.bootID, known.says(sameAs: new, essentially: builds) else { return [.evidenceTaken(new)] }
        let maxAge = run?.plan.spec.policy.evidenceMaxAge.duration ?? .seconds(600)
        let mustBeYounger = run?.newsFrom.map { known.takenAt.boot < $0.boot } ?? false
        let age = new.takenAt.age(of: known.takenAt)
        let isOld = age > maxAge / 4 || run?.pulse(of: new.key).map { age >= $0 } ?? false
        return mustBeYounger || isOld ? [.evidenceRenewed(key: new.key, takenAt: new.takenAt)] : []
    }

    /// A coordinator that comes back does not know what became of attempts that were under way.
    private func unsettled() -> [JournalEntry] {
        guard let run else { return [] }
        return run.steps.compactMap { record in
            guard case .running = record.status else { return nil }
            return .stepUnsettled(step: record.step.id, attempt: record.attempts)
        }
    }

    /// Late news of an attempt that is over, or of an earlier one, changes nothing.
    private func reported(_ step: StepID, _ attempt: Int, _ outcome: Outcome) -> [JournalEntry] {
        guard let record = run?[step], record.attempts == attempt else { return [] }
        switch record.status {
        case .running: break
        case .verifying(.unknown, _):
            // To hear once more that nobody knows is no news, and must not begin the waiting anew.
            if case .unknown = outcome { return [] }
        case .waiting, .held, .verifying, .done, .failed: return []
        }
        let report = JournalEntry.stepReported(step: step, attempt: attempt, outcome: outcome)
        switch outcome {
        case .succeeded, .unknown: return [report]
        case .refused where warrants[step] != nil:
            // Nothing was touched: the step waits for another warrant.
            return [report, .stepReturned(step: step, attempt: attempt)]
        case .failed(let problem), .refused(let problem):
            return [report, .stepFailed(step: step, attempt: attempt, problem: problem)]
        }
    }

    /// Everything that now follows by itself from `news`, which is applied already, until nothing follows any more.
    private mutating func follow(_ news: [JournalEntry], now: Moment) -> [JournalEntry] {
        let isLost = run?.steps.contains { $0.regression != nil } ?? false
        let keys = Set(
            news.compactMap { entry -> EvidenceKey? in
                switch entry {
                case .evidenceTaken(let evidence): evidence.key
                // The same again, but young again: what was too old to tell that lost ground is back may tell it now.
                case .evidenceRenewed(let key, _): isLost ? key : nil
                default: nil
                }
            })
        var all = regressions(under: keys, now: now)
        for entry in all { apply(entry, at: now) }
        while true {
            let entries = consequences(now: now)
            if entries.isEmpty { return all }
            for entry in entries { apply(entry, at: now) }
            all += entries
        }
    }

    // MARK: apply

    /// Folds one entry into the state.
    package mutating func apply(_ entry: JournalEntry, at: Moment) {
        switch entry {
        case .coordinatorStarted(let epoch, let boot):
            if self.boot != boot {
                evidence.forgetEverything()
                restamp(at)
            }
            self.epoch = epoch
            self.boot = boot
        case .runStarted(let id, let plan, let by):
            run = RunStatus(id: id, plan: plan, by: by, startedAt: at)
            warrants = [:]
            overrides = []
        case .evidenceTaken(let evidence): self.evidence.take(evidence)
        case .evidenceRenewed(let key, let takenAt): evidence.renew(key, takenAt: takenAt)
        case .warrantTaken(let step, let id, let notAfter, let envelope):
            let objects = (try? TeardownTerms(parsing: envelope.text))?.objects
            let content = (try? WarrantTerms(parsing: envelope.text)).map {
                Judge.WarrantNote.Content(fingerprint: $0.fingerprint, holds: $0.holds)
            }
            warrants[step] = Warrant(
                note: Judge.WarrantNote(id: id, notAfter: notAfter, objects: objects, content: content), envelope: envelope)
        case .overrideGranted(let override): overrides.append(override)
        case .stepHeld(let step, let verdict): set(step, .held(verdict, since: heldSince(step) ?? at))
        case .stepSkipped(let step): set(step, .done(skipped: true, at: at))
        case .stepStarted(let step, let attempt):
            run?[step]?.attempts = attempt
            run?[step]?.regression = nil
            set(step, .running(since: at))
            // A warrant is used up by the attempt, whatever becomes of it.
            if let warrant = warrants[step] { spentWarrants.insert(warrant.note.id) }
        case .stepReported(let step, _, let outcome):
            run?[step]?.lastReport = outcome
            run?[step]?.reportedAt = at
            set(step, .verifying(outcome, since: at))
        case .stepFinished(let step, _): set(step, .done(skipped: false, at: at))
        case .stepFailed(let step, _, let problem):
            set(step, .failed(problem, at: at))
            run?[step]?.regression = nil
            warrants[step] = nil
        case .stepUnsettled(let step, _):
            set(step, .verifying(.unknown("no account of it came: the coordinator was restarted, or its report was lost"), since: at))
        case .stepReturned(let step, _):
            set(step, .waiting)
            run?[step]?.regression = nil
            warrants[step] = nil
        case .stepRegressed(let step, let verdict):
            run?.regressions += 1
            let since = run?[step]?.regression?.since ?? at
            run?[step]?.regression = RunStatus.Regression(verdict: verdict, since: since)
        case .stepRecovered(let step): run?[step]?.regression = nil
        case .runFinished(_, let ending):
            run?.ending = ending
            run?.endedAt = at
        case .bootSeen(let node, let boot): evidence.learn(boot, of: node, at: at)
        case .agentEnrolled: break
        case .agentRevoked(_, let serial, _, _): revokedSerials.insert(serial)
        case .alarm: break
        }
    }

    /// Another boot of our machine: times of the old boot clock cannot be compared any more.
    private mutating func restamp(_ at: Moment) {
        for record in run?.steps ?? [] {
            let id = record.step.id
            if record.reportedAt != nil { run?[id]?.reportedAt = at }
            switch record.status {
            case .verifying(let outcome, _): set(id, .verifying(outcome, since: at))
            case .running: set(id, .running(since: at))
            case .waiting, .held, .done, .failed: continue
            }
        }
    }

    private mutating func set(_ step: StepID, _ status: StepStatus) { run?[step]?.status = status }

    private func heldSince(_ step: StepID) -> Moment? {
        if case .held(_, let since) = run?[step]?.status { since } else { nil }
    }
}
