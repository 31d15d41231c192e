// SPDX-License-Identifier: Apache-2.0

import MeshModel
import MeshTrust
import Running

/// Applies the Gateway API's definitions, object by object, from bytes whose digest is known. Cilium's operator looks for them once when it
/// starts, so they come first.
struct GatewayAPIDriver: Sendable {
    let tools: Toolbox

    func apply(_ version: SemanticVersion, on cluster: MeshSpec.Cluster) async throws -> Outcome {
        let manifest = GatewayManifest(tools: tools, version: version)
        let content = try await manifest.content()
        let objects = try definitions(in: content, version)
        try manifest.keep(content)
        let client = try tools.client(for: cluster)
        if let refusal = try await refusal(of: version, for: objects, client) { return .refused(refusal) }
        if tools.dryRun { throw DriverError.dryRun("server-side apply of \(objects.count) definitions to \(cluster.name)") }
        for (path, object) in objects { try await client.apply(object, at: path) }
        return .succeeded(
            "\(objects.count) definitions applied, SHA-256 \(content.digest.short), \(content.isPinned ? "as pinned" : "as it came first")")
    }

    /// Nothing but what a release of the Gateway API holds, each with its place. Whoever can change the manifest must not be able to put
    /// anything else into a cluster with the coordinator's rights.
    private func definitions(in content: GatewayManifest.Content, _ version: SemanticVersion) throws -> [(String, HelmValue)] {
        func fault(_ problem: String) -> GatewayManifestError { .unreadable("gateway-api-\(version)", problem: problem) }
        let documents: [HelmValue]
        do {
            documents = try tools.readYAML(content.bytes)
        } catch {
            throw fault("\(error)")
        }
        guard !documents.isEmpty else { throw fault("it holds no object") }
        return try documents.map { document in
            guard let version = document["apiVersion"]?.string, let kind = document["kind"]?.string,
                let name = document["metadata", "name"]?.string, !name.contains("/")
            else { throw fault("a document of it is no object of Kubernetes") }
            guard let collection = Self.collections["\(version) \(kind)"] else {
                throw fault("it holds the \(kind.shown) \(name.shown), which no release of the Gateway API has")
            }
            guard Self.groups.contains(where: { name.hasSuffix("." + $0) }) else {
                throw fault("it holds the \(kind) \(name.shown), which is not of the Gateway API")
            }
            var object = document.map
            object["status"] = nil
            return ("\(collection)/\(name)", .map(object))
        }.sorted { $0.0 < $1.0 }
            .checked(for: version, fault)
    }

    private static let definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    private static let groups = ["gateway.networking.k8s.io", "gateway.networking.x-k8s.io"]
    /// From 1.5 on a release guards its definitions with a policy.
    private static let collections = [
        "apiextensions.k8s.io/v1 CustomResourceDefinition": definitions,
        "admissionregistration.k8s.io/v1 ValidatingAdmissionPolicy":
            "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies",
        "admissionregistration.k8s.io/v1 ValidatingAdmissionPolicyBinding":
            "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings",
    ]

    /// Fields that objects use must not vanish: a newer bundle, and one of the experimental channel, are left as they are.
    private func refusal(
        of version: SemanticVersion, for objects: [(String, HelmValue)], _ client: KubernetesClient
    ) async throws -> String? {
        for (path, _) in objects where path.hasPrefix(Self.definitions) {
            guard let there = try await client.get(path) else { continue }
            let name = there["metadata", "name"]?.string ?? path
            if there.gatewayChannel == "experimental" {
                return "\(name) is of the experimental channel; the standard one lacks fields and kinds of it that objects may use. "
                    + "Take gatewayAPI out of versions and look after the definitions yourself, or remove what is experimental first"
            }
            if let have = there.gatewayBundle, have > version {
                return "\(name) is of \(have), newer than the planned \(version): going back would drop fields that objects may use. "
                    + "Plan \(have), or remove the definitions by hand when nothing uses them"
            }
        }
        return nil
    }
}

extension [(String, HelmValue)] {
    /// A file under the name of one release that holds another would be believed for ever.
    fileprivate func checked(for version: SemanticVersion, _ fault: (String) -> GatewayManifestError) throws -> Self {
        for (path, object) in self where object["kind"]?.string == "CustomResourceDefinition" {
            guard object.gatewayBundle == version else {
                throw fault("\(path.split(separator: "/").last ?? "") in it is of \(object.gatewayBundle.map { "\($0)" } ?? "no release")")
            }
        }
        return self
    }
}

extension HelmValue {
    /// The release that a definition of the Gateway API is of, by its annotation.
    var gatewayBundle: SemanticVersion? {
        self["metadata", "annotations"]?["gateway.networking.k8s.io/bundle-version"]?.string.flatMap { SemanticVersion($0) }
    }
    /// `standard` or `experimental`.
    var gatewayChannel: String? { self["metadata", "annotations"]?["gateway.networking.k8s.io/channel"]?.string }
}
