// SPDX-License-Identifier: Apache-2.0

import MeshModel
import Running

/// Removes the Gateway API's definitions from one cluster, when no object of theirs is left: a definition takes all its objects with it.
struct GatewayAPIRemoval: Sendable {
    let client: KubernetesClient

    private static let definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    private static let group = "gateway.networking.k8s.io"

    func remove() async throws -> Outcome {
        let own = try await client.list(Self.definitions, pageSize: 50).filter { item in
            item["spec", "group"]?.string == Self.group
                && item["metadata", "annotations"]?["gateway.networking.k8s.io/bundle-version"]?.string != nil
        }
        var objects: [String] = []
        for definition in own { objects += try await self.objects(of: definition) }
        guard objects.isEmpty else {
            let shown = objects.sorted().prefix(5).joined(separator: ", ")
            return .failed(
                "the Gateway API is in use: \(shown)\(objects.count > 5 ? " and \(objects.count - 5) more" : ""); delete these first")
        }
        for name in own.compactMap({ $0["metadata", "name"]?.string }).sorted() { try await client.delete(Self.definitions + "/" + name) }
        try await removeGuards()
        return .succeeded("removed \(own.count) definitions")
    }

    /// From 1.5 on a release brings an admission policy that guards its definitions, by name and with the release's annotation.
    private func removeGuards() async throws {
        for kind in ["validatingadmissionpolicybindings", "validatingadmissionpolicies"] {
            let path = "/apis/admissionregistration.k8s.io/v1/\(kind)/safe-upgrades.\(Self.group)"
            guard let found = try await client.get(path), found.gatewayBundle != nil else { continue }
            try await client.delete(path, uid: found["metadata", "uid"]?.string)
        }
    }

    /// GatewayClasses that Cilium's operator made for itself do not count: they go with Cilium.
    private func objects(of definition: HelmValue) async throws -> [String] {
        guard let plural = definition["spec", "names", "plural"]?.string, let kind = definition["spec", "names", "kind"]?.string else {
            return []
        }
        let versions = definition["spec", "versions"]?.list ?? []
        guard let version = versions.first(where: { $0["storage"]?.bool == true })?["name"]?.string else { return [] }
        return try await client.list("/apis/\(Self.group)/\(version)/\(plural)").compactMap { item in
            guard let name = item["metadata", "name"]?.string else { return nil }
            if kind == "GatewayClass", item["spec", "controllerName"]?.string == "io.cilium/gateway-controller" { return nil }
            return kind + " " + (item["metadata", "namespace"]?.string.map { $0 + "/" } ?? "") + name
        }
    }
}
