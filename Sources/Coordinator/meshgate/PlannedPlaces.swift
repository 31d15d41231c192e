// SPDX-License-Identifier: Apache-2.0

import MeshModel
import Planning
import Synchronization

/// Which cluster a machine belongs to, by the present plan; worked out anew when there is another one.
final class PlannedPlaces: Sendable {
    private struct Known {
        var plan: Digest?
        var clusters: [NodeID: ClusterName] = [:]

        init(_ plan: Plan?) {
            self.plan = plan?.digest
            for member in plan?.spec.members ?? [] {
                clusters[member.node.name] = clusters[member.node.name] ?? member.cluster.name
            }
        }
    }

    private let plan: @Sendable () -> Plan?
    private let known = Mutex(Known(nil))

    init(plan: @escaping @Sendable () -> Plan?) { self.plan = plan }

    var clusters: [NodeID: ClusterName] { look { $0.clusters } }

    private func look<Value: Sendable>(_ body: (Known) -> Value) -> Value {
        let plan = plan()
        return known.withLock { known in
            if known.plan != plan?.digest { known = Known(plan) }
            return body(known)
        }
    }
}
