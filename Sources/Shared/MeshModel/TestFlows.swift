// SPDX-License-Identifier: Apache-2.0

/// What Hubble saw between two clusters while a connectivity test ran, as the coordinator counted it, node by node. It is kept beside the
/// test's report, and like that it is of one test: what came later changes nothing.
package struct TestFlows: Hashable, Sendable, Codable {
    /// The two clusters of a test, and the nodes whose Hubble is asked.
    package struct Parties: Hashable, Sendable {
        package var from: ClusterName
        package var to: ClusterName
        package var nodes: [NodeID: ClusterName]
        package init(from: ClusterName, to: ClusterName, nodes: [NodeID: ClusterName]) {
            self.from = from
            self.to = to
            self.nodes = nodes
        }
    }

    /// Flows between the two clusters that a node's Cilium dropped for one reason.
    package struct Drop: Hashable, Sendable, Codable {
        package var reason: String
        package var from: ClusterName
        package var to: ClusterName
        package var flows: UInt64
        package init(reason: String, from: ClusterName, to: ClusterName, flows: UInt64) {
            self.reason = reason
            self.from = from
            self.to = to
            self.flows = flows
        }
    }

    /// What one node's Hubble told.
    package struct Witness: Hashable, Sendable, Codable {
        package var node: NodeID
        package var cluster: ClusterName
        /// Why it did not tell of the whole test; absent when it did.
        package var problem: String?
        /// Of a thousand flows those that Hubble lost, rounded up.
        package var lost: Int
        /// Flows that were forwarded in the direction of the test, and back.
        package var there: UInt64
        package var back: UInt64
        package var drops: [Drop]
        package init(
            node: NodeID, cluster: ClusterName, problem: String? = nil, lost: Int = 0, there: UInt64 = 0, back: UInt64 = 0,
            drops: [Drop] = []
        ) {
            self.node = node
            self.cluster = cluster
            self.problem = problem
            self.lost = lost
            self.there = there
            self.back = back
            self.drops = drops
        }
    }

    package var witnesses: [Witness]
    package init(witnesses: [Witness]) { self.witnesses = witnesses }
}

extension MeshSpec {
    /// The nodes of two clusters whose agents can read Hubble, in the order of the spec.
    package func witnesses(_ from: ClusterName, _ to: ClusterName) -> [(node: NodeID, cluster: ClusterName)] {
        [from, to].compactMap(cluster).flatMap { cluster in cluster.nodes.filter(\.hasAgent).map { ($0.name, cluster.name) } }
    }
}
