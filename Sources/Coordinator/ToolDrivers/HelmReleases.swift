// SPDX-License-Identifier: Apache-2.0

import MeshModel
import MeshSystem

/// What Helm has installed, read from its own Secrets: no helm binary, no text to parse.
struct HelmReleases: Sendable {
    let client: KubernetesClient

    /// The newest revision of one release.
    struct Newest: Sendable {
        var revision: Int
        var release: ClusterFact.Release
        /// The values that it was given; absent for what Helm did not install.
        var values: HelmValue?
    }

    /// The newest revision of each release by `namespace/name`; what we installed without Helm carries our own mark and counts as well.
    func all() async throws -> [String: Newest] {
        var newest: [String: Newest] = [:]
        // A revision may weigh a megabyte.
        for secret in try await client.list("/api/v1/secrets?labelSelector=owner%3Dhelm", pageSize: 25) {
            guard let namespace = secret["metadata", "namespace"]?.string, let labels = secret["metadata", "labels"],
                let name = labels["name"]?.string, let revision = labels["version"]?.integer
            else { continue }
            let key = namespace + "/" + name
            if let known = newest[key], known.revision > revision { continue }
            newest[key] = Self.newest(secret, revision: revision, status: labels["status"]?.string ?? "unknown")
        }
        for mark in try await client.list("/api/v1/configmaps?labelSelector=meshgate.dev%2Fservice") {
            guard let namespace = mark["metadata", "namespace"]?.string, let name = mark["data", "service"]?.string else { continue }
            let release = ClusterFact.Release(
                chart: mark["data", "source"]?.string ?? "", version: mark["data", "version"]?.string ?? "", status: "deployed")
            newest[namespace + "/" + name] = Newest(revision: 1, release: release)
        }
        return newest
    }

    private static func newest(_ secret: HelmValue, revision: Int, status: String) -> Newest {
        let tree = unpack(secret)
        let chart = tree?["chart", "metadata"]
        let release = ClusterFact.Release(
            chart: chart?["name"]?.string ?? "", version: chart?["version"]?.string ?? "", status: status)
        return Newest(revision: revision, release: release, values: tree?["config"])
    }

    /// `data.release` is base64 of base64 of gzip of JSON.
    private static func unpack(_ secret: HelmValue) -> HelmValue? {
        guard let outer = secret["data", "release"]?.string.flatMap(JSON.unbase64),
            let packed = JSON.unbase64(String(decoding: outer, as: UTF8.self)),
            let bytes = try? Gzip.decompress(packed, limits: Gzip.Limits(outputBytes: 32 << 20, ratio: 1000))
        else { return nil }
        return JSON.decode(bytes)
    }

    /// The newest revision: its chart, and the manifest that was rendered from it.
    func newest(of release: String, in namespace: String) async throws -> (chart: String, manifest: String)? {
        guard let newest = try await revisions(of: release, in: namespace).last else { return nil }
        guard let tree = Self.unpack(newest.secret) else {
            throw DriverError.unreadable(what: "release \(namespace)/\(release)", where: client.access.server)
        }
        return (tree["chart", "metadata", "name"]?.string ?? "", tree["manifest"]?.string ?? "")
    }

    /// The values that the newest revision was given; `nil` when there is no such release.
    func values(of release: String, in namespace: String) async throws -> HelmValue? {
        try await revisions(of: release, in: namespace).last.flatMap { Self.unpack($0.secret)?["config"] }
    }

    /// Whether Cilium's release, as it is deployed, has the clustermesh API server in its values. True where Helm has no part in Cilium.
    func keepsClustermesh() async throws -> Bool {
        guard let newest = try await revisions(of: "cilium", in: "kube-system").last else { return true }
        return newest.status == "deployed" && Self.unpack(newest.secret)?["config", "clustermesh", "useAPIServer"]?.bool == true
    }

    /// Removes the newest revision when an operation that was cut off left it pending: Helm would refuse every further operation.
    func clearPending(_ release: String, in namespace: String) async throws {
        guard let newest = try await revisions(of: release, in: namespace).last, newest.status.hasPrefix("pending-") else { return }
        guard let name = newest.secret["metadata", "name"]?.string else { return }
        try await client.delete("/api/v1/namespaces/\(namespace)/secrets/\(name)")
    }

    /// Oldest first.
    private func revisions(of release: String, in namespace: String) async throws -> [(number: Int, status: String, secret: HelmValue)] {
        let path = "/api/v1/namespaces/\(namespace)/secrets?labelSelector=owner%3Dhelm%2Cname%3D\(release)"
        return try await client.list(path, pageSize: 25).compactMap { secret in
            guard let labels = secret["metadata", "labels"], let number = labels["version"]?.integer else { return nil }
            return (number, labels["status"]?.string ?? "unknown", secret)
        }.sorted { $0.number < $1.number }
    }
}
