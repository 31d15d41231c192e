// SPDX-License-Identifier: Apache-2.0

extension MeshSpec {
    /// The service that a phase of Terraform is for; `nil` for phases that are applied before the clusters, and for the whole.
    package func service(ofPhase phase: String?) -> Service? {
        guard let phase else { return nil }
        return services.first { $0.phase == phase }
    }

    /// What Terraform applies before the clusters, in its order: phases, or one `nil` for the whole. Empty where it makes no machines.
    package var groundPhases: [Provision.Phase?] {
        (provision?.phasesOrWhole ?? []).filter { service(ofPhase: $0?.name) == nil }
    }
}

extension MeshSpec.Service {
    /// The phase of Terraform that brings it; absent for every other source.
    package var phase: String? { if case .terraform(let phase) = source { phase } else { nil } }
}
