// SPDX-License-Identifier: Apache-2.0

package import MeshModel

/// What one step has Terraform plan: a directory as a whole, or one phase of it.
package struct TerraformPart: Hashable, Sendable {
    package var directory: String
    /// Absent when the directory is provisioned in one go.
    package var phase: String?
    /// The service that the phase is for; absent for what is applied before the clusters.
    package var service: String?
    package init(directory: String, phase: String? = nil, service: String? = nil) {
        self.directory = directory
        self.phase = phase
        self.service = service
    }

    /// What evidence of it speaks of. A service's phase has evidence of its own: before its clusters stand it cannot be planned, and must not
    /// keep anybody from seeing what the machines' phases would do.
    package var subject: Subject { service.map { .service($0) } ?? .mesh }
    /// Where evidence of it is kept.
    package var key: EvidenceKey { EvidenceKey(subject, .provision) }

    /// For people.
    var words: String { phase.map { "phase \($0) of \(directory)" } ?? directory }

    /// Whether a fact of its evidence is about this phase.
    func isMeant(_ directory: String, _ phase: String?) -> Bool { directory == self.directory && phase == self.phase }
}
