// SPDX-License-Identifier: Apache-2.0

internal import MeshModel
internal import MeshTrust

/// One entry under `services:` of a lab's mesh.yaml, and the manifest that it names, if any.
struct LabService: Hashable, Sendable {
    let name: String
    /// The flow mapping of the entry, without its `clusters`.
    private let source: String
    let manifest: String?

    var path: String { "manifests/\(name).yaml" }
    var line: String { "{ name: \(name)\(source), clusters: all\(Self.egress[name].map { ", egress: [\($0)]" } ?? "") }" }

    /// Hosts that two of the services may be configured to talk to; those of the others are recorded only.
    private static let egress = ["honeycomb-otel": "api.honeycomb.io", "robusta": "\"*.robusta.dev\""]

    /// In the order in which they are installed on each cluster.
    static func all(_ services: LabPlan.Services) -> [LabService] {
        switch services {
        case .core: [LabService("rook-ceph"), LabService("metrics-server", manifest: metricsServer)].compactMap(\.self)
        case .catalogue: ServiceCatalogue.all.map { LabService($0) }
        }
    }

    /// As the catalogue has it; what it leaves to the admin is filled in.
    private init(_ known: CatalogueService) {
        switch known.origin {
        case .chart(_, _, nil): self.init(known.name, source: ", chart: { version: \(Self.anyVersion) }")
        case .chart, .builtIn: self.init(known.name, source: "")
        case .manifest: self.init(known.name, manifest: Self.manifest(of: known))
        }
    }

    private init?(_ name: String) {
        guard let known = ServiceCatalogue.service(name) else { return nil }
        self.init(known)
    }

    /// Pinned, as what comes from the web has to be.
    private init(_ name: String, manifest: String) {
        let digest = Digest.sha256(Array(manifest.utf8))
        self.init(name, source: ", manifest: manifests/\(name).yaml, sha256: \"\(digest.hex)\"", manifest: manifest)
    }

    private init(_ name: String, source: String, manifest: String? = nil) {
        self.name = name
        self.source = source
        self.manifest = manifest
    }

    /// For charts of which no release is known to be right: the stand-in helm takes any.
    private static let anyVersion = "1.2.3"

    /// The workloads that the catalogue looks for, in JSON, which is YAML too.
    private static func manifest(of known: CatalogueService) -> String {
        let items = known.workloads.map { workload in
            let kind =
                switch workload.kind {
                case .deployments: "Deployment"
                case .daemonsets: "DaemonSet"
                case .statefulsets: "StatefulSet"
                }
            let labels = "{\"app\": \"\(workload.name)\"}"
            return """
                {"apiVersion": "apps/v1", "kind": "\(kind)", "metadata": {"name": "\(workload.name)", "namespace": "\(known.namespace)"},
                 "spec": {"selector": {"matchLabels": \(labels)}, "template": {"metadata": {"labels": \(labels)},
                  "spec": {"containers": [{"name": "main", "image": "stand-in/\(known.name)"}]}}}}
                """
        }
        return "{\"apiVersion\": \"v1\", \"kind\": \"List\", \"items\": [\n\(items.joined(separator: ",\n"))\n]}\n"
    }

    private static let metricsServer = """
        {"apiVersion": "v1", "kind": "List", "items": [
        {"apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService", "metadata": {"name": "v1beta1.metrics.k8s.io"},
         "spec": {"group": "metrics.k8s.io", "version": "v1beta1", "groupPriorityMinimum": 100, "versionPriority": 100,
          "service": {"name": "metrics-server", "namespace": "kube-system"}}},
        {"apiVersion": "apps/v1", "kind": "Deployment",
         "metadata": {"name": "metrics-server", "namespace": "kube-system", "labels": {"k8s-app": "metrics-server"}},
         "spec": {"replicas": 1, "selector": {"matchLabels": {"k8s-app": "metrics-server"}},
          "template": {"metadata": {"labels": {"k8s-app": "metrics-server"}},
           "spec": {"containers": [{"name": "metrics-server", "image": "registry.k8s.io/metrics-server/metrics-server:v0.8.0"}]}}}}
        ]}

        """
}
