// SPDX-License-Identifier: Apache-2.0

package import Gating
package import MeshModel
package import Planning

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
    private var spentWarrants: Set<WarrantID> = []

    /// Past its deadline by so much, an attempt without a report is looked into.
    private static let grace = Duration.seconds(120)
    /// How long the question of a run that only looks may stay without an answer.
    private static let patience = Duration.seconds(120)

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
        let keys = Set(news.compactMap { if case .evidenceTaken(let evidence) = $0 { evidence.key } else { nil } })
        var all = regressions(under: keys, now: now)
        for entry in all { apply(entry, at: now) }
        while true {
            let entries = consequences(now: now)
            if entries.isEmpty { return all }
            for entry in entries { apply(entry, at: now) }
            all += entries
        }
    }

    private func consequences(now: Moment) -> [JournalEntry] {
        guard let run else { return [] }
        if run.isOver { return overdue(run, now) }
        var entries: [JournalEntry] = overdue(run, now)
        var active = run.steps.count { $0.status.isActive }
        for record in run.steps where !record.status.isOver {
            switch record.status {
            case .verifying(let outcome, let since):
                entries += settled(record, outcome, since, now: now)
            case .running, .done, .failed: continue
            case .waiting, .held:
                guard run.predecessorsDone(record.step) else { continue }
                if record.step.action == .look {
                    if let entry = answered(record, run, now: now) { entries.append(entry) }
                    continue
                }
                guard let entry = next(record, mayStart: active < run.plan.spec.policy.parallelism, now: now) else { continue }
                if case .stepStarted = entry { active += 1 }
                entries.append(entry)
            }
        }
        return entries.isEmpty ? ending(run) : entries
    }

    /// No report by now: it was lost on the way, or whoever was to make it is gone. Of a run that was stopped too, or nothing could follow it.
    private func overdue(_ run: RunStatus, _ now: Moment) -> [JournalEntry] {
        run.steps.compactMap { record in
            guard case .running(let since) = record.status, now.age(of: since) > record.step.deadline.duration + Self.grace else {
                return nil
            }
            return .stepUnsettled(step: record.step.id, attempt: record.attempts)
        }
    }

    /// A step whose turn has come: already true, held, or started.
    private func next(_ record: RunStatus.StepRecord, mayStart: Bool, now: Moment) -> JournalEntry? {
        guard let obstacle = obstacle(of: record.step, now: now) else { return .stepSkipped(step: record.step.id) }
        if obstacle.passes {
            return mayStart ? .stepStarted(step: record.step.id, attempt: record.attempts + 1) : nil
        }
        if case .held(let known, _) = record.status, sameObstacle(known, obstacle) { return nil }
        return .stepHeld(step: record.step.id, verdict: obstacle)
    }

    /// A question is over when it is answered, one way or the other; without an answer it waits as long as its deadline says.
    private func answered(_ record: RunStatus.StepRecord, _ run: RunStatus, now: Moment) -> JournalEntry? {
        let id = record.step.id
        let answer = judge(now: now, notBefore: run.notBefore(record.step)).judge(record.step.done)
        func failed(_ words: String) -> JournalEntry {
            let reasons = answer.reasons.map(\.detail)
            let more = reasons.count > 3 ? "; and \(reasons.count - 3) more" : ""
            return .stepFailed(step: id, attempt: record.attempts, problem: words + reasons.prefix(3).joined(separator: "; ") + more)
        }
        switch answer {
        case .pass: return .stepSkipped(step: id)
        case .hold, .deny: return failed("")
        case .unknown:
            // Only reading a disk back takes long; all else is answered soon or not at all.
            let quick = judge(now: now, notBefore: run.notBefore(record.step)).judge(record.step.done.filter { $0.gate != .blankProven })
            let limit =
                if case .unknown = quick { min(Self.patience, record.step.deadline.duration) } else { record.step.deadline.duration }
            if now.age(of: run.startedAt) > limit { return failed("nothing is known after \(limit.briefly): ") }
            if case .held(let known, _) = record.status, sameObstacle(known, answer) { return nil }
            return .stepHeld(step: id, verdict: answer)
        }
    }

    /// The world decides whether an attempt succeeded, by evidence taken after the report.
    private func settled(_ record: RunStatus.StepRecord, _ outcome: Outcome, _ since: Moment, now: Moment) -> [JournalEntry] {
        let id = record.step.id
        var wanted = record.step.done + (record.step.proof ?? [])
        if case .unknown = outcome, record.step.action.mustNotRepeat {
            // A disk looks blank long before its wipe has ended; while somebody holds it, the wipe goes on.
            wanted += record.step.gates.filter { $0.gate == .diskUnused }
        }
        let verdict = judge(now: now, notBefore: since).judge(wanted)
        if verdict.passes { return [.stepFinished(step: id, attempt: record.attempts)] }
        let seen: Bool
        if case .unknown = verdict { seen = false } else { seen = true }
        if case .unknown(let why) = outcome {
            // An interrupted attempt: what is seen now is what it left behind. A wipe is never begun again by itself: the same task is
            // handed to the agent once more, which answers with the report it has, and until then there is nothing to conclude.
            if record.step.action.mustNotRepeat {
                guard now.age(of: since) > record.step.deadline.duration else { return [] }
                return [.stepFailed(step: id, attempt: record.attempts, problem: "\(why), and no report has come since")]
            }
            return seen ? [.stepReturned(step: id, attempt: record.attempts)] : []
        }
        // A denial is no matter of waiting: what was to be is seen not to be.
        if case .deny(let reasons) = verdict {
            let words = reasons.prefix(3).map(\.detail).joined(separator: "; ")
            return [.stepFailed(step: id, attempt: record.attempts, problem: "it was reported as done (\(outcome.words)), but \(words)")]
        }
        guard now.age(of: since) > record.step.settling.duration else { return [] }
        let reasons = verdict.reasons.prefix(3).map(\.detail).joined(separator: "; ")
        return [
            .stepFailed(
                step: id, attempt: record.attempts,
                problem: "it was reported as done (\(outcome.words)), but after \(record.step.settling): \(reasons)")
        ]
    }

    /// A run ends when every step is over, or when nothing is left that could still go on.
    private func ending(_ run: RunStatus) -> [JournalEntry] {
        if run.steps.allSatisfy({ $0.status.isDone }) { return [.runFinished(run: run.id, ending: .succeeded)] }
        guard run.steps.contains(where: { if case .failed = $0.status { true } else { false } }) else { return [] }
        let blocked = blockedByFailure(run)
        let goesOn = run.steps.contains { !$0.status.isOver && !blocked.contains($0.step.id) }
        return goesOn ? [] : [.runFinished(run: run.id, ending: .failed)]
    }

    private func blockedByFailure(_ run: RunStatus) -> Set<StepID> {
        var blocked: Set<StepID> = []
        for record in run.steps {
            if case .failed = record.status { blocked.insert(record.step.id) }
            if record.step.after.contains(where: blocked.contains) { blocked.insert(record.step.id) }
        }
        return blocked
    }

    // MARK: judge

    /// The judge of this state, as of `now`.
    package func judge(now: Moment, notBefore: Moment? = nil) -> Judge {
        Judge(
            evidence: evidence, warrants: warrants.mapValues(\.note),
            clusters: run?.plan.spec.clusters.map(\.name) ?? [], maxAge: run?.plan.spec.policy.evidenceMaxAge.duration ?? .seconds(600),
            now: now, notBefore: notBefore)
    }

    /// What stands between a step whose turn it is and its start; `nil` when it is done already. Whether there is anything to do must be known
    /// before it is done, so an unknown there is an obstacle too.
    package func obstacle(of step: Step, now: Moment) -> Verdict? {
        let already = judge(now: now, notBefore: run?.notBefore(step)).judge(step.done)
        if already.passes { return nil }
        if case .unknown = already { return already }
        return .all([gateVerdict(of: step, now: now), lostGround(below: step)])
    }

    /// All gates of a step together, overrides considered.
    package func gateVerdict(of step: Step, now: Moment) -> Verdict {
        let judge = judge(now: now, notBefore: run?.notBefore(step))
        let waived = Set(overrides.filter { $0.step == step.id && now.wall < $0.until }.map(\.gate))
        return judge.judge(step.gates.filter { !waived.contains($0.gate) })
    }

    /// Ages in the texts grow with every look; only who, what and why make another obstacle.
    func sameObstacle(_ left: Verdict, _ right: Verdict) -> Bool {
        func kind(_ verdict: Verdict) -> Int {
            switch verdict {
            case .pass: 0
            case .hold: 1
            case .deny: 2
            case .unknown: 3
            }
        }
        func core(_ verdict: Verdict) -> [[String]] {
            verdict.reasons.map { reason in
                let settled: Bool
                switch reason.code {
                case .stale, .skewed, .unfit: settled = false
                case .missing, .rebooted, .unavailable, .absent, .mismatch, .inUse, .notBlank, .unreachable, .unhealthy, .needsWarrant,
                    .disarmed:
                    settled = true
                }
                return [reason.gate.rawValue, reason.subject.description, reason.code.rawValue, settled ? reason.detail : ""]
            }
        }
        // While answers are awaited, which one comes next is no news.
        if case .unknown = left, case .unknown = right { return true }
        return kind(left) == kind(right) && core(left) == core(right)
    }

    private func refusal(ofWarrant id: WarrantID, _ envelope: WarrantEnvelope, for step: StepID) -> InputRefusal? {
        guard let run, !run.isOver else { return .noRun }
        guard let record = run[step] else { return .noSuchStep(step) }
        guard record.step.takesWarrant || record.step.terraform != nil else { return .notAWipe(step) }
        if record.status.isOver || record.status.isActive { return .stepOver(step, record.status.word) }
        if spentWarrants.contains(id) || warrants.values.contains(where: { $0.note.id == id }) { return .warrantKnown(id) }
        guard case .wipe(let node, let disk, let method, _) = record.step.action else {
            return misfit(id, envelope, record.step, run).map { .warrantMismatch(step, $0) }
        }
        do {
            let terms = try WarrantTerms(parsing: envelope.text)
            if terms.id != id { return .warrantMismatch(step, "it was handed in under another id") }
            if terms.plan != run.plan.digest { return .warrantMismatch(step, "it was written for another plan; request a new one") }
            if terms.step != step || terms.node != node { return .warrantMismatch(step, "it names \(terms.step) on \(terms.node)") }
            if terms.disk.serial != disk.serial { return .warrantMismatch(step, "it names disk \(terms.disk.serial ?? "without serial")") }
            if terms.disk.sizeInBytes != disk.size.bytes { return .warrantMismatch(step, "it names a disk of another size") }
            if terms.method != method { return .warrantMismatch(step, "it allows method \(terms.method.rawValue) only") }
            let verification = (run.plan.spec.policy.wipes ?? MeshSpec.Wipes()).verification(method, size: disk.size.bytes)
            if terms.verification != verification {
                return .warrantMismatch(
                    step, "it asks for verification \(terms.verification.rawValue) and the plan for \(verification.rawValue)")
            }
            return nil
        } catch {
            return .warrantMismatch(step, "\(error)")
        }
    }

    /// What a teardown's warrant says otherwise than its step.
    private func misfit(_ id: WarrantID, _ envelope: WarrantEnvelope, _ step: Step, _ run: RunStatus) -> String? {
        let terms: TeardownTerms
        do {
            terms = try TeardownTerms(parsing: envelope.text)
        } catch {
            return "\(error)"
        }
        if terms.id != id { return "it was handed in under another id" }
        if terms.plan != run.plan.digest { return "it was written for another plan; request a new one" }
        if terms.step != step.id { return "it names \(terms.step)" }
        guard let losses = losses(of: step) else { return "nothing that it would take away is known" }
        if terms.destroys != TeardownTerms.losses(losses.lines) || terms.objects != losses.objects {
            return "it names other losses than the step has"
        }
        return nil
    }

    /// What a step would destroy, as a warrant has to say it: for what Terraform would take away, as far as was seen last. `nil` when that is
    /// nothing, or not known.
    package func losses(of step: Step) -> (lines: [String], objects: Digest?)? {
        guard let part = step.terraform else { return step.destroys.isEmpty ? nil : (step.destroys, nil) }
        return evidence.losses(of: part).map { ($0.lines, $0.digest) }
    }

    private func refusal(of override: GateOverride, now: Moment) -> InputRefusal? {
        guard let run, !run.isOver else { return .noRun }
        guard let record = run[override.step] else { return .noSuchStep(override.step) }
        if record.step.takesWarrant || override.gate == .teardownWarrant { return .overrideImpossible(override.step, override.gate) }
        if override.gate == .diskBlank { return .overrideImpossible(override.step, override.gate) }
        if override.until <= now.wall { return .overrideExpired(override.until) }
        return override.reason.allSatisfy(\.isWhitespace) || override.by.isEmpty ? .overrideUnreasoned : nil
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
            warrants[step] = Warrant(note: Judge.WarrantNote(id: id, notAfter: notAfter, objects: objects), envelope: envelope)
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
