// SPDX-License-Identifier: Apache-2.0

import MeshModel

/// Through which nodes the others reach one cluster's clustermesh API server. The CLI by itself takes the first node that the API lists, often
/// a control plane, and no other: when that node is drained the mesh is cut (D57).
enum MeshEndpoints {
    /// More would only make every agent's list longer.
    static let most = 3

    /// `IP:PORT` of up to three nodes that are ready and stay: workers before control planes, then in the order of their names.
    static func choose(nodes: [HelmValue], port: Int) -> [String] {
        nodes.compactMap(Candidate.init).sorted().prefix(most).map { candidate in
            candidate.address.contains(":") ? "[\(candidate.address)]:\(port)" : "\(candidate.address):\(port)"
        }
    }

    private struct Candidate: Comparable {
        var isControlPlane: Bool
        var name: String
        var address: String

        /// `nil` for a node that is not ready, is cordoned (as while it is drained), or is being removed.
        init?(_ node: HelmValue) {
            guard let name = node["metadata", "name"]?.string, node["metadata", "deletionTimestamp"] == nil,
                node["spec", "unschedulable"]?.bool != true,
                (node["status", "conditions"]?.list ?? []).contains(where: {
                    $0["type"]?.string == "Ready" && $0["status"]?.string == "True"
                }),
                let address = (node["status", "addresses"]?.list ?? []).first(where: { $0["type"]?.string == "InternalIP" })?["address"]?
                    .string,
                IPAddress(address) != nil
            else { return nil }
            self.name = name
            self.address = address
            isControlPlane = node["metadata", "labels", "node-role.kubernetes.io/control-plane"] != nil
        }

        static func < (left: Self, right: Self) -> Bool {
            (left.isControlPlane ? 1 : 0, left.name) < (right.isControlPlane ? 1 : 0, right.name)
        }
    }
}
