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
    var mayCreate = true
    var mayUpdate = true
    /// Whether anything may go at all. What goes has to be signed for besides, by the digest of the whole list.
    var mayDelete = true

    enum Refusal: Hashable, Sendable {
        case noSuchTarget(TerraformAddress, configured: [String])
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
        } else if addresses.isEmpty, mayCreate, plan.complete == false {
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
        case .delete, .forget: return mayDelete ? within(change) : .notAllowed(change.address, change.action)
        case .replace: return mayDelete && mayCreate ? within(change) : .notAllowed(change.address, .replace)
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
            mayUpdate: phase?.createsOnly != true, mayDelete: phase?.createsOnly != true)
    }

    /// A teardown: nothing but deletions.
    static let destroying = Self(mayCreate: false, mayUpdate: false)
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
