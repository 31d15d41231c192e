// SPDX-License-Identifier: Apache-2.0

package import MeshModel

/// Taking back what the Cilium steps did, in the order in which a mesh is taken apart.
package enum CiliumUndo: Hashable, Sendable {
    /// Every cluster from every other.
    case disconnect([MeshSpec.Cluster])
    case disableClustermesh(MeshSpec.Cluster)
    case uninstall(MeshSpec.Cluster)

    /// What it does and what it costs, for the person who is asked.
    package var preview: String {
        switch self {
        case .disconnect(let clusters):
            "disconnect \(clusters.map(\.name.text).joined(separator: ", ")) from each other: services shared between them lose their remote "
                + "backends, and traffic between pods of different clusters stops"
        case .disableClustermesh(let cluster):
            "disable the clustermesh API server of \(cluster.name): whoever is still connected to it loses its services and identities"
        case .uninstall(let cluster):
            "uninstall Cilium from \(cluster.name): its nodes have no pod network until another is installed, network policies are no longer "
                + "enforced, and running pods lose their connections; the Secret cilium-ca goes with it, Cilium's CRDs and their objects stay"
        }
    }
}

/// What an uninstalled Cilium may leave on a node, for the agents to look for. Helm knows of none of it: agents remove it when they end well,
/// and a node that was down meanwhile keeps it.
package enum CiliumLeftovers {
    /// Links by exact name.
    package static let links = ["cilium_host", "cilium_net", "cilium_vxlan", "cilium_geneve", "cilium_wg0"]
    /// Links by the beginning of their name: one for each pod.
    package static let linkPrefixes = ["lxc"]
    /// Directories of pinned BPF objects.
    package static let pins = ["/sys/fs/bpf/tc/globals", "/sys/fs/bpf/cilium"]
    /// Chains of iptables by the beginning of their name; kube-proxy's are there because Cilium may have taken its place.
    package static let chainPrefixes = ["CILIUM_", "OLD_CILIUM_", "KUBE-SVC-", "KUBE-SEP-"]
    /// Configurations that make a kubelet call a plugin that is gone.
    package static let cniFiles = ["/etc/cni/net.d/05-cilium.conflist", "/etc/cni/net.d/05-cilium.conf"]
    /// State of agents.
    package static let directories = ["/var/run/cilium", "/var/lib/cilium"]
}
