// SPDX-License-Identifier: Apache-2.0

import Gating
import MeshModel

/// The second pair of eyes: what must hold of every plan, whoever made it.
package enum PlanCheck {
    package static func faults(of plan: Plan) -> [String] {
        var faults: [String] = []
        var seen: Set<StepID> = []
        for step in plan.steps {
            if !seen.insert(step.id).inserted { faults.append("two steps are called \(step.id)") }
            // Order in the list is also an order in time: a step may only wait for one that stands before it, so there is no circle.
            for earlier in step.after where !seen.contains(earlier) || earlier == step.id {
                faults.append("\(step.id) waits for \(earlier), which does not come before it")
            }
            if step.done.isEmpty { faults.append("\(step.id) cannot tell when it is done") }
            faults += destructionFaults(step, plan.spec)
            if case .installService(let name, _) = step.action {
                faults += plan.spec.services.filter { $0.name == name }.compactMap(\.refusal).map { "\(step.id): \($0)" }
            }
            if !belongs(step.action, plan.purpose) {
                faults.append("\(step.id) does \(step.action.driver) in a plan whose purpose is \(plan.purpose.word)")
            }
        }
        return faults
    }

    private static func belongs(_ action: Action, _ purpose: Purpose) -> Bool {
        switch (action, purpose) {
        case (.look, _): purpose.onlyLooks
        case (.undo(.machines), .teardown(let scope, _)), (.undo(.secrets), .teardown(let scope, _)),
            (.undo(.orphans), .teardown(let scope, _)), (.undo(.contexts), .teardown(let scope, _)):
            scope == .everything || scope == .machines
        case (.undo(.workloads(_, let node)), .teardown(let scope, _)), (.undo(.registration(_, let node)), .teardown(let scope, _)):
            scope == .node(node)
        case (.undo, .teardown): true
        case (.undo, _), (_, .teardown), (_, .verify), (_, .drift): false
        case (_, .build): true
        }
    }

    /// What destroys takes a person's permission, says what is lost, and nothing else may destroy.
    private static func destructionFaults(_ step: Step, _ spec: MeshSpec) -> [String] {
        switch step.action {
        case .wipe: return wipeFaults(step, spec)
        case .provision(let directory, let phase):
            let part = TerraformPart(directory: directory, phase: phase, service: spec.service(ofPhase: phase)?.name)
            return lossFaults(step, part) + groundFaults(step, phase, spec)
                + (step.destroys.isEmpty ? [] : ["\(step.id) destroys something in a build"])
        case .undo(.machines(let directory, let phase)):
            return undoFaults(step, TerraformPart(directory: directory, phase: phase))
                + (spec.service(ofPhase: phase) == nil ? [] : ["\(step.id) takes a service's phase for machines"])
        case .undo(.servicePhase(let service, let directory, let phase)):
            return undoFaults(step, TerraformPart(directory: directory, phase: phase, service: service))
        case .undo(.workloads(let name, let node)), .undo(.registration(let name, let node)):
            return step.gates.contains(.osdsAway(name, node)) ? [] : ["\(step.id) lacks the gate \(GateID.osdsAway.rawValue)"]
        case .undo(let remnant) where remnant.holdsData:
            var faults: [String] = []
            if step.destroys.isEmpty { faults.append("\(step.id) does not say what it destroys") }
            if !step.gates.contains(.teardownWarranted(step.id)) {
                faults.append("\(step.id) lacks the gate \(GateID.teardownWarrant.rawValue)")
            }
            return faults
        default: return step.destroys.isEmpty ? [] : ["\(step.id) destroys something but is not a wipe"]
        }
    }

    /// What Terraform plans is judged, and what it would take away is signed for.
    private static func lossFaults(_ step: Step, _ part: TerraformPart) -> [String] {
        let needed: [Requirement] = [
            .provisionSafe(directory: part.directory, phase: part.phase, service: part.service),
            .lossesWarranted(step.id, directory: part.directory, phase: part.phase, service: part.service),
        ]
        return needed.filter { !step.gates.contains($0) }.map { "\(step.id) lacks the gate \($0.gate.rawValue)" }
    }

    private static func undoFaults(_ step: Step, _ part: TerraformPart) -> [String] {
        lossFaults(step, part) + (step.destroys.isEmpty ? ["\(step.id) does not say what it destroys"] : [])
    }

    /// What is for a service stands on clusters.
    private static func groundFaults(_ step: Step, _ phase: String?, _ spec: MeshSpec) -> [String] {
        (spec.service(ofPhase: phase)?.clusters ?? []).filter { name in
            !step.gates.contains { if case .ciliumHealthy(name, _, _) = $0 { true } else { false } }
        }.map { "\(step.id) lacks the gate \(GateID.ciliumHealthy.rawValue) of \($0)" }
    }

    /// A wipe needs identity, no user, no owner, an armed wiper, a warrant and a proof afterwards; nothing else may destroy.
    private static func wipeFaults(_ step: Step, _ spec: MeshSpec) -> [String] {
        guard case .wipe(let node, let disk, let method, let route) = step.action else { return [] }
        let hypervisor = spec.members.first { $0.node.name == node }.flatMap { spec.askableHypervisor(of: $0.node) }
        var needed: [Requirement] = [
            .diskIdentity(node, disk), .diskUnused(node, disk), .warranted(step.id, node, disk, seenBy: route == nil ? nil : hypervisor),
        ]
        if route == nil { needed.append(.wiperArmed(node)) }
        var faults = needed.filter { !step.gates.contains($0) }.map { "\(step.id) lacks the gate \($0.gate.rawValue)" }
        if let hypervisor, (spec.policy.wipes ?? MeshSpec.Wipes()).witnesses > 1,
            !step.gates.contains(where: { if case .diskWitness(node, disk, hypervisor, _) = $0 { true } else { false } })
        {
            faults.append("\(step.id) lacks the witness \(hypervisor)")
        }
        if route == .talosAPI {
            if method != .zero { faults.append("\(step.id) goes through Talos' API and not by method zero") }
            if !step.gates.contains(where: { if case .diskWitness(node, disk, _, _) = $0 { true } else { false } }) {
                faults.append("\(step.id) goes through Talos' API without a witness")
            }
        }
        if !step.gates.contains(where: { if case .osdRetired(node, disk, _, _) = $0 { true } else { false } }) {
            faults.append("\(step.id) lacks the gate \(GateID.osdRetired.rawValue)")
        }
        // Every byte was to go: then some of them, unforeseen, must be looked at, before the step is called done and before it is skipped.
        let proofs = method == .labels ? step.done + (step.proof ?? []) : step.done
        if !proofs.contains(where: {
            if case .blankProven(node, disk, let share, _, _) = $0 { share > 0 || method == .labels } else { false }
        }) {
            faults.append("\(step.id) lacks the proof \(GateID.blankProven.rawValue)")
        }
        if step.destroys.isEmpty { faults.append("\(step.id) does not say what it destroys") }
        return faults
    }
}
