// SPDX-License-Identifier: Apache-2.0

import MeshModel

/// What a plan may do. Judged on the very plan that is applied, so that nothing can come in between.
///
/// A phase names the addresses it may change, and Terraform is given them as targets. That takes the place of `-target` lists typed by hand,
/// files renamed to switch resources off (the second pass then deletes), and `taint`.
struct TerraformPolicy: Hashable, Sendable {
    /// For messages; absent when the directory is provisioned in one go.
    var phase: String?
    /// What may be changed; empty: everything.
    var addresses: [TerraformAddress] = []
    /// The one way to delete: addresses that a person has signed for, each by its exact name.
    var deletable: Set<String> = []
    var mayCreate = true
    var mayUpdate = true

    enum Refusal: Hashable, Sendable {
        case noSuchTarget(TerraformAddress, configured: [String])
        case deletes(String, TerraformPlan.Action, reason: String?)
        case outside(String, TerraformPlan.Action)
        case notAllowed(String, TerraformPlan.Action)
        case unknownAction(String, [String])
        case deferred([String])
        case incomplete
        case failed
        case invocations(Int)
    }

    /// Everything that speaks against the plan; nothing when it may be applied.
    func judge(_ plan: TerraformPlan) -> [Refusal] {
        var refusals: [Refusal] = []
        if plan.errored { refusals.append(.failed) }
        if plan.invocations > 0 { refusals.append(.invocations(plan.invocations)) }
        if !plan.deferred.isEmpty {
            refusals.append(.deferred(plan.deferred))
        } else if addresses.isEmpty, deletable.isEmpty, plan.complete == false {
            refusals.append(.incomplete)
        }
        // Terraform takes a target that matches nothing for "no changes" and ends with 0 (terraform#30434).
        for target in addresses where !plan.changes.contains(where: { target.covers($0.address) }) {
            refusals.append(.noSuchTarget(target, configured: plan.configured))
        }
        refusals += plan.changes.compactMap(judge)
        return refusals
    }

    private func judge(_ change: TerraformPlan.Change) -> Refusal? {
        switch change.action {
        case .none where !change.imports, .read: return nil
        case .unknown(let words): return .unknownAction(change.address, words)
        case .delete, .forget:
            return deletable.contains(change.address) ? nil : .deletes(change.address, change.action, reason: change.reason)
        case .replace:
            guard deletable.contains(change.address) else { return .deletes(change.address, .replace, reason: change.reason) }
            return mayCreate ? within(change) : .notAllowed(change.address, .replace)
        case .create: return mayCreate ? within(change) : .notAllowed(change.address, .create)
        case .update, .none: return mayUpdate ? within(change) : .notAllowed(change.address, .update)
        }
    }

    private func within(_ change: TerraformPlan.Change) -> Refusal? {
        addresses.isEmpty || addresses.contains { $0.covers(change.address) } ? nil : .outside(change.address, change.action)
    }
}

extension TerraformPolicy {
    /// What one phase of the spec may do; `nil` for a directory that is provisioned in one go.
    init(_ phase: MeshSpec.Provision.Phase?) {
        self.init(
            phase: phase?.name, addresses: (phase?.addresses ?? []).map(TerraformAddress.init),
            mayUpdate: phase?.createsOnly != true)
    }

    /// A teardown: nothing but deletions, of these and of no others.
    static func destroying(_ permitted: Set<String>) -> Self {
        Self(deletable: permitted, mayCreate: false, mayUpdate: false)
    }
}

extension TerraformPlan.Action {
    /// `would be ...`.
    var words: String {
        switch self {
        case .none: "imported"
        case .create: "created"
        case .read: "read"
        case .update: "changed in place"
        case .delete: "deleted"
        case .replace: "deleted and created anew"
        case .forget: "forgotten"
        case .unknown(let words): "treated with \(words.joined(separator: ", "))"
        }
    }
}

extension TerraformPolicy.Refusal: CustomStringConvertible {
    var description: String {
        switch self {
        case .noSuchTarget(let target, let configured):
            "\(target) matches no object of the plan; Terraform would say \"no changes\". The configuration has "
                + (configured.isEmpty
                    ? "no resources" : configured.prefix(8).joined(separator: ", ") + (configured.count > 8 ? ", ..." : ""))
        case .deletes(let address, let action, let reason):
            "\(address) would be \(action.words)" + (reason.map { " (\($0.replacing("_", with: " ")))" } ?? "")
                + ", and no warrant allows it"
        case .outside(let address, let action): "\(address) would be \(action.words), and the phase does not name it"
        case .notAllowed(let address, let action): "\(address) would be \(action.words), which is not allowed here"
        case .unknownAction(let address, let words):
            "\(address) would be met with an action that this version does not know: \(words.joined(separator: ", "))"
        case .deferred(let addresses): "Terraform puts off \(addresses.prefix(8).joined(separator: ", ")) to a later plan"
        case .incomplete: "the plan does not cover the whole configuration, though no target was given"
        case .failed: "Terraform marked the plan as failed"
        case .invocations(let count): "the plan has \(count) provider actions, which this version does not know"
        }
    }
}
