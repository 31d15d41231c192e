// SPDX-License-Identifier: Apache-2.0

package import MeshModel

extension EvidenceTable {
    /// What Terraform would take away in a directory or a phase of it, as far as was seen last; `nil` when that is nothing, or not known.
    package func losses(of part: TerraformPart) -> TerraformLosses? {
        for fact in newest[part.key]?.facts ?? [] {
            switch fact {
            case .provision(let fact) where part.isMeant(fact.directory, fact.phase): return fact.losses
            case .destruction(let fact) where part.isMeant(fact.directory, fact.phase): return fact.losses
            default: continue
            }
        }
        return nil
    }
}
