// SPDX-License-Identifier: Apache-2.0

import MeshModel

/// Reads which hosts outside of its cluster an installed service is configured to talk to: out of its containers' variables and arguments and
/// its ConfigMaps. Secrets are not asked for, and a variable that comes from one has no value here.
struct EgressObserver: Sendable {
    let client: KubernetesClient
    let inside: ClusterInside
    /// Namespaces in which more than one service lives, or the cluster itself.
    let shared: Set<String>

    /// - Parameter services: those of the plan on this cluster.
    init(client: KubernetesClient, cluster: MeshSpec.Cluster, services: [MeshSpec.Service]) async throws {
        self.client = client
        let found = try await client.list("/api/v1/services").compactMap { item -> String? in
            guard let name = item["metadata", "name"]?.string, let namespace = item["metadata", "namespace"]?.string else { return nil }
            return name + "." + namespace
        }
        // `https://HOST:PORT`.
        let authority = cluster.endpoint.split(separator: "/").last ?? ""
        let endpoint = authority.lastIndex(of: ":").map { authority[..<$0] } ?? authority
        inside = ClusterInside(
            services: Set(found), endpoint: HostName(String(endpoint)), ranges: cluster.podCIDRs + cluster.serviceCIDRs,
            addresses: Set(cluster.nodes.map(\.address)))
        let homes = Dictionary(grouping: services, by: \.home).filter { $0.value.count > 1 }.keys
        shared = Set(homes).union(["default", "kube-system"])
    }

    private static let workloads = [
        "/apis/apps/v1:deployments", "/apis/apps/v1:daemonsets", "/apis/apps/v1:statefulsets", "/apis/batch/v1:cronjobs",
        "/apis/batch/v1:jobs",
    ]

    /// What is not installed talks to nobody.
    func look(_ service: MeshSpec.Service, _ mark: ServiceMark?) async throws -> ServiceFact.Egress {
        var scan = EgressScan(inside: inside)
        for collection in Self.workloads {
            let parts = collection.split(separator: ":")
            let items = try await client.listIfServed("\(parts[0])/namespaces/\(service.home)/\(parts[1])") ?? []
            for item in items where belongs(item, to: service, mark) { Self.take(item, &scan) }
        }
        for item in try await client.list("/api/v1/namespaces/\(service.home)/configmaps") where belongs(item, to: service, mark) {
            for (name, text) in item["data"]?.stringMap ?? [:] { scan.take(file: text, named: name) }
        }
        return ServiceFact.Egress(scan.hosts)
    }

    /// In a namespace of its own everything is the service's, also what an operator of its made. Elsewhere the release's marks tell.
    private func belongs(_ item: HelmValue, to service: MeshSpec.Service, _ mark: ServiceMark?) -> Bool {
        let metadata = item["metadata"]
        // Every namespace has it, and it holds certificates.
        if metadata?["name"]?.string == "kube-root-ca.crt" { return false }
        if !shared.contains(service.home) { return true }
        let annotations = metadata?["annotations"]
        let release = annotations?["meta.helm.sh/release-name"]?.string
        if release == service.release, annotations?["meta.helm.sh/release-namespace"]?.string == service.home { return true }
        let uid = metadata?["uid"]?.string ?? ""
        let name = metadata?["name"]?.string
        return mark?.objects.contains { $0.uid == uid } == true
            || release == nil && item["spec", "template"] != nil && service.known?.workloads.contains { $0.name == name } == true
    }

    private static func take(_ workload: HelmValue, _ scan: inout EgressScan) {
        let template = workload["spec", "jobTemplate", "spec", "template"] ?? workload["spec", "template"]
        for kind in ["initContainers", "containers"] {
            for container in template?["spec", kind]?.list ?? [] {
                for variable in container["env"]?.list ?? [] {
                    if let name = variable["name"]?.string, let value = variable["value"]?.string { scan.take(value, of: name) }
                }
                scan.take(arguments: ((container["command"]?.list ?? []) + (container["args"]?.list ?? [])).compactMap(\.string))
            }
        }
    }
}
