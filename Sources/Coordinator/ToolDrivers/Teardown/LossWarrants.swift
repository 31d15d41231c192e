// SPDX-License-Identifier: Apache-2.0

import MeshModel
import MeshSystem
import MeshTrust
import Planning

/// Judges what people signed for steps that destroy, at the moment of use and by the coordinator's own list of signers.
struct LossWarrants: Sendable {
    let signers: @Sendable () throws -> AllowedSigners
    let now: NowSource

    /// Why a step may not destroy anything now.
    struct Refusal: Error { let words: String }

    /// The permission that the warrant gives to this step of this plan.
    func permission(_ warrant: WarrantEnvelope?, for step: Step, in plan: Plan) -> Result<PermittedLosses, Refusal> {
        guard let warrant else { return .failure(Refusal(words: "there is no warrant for it")) }
        let allowed: AllowedSigners
        do {
            allowed = try signers()
        } catch {
            return .failure(Refusal(words: "who may sign cannot be read: \(error)"))
        }
        do throws(WarrantRefusal) {
            let terms = try WarrantVerifier.verifyTeardown(warrant, signers: allowed, now: now().wall).terms
            // What Terraform would take away is compared by whoever has its plan in hand.
            let fits =
                step.terraform == nil ? terms.objects == nil && terms.destroys == TeardownTerms.losses(step.destroys) : terms.objects != nil
            guard terms.mesh == plan.spec.name, terms.plan == plan.digest, terms.step == step.id, fits else {
                return .failure(Refusal(words: "the warrant is for \(terms.step) of another plan or names other losses"))
            }
            return .success(PermittedLosses(warrant: terms.id, objects: terms.objects))
        } catch {
            return .failure(Refusal(words: "the warrant does not count: \(error)"))
        }
    }
}

/// What a person has permitted to be destroyed in one step. Only `LossWarrants` makes one, so nothing is destroyed without.
struct PermittedLosses: Hashable, Sendable {
    let warrant: WarrantID
    /// `TerraformLosses.digest` of what was signed for.
    let objects: Digest?

    fileprivate init(warrant: WarrantID, objects: Digest?) {
        self.warrant = warrant
        self.objects = objects
    }
}
