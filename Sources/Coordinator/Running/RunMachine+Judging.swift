// SPDX-License-Identifier: Apache-2.0

package import Gating
package import MeshModel
package import Planning

/// What the state says of steps, gates, warrants and overrides. Reads only.
extension RunMachine {
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

    func refusal(ofWarrant id: WarrantID, _ envelope: WarrantEnvelope, for step: StepID) -> InputRefusal? {
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

    func refusal(of override: GateOverride, now: Moment) -> InputRefusal? {
        guard let run, !run.isOver else { return .noRun }
        guard let record = run[override.step] else { return .noSuchStep(override.step) }
        if record.step.takesWarrant || override.gate == .teardownWarrant { return .overrideImpossible(override.step, override.gate) }
        if override.gate == .diskBlank { return .overrideImpossible(override.step, override.gate) }
        if override.until <= now.wall { return .overrideExpired(override.until) }
        return override.reason.allSatisfy(\.isWhitespace) || override.by.isEmpty ? .overrideUnreasoned : nil
    }
}
