// SPDX-License-Identifier: Apache-2.0

internal import MeshModel
internal import MeshTrust

/// Clusters that were installed one by one, as their recipe has it, before anybody thought of a mesh.
extension LabCrew {
    /// Cilium and its clustermesh API server in each cluster, with the CA that the chart makes where there is none.
    func installByHand(_ story: LabStory) async throws {
        for cluster in topology.clusters {
            let context = ["--context", cluster.context]
            try await clusters.tool(
                "cilium",
                context + [
                    "install", "--version", LabMeshFile.cilium.description, "--wait", "--set",
                    "cluster.name=\(cluster.name),cluster.id=\(cluster.id)",
                ], with: runner)
            try await clusters.tool("cilium", context + ["clustermesh", "enable", "--service-type", "NodePort"], with: runner)
        }
        let authorities = try authorities()
        guard Set(authorities.values).count == topology.clusters.count else {
            throw LabError.unexpected(doing: "install Cilium one by one", found: "fewer CAs than clusters")
        }
        for (cluster, authority) in authorities.sorted(by: { $0.key < $1.key }) {
            story.tell("\(cluster) runs Cilium, installed by hand, with a CA of its own: \(authority.prefix(Self.shownDigits))", .bad)
        }
    }

    /// What was promised and is not so: one CA in all clusters, every API server with a certificate of it, and no bundle of several any more.
    func checkAuthorities(_ story: LabStory) throws -> [String] {
        let authorities = try authorities()
        guard let one = authorities.values.first, authorities.count == topology.clusters.count, Set(authorities.values).count == 1 else {
            return ["the clusters have CAs of their own: \(authorities)"]
        }
        var missing: [String] = []
        for cluster in topology.clusters {
            let world = paths.world(of: cluster)
            let store = try StandInStore(directory: world + "/objects")
            if store.objects[.configMap("kube-system", "cilium-root-ca.crt")] != nil {
                missing.append("\(cluster.name) still trusts a bundle of CAs")
            }
            guard let shown = LabServerCertificate(reading: world) else {
                missing.append("the API server of \(cluster.name) shows no certificate")
                continue
            }
            if try Certificate(pem: shown.authority).fingerprint.description != one {
                missing.append("the API server of \(cluster.name) shows a certificate of another CA")
            }
        }
        if missing.isEmpty { story.tell("all clusters have one CA: \(one.prefix(Self.shownDigits)), and trust no other", .good) }
        return missing
    }

    private static let shownDigits = 16

    /// The fingerprint of each cluster's Secret `cilium-ca`.
    private func authorities() throws -> [ClusterName: String] {
        try topology.clusters.reduce(into: [:]) { all, cluster in
            let store = try StandInStore(directory: paths.world(of: cluster) + "/objects")
            let secret = store.objects[.secret("kube-system", "cilium-ca")]
            guard let pem = secret?["data", "ca.crt"]?.text.flatMap(StandInJSON.unbase64) else { return }
            all[cluster.name] = try Certificate(pem: String(decoding: pem, as: UTF8.self)).fingerprint.description
        }
    }
}
