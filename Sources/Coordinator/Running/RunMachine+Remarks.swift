// SPDX-License-Identifier: Apache-2.0

import Gating
import MeshModel
package import Planning

extension RunMachine {
    /// What is on record about a step besides its gates, each in a sentence: the hosts outside that its service is configured to talk to, as far
    /// as was seen last.
    package func remarks(on step: Step) -> [String] {
        guard let spec = run?.plan.spec else { return [] }
        // By the step's name, which a question keeps.
        let services = spec.services.filter { step.id.text.hasSuffix("/service-" + $0.name) }
        return services.flatMap { service in
            service.clusters.filter { [.mesh, .cluster($0)].contains(step.place) }.compactMap { name in
                guard case .cluster(let fact)? = evidence.newest[EvidenceKey(.cluster(name), .cluster)]?.facts.first,
                    let egress = fact.services?[service.name]?.egress
                else { return nil }
                return "\(service.name) on \(name) is configured to talk to \(egress.words) outside of the cluster"
            }
        }
    }
}
