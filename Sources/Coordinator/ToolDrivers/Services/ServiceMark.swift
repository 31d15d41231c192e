// SPDX-License-Identifier: Apache-2.0

import MeshModel

/// What we leave on a cluster about a service that has no Helm release: from what it was made, and which objects, by uid, so that later nothing
/// is taken for ours that only has the same name.
struct ServiceMark: Hashable, Sendable {
    /// One object as the API server had it when it was applied.
    struct Object: Hashable, Sendable {
        var apiVersion: String
        var kind: String
        var namespace: String?
        var name: String
        var uid: String

        /// `deployments.apps NAMESPACE/NAME`, for people.
        var description: String {
            let group = apiVersion.contains("/") ? "." + apiVersion.prefix { $0 != "/" } : ""
            return "\(kind)\(group) \(namespace.map { $0 + "/" } ?? "")\(name)"
        }
    }

    var service: String
    var source: String
    /// SHA-256 of what was applied or played, in hex.
    var content: String
    var objects: [Object]

    static func path(_ service: String) -> String { "/api/v1/namespaces/kube-system/configmaps/meshgate-service-" + service }

    /// The field manager of what a service's manifest applies. Of each service its own: a leftover without a mark can still be told apart.
    static func manager(_ service: String) -> String { "meshgate-" + service }

    /// `nil` when there is no mark, or none that this version can read in full.
    static func read(_ service: String, _ client: KubernetesClient) async throws -> ServiceMark? {
        guard let data = try await client.get(path(service))?["data"], let name = data["service"]?.string else { return nil }
        let list = data["objects"]?.string.flatMap { JSON.decode(Array($0.utf8)) }?.list ?? []
        return ServiceMark(
            service: name, source: data["source"]?.string ?? "", content: data["content"]?.string ?? "",
            objects: list.compactMap { Object($0) })
    }

    func write(_ client: KubernetesClient) async throws {
        let list = HelmValue.list(objects.map(\.json))
        let mark: HelmValue = .map([
            "apiVersion": .string("v1"), "kind": .string("ConfigMap"),
            "metadata": .map([
                "name": .string("meshgate-service-" + service), "namespace": .string("kube-system"),
                "labels": .map(["meshgate.dev/service": .string(service)]),
            ]),
            "data": .map([
                "service": .string(service), "source": .string(source), "content": .string(content),
                "objects": .string(String(decoding: try JSON.encode(list), as: UTF8.self)),
            ]),
        ])
        try await client.apply(mark, at: Self.path(service))
    }
}

extension ServiceMark.Object {
    /// From an object as the API server shows it, or as the mark has it.
    init?(_ json: HelmValue) {
        guard let version = json["apiVersion"]?.string, let kind = json["kind"]?.string else { return nil }
        let metadata = json["metadata"] ?? json
        guard let name = metadata["name"]?.string, let uid = metadata["uid"]?.string, !uid.isEmpty else { return nil }
        self.init(apiVersion: version, kind: kind, namespace: metadata["namespace"]?.string, name: name, uid: uid)
    }

    var json: HelmValue {
        var map: [String: HelmValue] = [
            "apiVersion": .string(apiVersion), "kind": .string(kind), "name": .string(name), "uid": .string(uid),
        ]
        if let namespace { map["namespace"] = .string(namespace) }
        return .map(map)
    }
}
