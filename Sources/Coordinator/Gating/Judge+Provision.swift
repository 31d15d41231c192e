// SPDX-License-Identifier: Apache-2.0

import MeshModel

/// Rules about Terraform.
extension Judge {
    private func terraform(_ directory: String, _ found: Found) -> TerraformFact? {
        for case .terraform(let fact) in found.facts[EvidenceKey(.mesh, .provision)] ?? [] where fact.directory == directory { return fact }
        return nil
    }

    func terraformReady(_ directory: String, _ found: Found, _ say: Findings) -> Verdict {
        guard let fact = terraform(directory, found) else { return say.nothing(about: directory, .mesh) }
        guard let problem = fact.problem else { return .pass }
        return say.hold(
            .mesh, .unfit, "Terraform cannot work in \(directory): \(problem)",
            "run `terraform init` there by hand, and commit .terraform.lock.hcl when it changed")
    }

    func stateLocked(_ directory: String, _ found: Found, _ say: Findings) -> Verdict {
        guard let fact = terraform(directory, found) else { return say.nothing(about: directory, .mesh) }
        switch fact.stateLock {
        case .holds: return .pass
        case .broken:
            return say.deny(
                .mesh, .unfit, "the state of \(directory) is not locked: \(fact.lockWords ?? "")",
                "use a backend that locks, or `use_lockfile` on a store with conditional writes: two applies at once lose machines")
        case .unknown:
            return .unknown([
                say.reason(
                    .mesh, .missing, "whether the state of \(directory) is locked is not known: \(fact.lockWords ?? "it was not tried")",
                    "it is tried again by itself; `terraform console` in that directory shows what is in the way")
            ])
        }
    }

    /// What a plan of Terraform's says, or the verdict that there is none.
    private func with(
        _ directory: String, _ phase: String?, _ found: Found, _ say: Findings, _ rule: (ProvisionFact) -> Verdict
    ) -> Verdict {
        for case .provision(let fact) in found.facts[EvidenceKey(.mesh, .provision)] ?? []
        where fact.directory == directory && fact.phase == phase {
            guard let problem = fact.problem else { return rule(fact) }
            return .unknown([
                say.reason(.mesh, .unavailable, "there is no plan for \(name(directory, phase)): \(problem)", "mend what Terraform names")
            ])
        }
        return say.nothing(about: name(directory, phase), .mesh)
    }

    private func name(_ directory: String, _ phase: String?) -> String { phase.map { "phase \($0) of \(directory)" } ?? directory }

    func provisionSafe(_ directory: String, _ phase: String?, _ found: Found, _ say: Findings) -> Verdict {
        let remedy = "look at `terraform plan`; nothing is deleted without a warrant, and nothing changed that is not named"
        func denied(_ words: [String]) -> Verdict {
            words.isEmpty ? .pass : .deny(words.map { say.reason(.mesh, .mismatch, "\(name(directory, phase)): \($0)", remedy) })
        }
        if destruction(directory, phase, found) != nil {
            return destroying(directory, phase, found, say) { denied($0.refusals ?? []) }
        }
        return with(directory, phase, found, say) { fact in
            if let refusals = fact.refusals { return denied(refusals) }
            return denied(fact.deletes > 0 && fact.losses == nil ? ["Terraform would delete or replace \(fact.deletes) objects"] : [])
        }
    }

    // MARK: what would be taken away

    private func destruction(_ directory: String, _ phase: String?, _ found: Found) -> DestructionFact? {
        for case .destruction(let fact) in found.facts[EvidenceKey(.mesh, .provision)] ?? []
        where fact.directory == directory && fact.phase == phase { return fact }
        return nil
    }

    /// As `with`, of a plan that destroys.
    private func destroying(
        _ directory: String, _ phase: String?, _ found: Found, _ say: Findings, _ rule: (DestructionFact) -> Verdict
    ) -> Verdict {
        guard let fact = destruction(directory, phase, found) else {
            return say.nothing(about: "what is left of \(name(directory, phase))", .mesh)
        }
        guard let problem = fact.problem else { return rule(fact) }
        return .unknown([
            say.reason(
                .mesh, .unavailable, "what is left of \(name(directory, phase)) is not known: \(problem)", "mend what Terraform names")
        ])
    }

    func machinesGone(_ directory: String, _ phase: String?, _ found: Found, _ say: Findings) -> Verdict {
        destroying(directory, phase, found, say) { fact in
            let refusals = (fact.refusals ?? []).map { say.reason(.mesh, .mismatch, $0, "look at `terraform plan -destroy`") }
            guard let losses = fact.losses else { return say.pass(unless: refusals) }
            let some = losses.objects.prefix(3).joined(separator: ", ")
            return say.pass(
                unless: refusals + [
                    say.reason(
                        .mesh, .inUse, "Terraform in \(name(directory, phase)) still has \(losses.count) to remove: \(some)",
                        "the plan's step removes them, with a warrant")
                ])
        }
    }

    func lossesWarranted(_ step: StepID, _ directory: String, _ phase: String?, _ found: Found, _ say: Findings) -> Verdict {
        func judge(_ losses: TerraformLosses?) -> Verdict {
            guard let losses else { return .pass }
            let many = losses.count == 1 ? "one object" : "\(losses.count) objects"
            guard let warrant = warrants[step], let signed = warrant.objects else {
                let some = losses.objects.prefix(3).joined(separator: ", ") + (losses.count > 3 ? ", ..." : "")
                return say.hold(
                    .mesh, .needsWarrant, "Terraform in \(name(directory, phase)) would take away \(many): \(some)",
                    "`meshgate destroy losses` shows all; `meshgate approve \(step)` signs for exactly these and submits")
            }
            guard signed == losses.digest else {
                return say.hold(
                    .mesh, .needsWarrant, "the warrant \(warrant.id) for \(step) names other objects than the \(many) of today's plan",
                    "look again, and sign a new one: `meshgate approve \(step)`")
            }
            return teardownWarranted(step, say)
        }
        if destruction(directory, phase, found) != nil { return destroying(directory, phase, found, say) { judge($0.losses) } }
        return with(directory, phase, found, say) { judge($0.losses) }
    }

    func provisioned(_ directory: String, _ phase: String?, _ found: Found, _ say: Findings) -> Verdict {
        with(directory, phase, found, say) { fact in
            let left = fact.creates + fact.changes + fact.deletes
            // A target that matches nothing has nothing left to change, too.
            guard left > 0 || fact.refusals != nil else { return .pass }
            let drift = fact.drift.map { "; changed outside of Terraform: \($0.prefix(5).joined(separator: ", "))" } ?? ""
            return say.hold(
                .mesh, .mismatch, "Terraform in \(name(directory, phase)) has \(left) objects to change\(drift)",
                "the plan's provision step applies it")
        }
    }
}
