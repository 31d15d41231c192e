// SPDX-License-Identifier: Apache-2.0

/// What a path of the Kubernetes API names: a collection, or one object in it.
struct StandInPath: Hashable, Sendable {
    /// `api/v1`, `apis/apps/v1`.
    var group: String
    var namespace: String?
    /// The plural: `daemonsets`.
    var resource: String
    var name: String?

    init(group: String, namespace: String? = nil, resource: String, name: String? = nil) {
        self.group = group
        self.namespace = namespace
        self.resource = resource
        self.name = name
    }

    /// `nil` when no collection has this path, or when a part could leave the directory that objects are kept in.
    init?(_ path: String) {
        let parts = path.split(separator: "/").map(String.init)
        guard parts.allSatisfy({ $0 != "." && $0 != ".." && !$0.utf8.contains(0) }) else { return nil }
        let length = parts.first == "api" ? 2 : 3
        guard parts.first == "api" || parts.first == "apis", parts.count > length else { return nil }
        group = parts.prefix(length).joined(separator: "/")
        var rest = parts.dropFirst(length)
        if rest.count > 2, rest.first == "namespaces" {
            namespace = rest.dropFirst().first
            rest = rest.dropFirst(2)
        }
        guard let collection = rest.popFirst() else { return nil }
        resource = collection
        name = rest.popFirst()
        // The only sub-resource is the status, which is kept in the object.
        guard rest.isEmpty || Array(rest) == ["status"] else { return nil }
    }

    /// `daemonsets.apps`, as messages call it.
    var fullResource: String {
        let parts = group.split(separator: "/")
        return parts.count == 3 ? "\(resource).\(parts[1])" : resource
    }

    var apiVersion: String { group.split(separator: "/").dropFirst().joined(separator: "/") }
    var collection: StandInPath { StandInPath(group: group, namespace: namespace, resource: resource) }
    func named(_ name: String) -> StandInPath { StandInPath(group: group, namespace: namespace, resource: resource, name: name) }

    /// Without a leading slash; also where the object is kept.
    var text: String {
        var parts = [group]
        if let namespace { parts += ["namespaces", namespace] }
        parts.append(resource)
        if let name { parts.append(name) }
        return parts.joined(separator: "/")
    }

    static func secret(_ namespace: String, _ name: String) -> StandInPath {
        StandInPath(group: "api/v1", namespace: namespace, resource: "secrets", name: name)
    }
    static func configMap(_ namespace: String, _ name: String) -> StandInPath {
        StandInPath(group: "api/v1", namespace: namespace, resource: "configmaps", name: name)
    }
    static func service(_ namespace: String, _ name: String) -> StandInPath {
        StandInPath(group: "api/v1", namespace: namespace, resource: "services", name: name)
    }
    static func daemonSet(_ namespace: String, _ name: String) -> StandInPath {
        StandInPath(group: "apis/apps/v1", namespace: namespace, resource: "daemonsets", name: name)
    }
    static func deployment(_ namespace: String, _ name: String) -> StandInPath {
        StandInPath(group: "apis/apps/v1", namespace: namespace, resource: "deployments", name: name)
    }
    static func job(_ namespace: String, _ name: String) -> StandInPath {
        StandInPath(group: "apis/batch/v1", namespace: namespace, resource: "jobs", name: name)
    }
    static func namespace(_ name: String) -> StandInPath { StandInPath(group: "api/v1", resource: "namespaces", name: name) }
    static let nodes = StandInPath(group: "api/v1", resource: "nodes")
    static let definitions = StandInPath(group: "apis/apiextensions.k8s.io/v1", resource: "customresourcedefinitions")
}

/// The built-in resources by kind.
enum StandInKinds {
    private static let core = [
        "Namespace", "Node", "Secret", "ConfigMap", "Service", "ServiceAccount", "Pod", "Event", "PersistentVolume",
        "PersistentVolumeClaim", "Endpoints",
    ]
    private static let apps = ["DaemonSet", "Deployment", "StatefulSet", "ReplicaSet"]
    private static let clusterWide: Set<String> = [
        "Namespace", "Node", "PersistentVolume", "CustomResourceDefinition", "ClusterRole", "ClusterRoleBinding", "StorageClass",
        "GatewayClass", "APIService", "CertificateSigningRequest", "ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding",
        "IngressClass",
    ]
    static let groups: Set<String> = [
        "api/v1", "apis/apps/v1", "apis/batch/v1", "apis/rbac.authorization.k8s.io/v1", "apis/apiextensions.k8s.io/v1",
        "apis/networking.k8s.io/v1", "apis/storage.k8s.io/v1", "apis/policy/v1", "apis/coordination.k8s.io/v1",
        "apis/admissionregistration.k8s.io/v1", "apis/apiregistration.k8s.io/v1",
        "apis/certificates.k8s.io/v1",
    ]
    private static let byPlural = Dictionary(
        (core + apps + Array(clusterWide) + ["Job", "CronJob", "Role", "RoleBinding"]).map { (plural($0), $0) },
        uniquingKeysWith: { first, _ in first })

    static func plural(_ kind: String) -> String {
        let lower = kind.lowercased()
        if lower.hasSuffix("endpoints") { return lower }
        if lower.hasSuffix("y"), !lower.hasSuffix("ay") { return lower.dropLast() + "ies" }
        return lower.hasSuffix("s") ? lower + "es" : lower + "s"
    }

    /// What discovery lists under a group: plural, kind, and whether its objects have a namespace.
    static func resources(of group: String) -> [(plural: String, kind: String, isNamespaced: Bool)] {
        byPlural.filter { self.group(ofWord: $0.key)?.group == group }.sorted { $0.key < $1.key }.map { plural, kind in
            (plural, kind, !isClusterWide(kind))
        }
    }

    static func kind(_ plural: String) -> String? { byPlural[plural] }
    static func isClusterWide(_ kind: String) -> Bool { clusterWide.contains(kind) }

    /// Where an object of a manifest belongs.
    static func path(apiVersion: String, kind: String, namespace: String?, name: String) -> StandInPath {
        let group = apiVersion.contains("/") ? "apis/\(apiVersion)" : "api/\(apiVersion)"
        return StandInPath(
            group: group, namespace: isClusterWide(kind) ? nil : namespace ?? "default", resource: plural(kind), name: name)
    }

    /// `secret`, `secrets`, `cm`, `deploy` of a command line.
    static func group(ofWord word: String) -> (group: String, kind: String)? {
        let short = [
            "cm": "configmaps", "ns": "namespaces", "no": "nodes", "svc": "services", "ds": "daemonsets", "deploy": "deployments",
            "po": "pods", "crd": "customresourcedefinitions",
        ]
        let wanted = short[word] ?? (byPlural[word] == nil ? plural(word) : word)
        guard let kind = byPlural[wanted] else { return nil }
        if core.contains(kind) { return ("api/v1", kind) }
        if apps.contains(kind) { return ("apis/apps/v1", kind) }
        switch kind {
        case "Job", "CronJob": return ("apis/batch/v1", kind)
        case "CustomResourceDefinition": return ("apis/apiextensions.k8s.io/v1", kind)
        case "StorageClass": return ("apis/storage.k8s.io/v1", kind)
        case "APIService": return ("apis/apiregistration.k8s.io/v1", kind)
        case "CertificateSigningRequest": return ("apis/certificates.k8s.io/v1", kind)
        default: return ("apis/rbac.authorization.k8s.io/v1", kind)
        }
    }
}
