// SPDX-License-Identifier: Apache-2.0

/// The names under which each cluster's credentials are stored, and which of a store's names belong to clusters that are gone. Pure.
package enum SecretNames {
    /// What is stored for each cluster.
    package enum Kind: String, CaseIterable, Sendable {
        case kubeconfig = "KUBECONFIG"
        case talosconfig = "TALOSCONFIG"
    }

    /// `MESHGATE_LAB_KUBECONFIG_TALOS_EAST`: the mesh's name keeps two meshes in one config apart.
    package static func name(_ kind: Kind, of cluster: ClusterName, mesh: String) -> String {
        prefix(mesh) + kind.rawValue + "_" + upper(cluster.text)
    }

    /// Names of this mesh and of no cluster of it (G-SEC-03). Only names of our own form are ever given: what people put there is theirs.
    package static func stale(in names: Set<String>, mesh: String, clusters: some Sequence<ClusterName>) -> Set<String> {
        let living = Set(clusters.flatMap { cluster in Kind.allCases.map { name($0, of: cluster, mesh: mesh) } })
        let ours = Kind.allCases.map { prefix(mesh) + $0.rawValue + "_" }
        return names.filter { name in ours.contains { name.hasPrefix($0) && name.utf8.count > $0.utf8.count } && !living.contains(name) }
    }

    /// Every name that a mesh's plan stores under: Talos clusters have two files, the others one.
    package static func planned(_ spec: MeshSpec, clusters: [MeshSpec.Cluster]? = nil) -> [String] {
        (clusters ?? spec.clusters).flatMap { cluster in kinds(of: cluster).map { name($0, of: cluster.name, mesh: spec.name) } }.sorted()
    }

    /// What there is to store of a cluster.
    package static func kinds(of cluster: MeshSpec.Cluster) -> [Kind] { cluster.kind == .talos ? Kind.allCases : [.kubeconfig] }

    private static func prefix(_ mesh: String) -> String { "MESHGATE_" + upper(mesh) + "_" }
    private static func upper(_ text: String) -> String { String(text.uppercased().map { $0 == "-" ? "_" : $0 }) }
}
