// SPDX-License-Identifier: Apache-2.0

internal import MeshModel

/// What a cluster that is no more has left on nodes that were never reinstalled. They are planted together, each on a node of its own.
package enum LabLeftover: String, Hashable, Sendable, CaseIterable {
    /// Cilium's own pair of links.
    case links
    /// kube-proxy's rules, which send packets to Services that are no more.
    case chains

    /// The gate that holds.
    package var gate: String {
        switch self {
        case .links: "G-UND-03"
        case .chains: "G-K8S-02"
        }
    }

    /// The last nodes of the last cluster.
    func victim(_ topology: LabTopology) -> LabTopology.Node? {
        topology.nodes.reversed().dropFirst(self == .links ? 0 : 1).first
    }

    func words(_ node: LabTopology.Node) -> String {
        switch self {
        case .links: "\(node.name) still has the links of a Cilium that is gone"
        case .chains: "\(node.name) still has kube-proxy's rules in its packet filter"
        }
    }

    /// With what it is planted: a program and its arguments, in the node's network.
    func plant(_ node: LabTopology.Node) -> [String] {
        switch self {
        case .links: ["ip", "-n", node.namespace, "link", "add", "cilium_host", "type", "veth", "peer", "name", "cilium_net"]
        case .chains: nft(node, "add table ip nat; add chain ip nat KUBE-SERVICES; add chain ip nat KUBE-POSTROUTING")
        }
    }

    /// With what a person takes it away, who would rather reboot the node.
    func remove(_ node: LabTopology.Node) -> [String] {
        switch self {
        case .links: ["ip", "-n", node.namespace, "link", "delete", "cilium_host"]
        case .chains: nft(node, "delete table ip nat")
        }
    }

    private func nft(_ node: LabTopology.Node, _ rules: String) -> [String] { ["ip", "netns", "exec", node.namespace, "nft", rules] }
}
