// SPDX-License-Identifier: Apache-2.0

import MeshModel
import Planning
import Synchronization

/// Which cluster a machine or an address belongs to, by the present plan; worked out anew when there is another one.
final class PlannedPlaces: Sendable {
    private struct Known {
        var plan: Digest?
        var clusters: [NodeID: ClusterName] = [:]
        var addresses: [IPAddress: ClusterName] = [:]
        var ranges: [(CIDR, ClusterName)] = []

        init(_ plan: Plan?) {
            self.plan = plan?.digest
            for member in plan?.spec.members ?? [] {
                clusters[member.node.name] = clusters[member.node.name] ?? member.cluster.name
                addresses[member.node.address] = addresses[member.node.address] ?? member.cluster.name
            }
            ranges = (plan?.spec.clusters ?? []).flatMap { cluster in cluster.podCIDRs.map { ($0, cluster.name) } }
        }
    }

    private let plan: @Sendable () -> Plan?
    private let known = Mutex(Known(nil))

    init(plan: @escaping @Sendable () -> Plan?) { self.plan = plan }

    var clusters: [NodeID: ClusterName] { look { $0.clusters } }

    /// Of a node's own address, or of a pod's.
    func cluster(of address: IPAddress) -> ClusterName? {
        look { known in known.addresses[address] ?? known.ranges.first { $0.0.contains(address) }?.1 }
    }

    private func look<Value: Sendable>(_ body: (Known) -> Value) -> Value {
        let plan = plan()
        return known.withLock { known in
            if known.plan != plan?.digest { known = Known(plan) }
            return body(known)
        }
    }
}
