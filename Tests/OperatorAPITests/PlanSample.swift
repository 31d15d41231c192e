// SPDX-License-Identifier: Apache-2.0

import Foundation
import MeshModel
import Planning
import Testing

/// A plan without steps, and one that lies about its digest.
enum PlanSample {
    static func plan(digest: Digest = .zero) throws -> Plan {
        let spec = MeshSpec(
            name: "home", versions: .init(cilium: .init(1, 18, 5)),
            clusters: [
                .init(
                    name: try #require(ClusterName("talos-east")), id: 1, context: "admin@talos-east",
                    endpoint: "https://192.168.15.5:6443", podCIDRs: [], serviceCIDRs: [], cilium: .init(), nodes: [])
            ])
        return Plan(body: Plan.Body(spec: spec, planner: 1, steps: []), digest: digest)
    }
}
