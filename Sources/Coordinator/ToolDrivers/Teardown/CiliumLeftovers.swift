// SPDX-License-Identifier: Apache-2.0

import MeshModel
import MeshSystem
import MeshTrust

/// What stays on a cluster when Cilium's release is gone: the definitions that its operator made, and the certificates that a Job issued for
/// the clustermesh API server and for Hubble. Neither belongs to the release, so that Helm does not know them.
///
/// A definition takes all its objects with it, so that one with objects of people (policies, pools) stays. A certificate is ours when this
/// mesh's CA issued it.
struct CiliumLeftovers: Sendable {
    let tools: Toolbox
    let client: KubernetesClient

    struct Item: Hashable, Sendable, CustomStringConvertible {
        var kind: String
        var name: String
        var path: String
        /// Only this very object is removed.
        var uid: String
        var description: String { "\(kind) \(name)" }
    }

    /// What may go, and why the rest may not.
    struct Found: Hashable, Sendable {
        var removable: [Item] = []
        var kept: [String] = []
    }

    private static let definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    private static let secrets = "/api/v1/namespaces/kube-system/secrets/"
    /// Of these only Cilium itself makes objects; they say nothing once it is gone.
    private static let bookkeeping: Set<String> = ["ciliumnodes", "ciliumendpoints", "ciliumendpointslices", "ciliumidentities"]
    private static let certificates =
        ["server", "admin", "client", "remote", "local"].map { "clustermesh-apiserver-\($0)-cert" }
        + ["server", "relay-server", "relay-client", "ui-client", "metrics-server"].map { "hubble-\($0)-certs" }

    func look() async throws -> Found {
        var found = Found()
        for definition in try await client.list(Self.definitions, pageSize: 50) {
            guard definition["spec", "group"]?.string == "cilium.io", let plural = definition["spec", "names", "plural"]?.string,
                // Tetragon's definitions are in the same group.
                plural.hasPrefix("cilium"), let item = Self.item("definition", definition, below: Self.definitions + "/")
            else { continue }
            let objects = Self.bookkeeping.contains(plural) ? 0 : try await objects(of: definition, plural)
            if objects == 0 {
                found.removable.append(item)
            } else {
                found.kept.append("\(item) has \(objects) object\(objects == 1 ? "" : "s")")
            }
        }
        // Without a CA of our own no certificate is ours.
        let authority = try tools.meshCertificate().map { try Certificate(pem: $0).spkiDigest }
        for name in Self.certificates {
            guard let secret = try await client.get(Self.secrets + name), let item = Self.item("Secret", secret, below: Self.secrets) else {
                continue
            }
            let issuer = secret["data", "ca.crt"]?.string.flatMap(JSON.unbase64)
                .flatMap { try? Certificate(pem: String(decoding: $0, as: UTF8.self)).spkiDigest }
            if let issuer, issuer == authority {
                found.removable.append(item)
            } else {
                found.kept.append("\(item) is not of this mesh's CA")
            }
        }
        return found
    }

    /// Nothing while a Cilium is there, whoever installed it.
    func remove() async throws -> String {
        guard try await client.get("/api/v1/namespaces/kube-system/configmaps/cilium-config") == nil else {
            return "its definitions stay: another Cilium is installed"
        }
        let found = try await look()
        for item in found.removable { try await client.delete(item.path, uid: item.uid) }
        let kept = found.kept.prefix(5).joined(separator: ", ")
        return "\(found.removable.count) leftovers removed" + (kept.isEmpty ? "" : "; these stay: \(kept)")
    }

    /// In the version that is stored: the one that holds them all.
    private func objects(of definition: HelmValue, _ plural: String) async throws -> Int {
        let versions = definition["spec", "versions"]?.list ?? []
        guard let version = versions.first(where: { $0["storage"]?.bool == true })?["name"]?.string else { return 0 }
        return try await client.listIfServed("/apis/cilium.io/\(version)/\(plural)")?.count ?? 0
    }

    private static func item(_ kind: String, _ object: HelmValue, below path: String) -> Item? {
        guard let name = object["metadata", "name"]?.string, let uid = object["metadata", "uid"]?.string else { return nil }
        return Item(kind: kind, name: name, path: path + name, uid: uid)
    }
}
