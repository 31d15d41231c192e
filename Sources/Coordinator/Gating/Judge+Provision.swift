// SPDX-License-Identifier: Apache-2.0

import MeshModel

/// Rules about Terraform.
extension Judge {
    private func terraform(_ part: TerraformPart, _ found: Found) -> TerraformFact? {
        for case .terraform(let fact) in found.facts[part.key] ?? [] where fact.directory == part.directory { return fact }
        return nil
    }

    func terraformReady(_ part: TerraformPart, _ found: Found, _ say: Findings) -> Verdict {
        guard let fact = terraform(part, found) else { return say.nothing(about: part.directory, part.subject) }
        guard let problem = fact.problem else { return .pass }
        return say.hold(
            part.subject, .unfit, "Terraform cannot work in \(part.directory): \(problem)",
            "run `terraform init` there by hand, and commit .terraform.lock.hcl when it changed")
    }

    func stateLocked(_ part: TerraformPart, _ found: Found, _ say: Findings) -> Verdict {
        guard let fact = terraform(part, found) else { return say.nothing(about: part.directory, part.subject) }
        switch fact.stateLock {
        case .holds: return .pass
        case .broken:
            return say.deny(
                part.subject, .unfit, "the state of \(part.directory) is not locked: \(fact.lockWords ?? "")",
                "use a backend that locks, or `use_lockfile` on a store with conditional writes: two applies at once lose machines")
        case .unknown:
            return .unknown([
                say.reason(
                    part.subject, .missing,
                    "whether the state of \(part.directory) is locked is not known: \(fact.lockWords ?? "it was not tried")",
                    "it is tried again by itself; `terraform console` in that directory shows what is in the way")
            ])
        }
    }

    /// What a plan of Terraform's says, or the verdict that there is none.
    private func with(
        _ part: TerraformPart, _ found: Found, _ say: Findings, _ rule: (ProvisionFact) -> Verdict
    ) -> Verdict {
        for case .provision(let fact) in found.facts[part.key] ?? []
        where part.isMeant(fact.directory, fact.phase) {
            guard let problem = fact.problem else { return rule(fact) }
            return .unknown([
                say.reason(part.subject, .unavailable, "there is no plan for \(part.words): \(problem)", "mend what Terraform names")
            ])
        }
        return say.nothing(about: part.words, part.subject)
    }

    func provisionSafe(_ part: TerraformPart, _ found: Found, _ say: Findings) -> Verdict {
        let remedy = "look at `terraform plan`; nothing is deleted without a warrant, and nothing changed that is not named"
        func denied(_ words: [String]) -> Verdict {
            words.isEmpty ? .pass : .deny(words.map { say.reason(part.subject, .mismatch, "\(part.words): \($0)", remedy) })
        }
        if destruction(part, found) != nil {
            return destroying(part, found, say) { denied($0.refusals ?? []) }
        }
        return with(part, found, say) { fact in
            if let refusals = fact.refusals { return denied(refusals) }
            return denied(fact.deletes > 0 && fact.losses == nil ? ["Terraform would delete or replace \(fact.deletes) objects"] : [])
        }
    }

    // MARK: what would be taken away

    private func destruction(_ part: TerraformPart, _ found: Found) -> DestructionFact? {
        for case .destruction(let fact) in found.facts[part.key] ?? []
        where part.isMeant(fact.directory, fact.phase) { return fact }
        return nil
    }

    /// As `with`, of a plan that destroys.
    private func destroying(
        _ part: TerraformPart, _ found: Found, _ say: Findings, _ rule: (DestructionFact) -> Verdict
    ) -> Verdict {
        guard let fact = destruction(part, found) else {
            return say.nothing(about: "what is left of \(part.words)", part.subject)
        }
        guard let problem = fact.problem else { return rule(fact) }
        return .unknown([
            say.reason(
                part.subject, .unavailable, "what is left of \(part.words) is not known: \(problem)", "mend what Terraform names")
        ])
    }

    func machinesGone(_ part: TerraformPart, _ found: Found, _ say: Findings) -> Verdict {
        destroying(part, found, say) { fact in
            let refusals = (fact.refusals ?? []).map { say.reason(part.subject, .mismatch, $0, "look at `terraform plan -destroy`") }
            guard let losses = fact.losses else { return say.pass(unless: refusals) }
            let some = losses.objects.prefix(3).joined(separator: ", ")
            return say.pass(
                unless: refusals + [
                    say.reason(
                        part.subject, .inUse, "Terraform in \(part.words) still has \(losses.count) to remove: \(some)",
                        "the plan's step removes them, with a warrant")
                ])
        }
    }

    func lossesWarranted(_ step: StepID, _ part: TerraformPart, _ found: Found, _ say: Findings) -> Verdict {
        func judge(_ losses: TerraformLosses?) -> Verdict {
            guard let losses else { return .pass }
            let many = losses.count == 1 ? "one object" : "\(losses.count) objects"
            guard let warrant = warrants[step], let signed = warrant.objects else {
                let some = losses.objects.prefix(3).joined(separator: ", ") + (losses.count > 3 ? ", ..." : "")
                return say.hold(
                    part.subject, .needsWarrant, "Terraform in \(part.words) would take away \(many): \(some)",
                    "`meshgate destroy losses` shows all; `meshgate approve \(step)` signs for exactly these and submits")
            }
            guard signed == losses.digest else {
                return say.hold(
                    part.subject, .needsWarrant,
                    "the warrant \(warrant.id) for \(step) names other objects than the \(many) of today's plan",
                    "look again, and sign a new one: `meshgate approve \(step)`")
            }
            return teardownWarranted(step, say)
        }
        if destruction(part, found) != nil { return destroying(part, found, say) { judge($0.losses) } }
        return with(part, found, say) { judge($0.losses) }
    }

    func provisioned(_ part: TerraformPart, _ found: Found, _ say: Findings) -> Verdict {
        with(part, found, say) { fact in
            let left = fact.creates + fact.changes + fact.deletes
            // A target that matches nothing has nothing left to change, too.
            guard left > 0 || fact.refusals != nil else { return .pass }
            let drift = fact.drift.map { "; changed outside of Terraform: \($0.prefix(5).joined(separator: ", "))" } ?? ""
            return say.hold(
                part.subject, .mismatch, "Terraform in \(part.words) has \(left) objects to change\(drift)",
                "the plan's provision step applies it")
        }
    }
}
