// SPDX-License-Identifier: Apache-2.0

import MeshModel

/// Asks a service whether it does its work. An answer that is not what it should be is "no"; a question that could not be put is an error.
struct ServiceProbe: Sendable {
    let client: KubernetesClient
    let nodes: [String]
    let home: String

    func ask(_ probe: CatalogueService.Probe?) async throws -> (works: Bool?, detail: String) {
        switch probe {
        case .http(let service, let port, let path, let expects): return try await http(service, port, path, expects)
        case .nodeMetrics: return try await nodeMetrics()
        case .apiService(let name): return try await apiService(name)
        case .conditions(let conditions): return try await self.conditions(conditions)
        // A proof needs several clusters and is a step of its own; its report is read elsewhere.
        case .policyProof, .ceph, nil: return (true, "its workloads are ready")
        }
    }

    private func http(_ service: String, _ port: Int, _ path: String, _ expects: String) async throws -> (Bool?, String) {
        let (status, text) = try await client.proxied("/api/v1/namespaces/\(home)/services/\(service):\(port)/proxy\(path)")
        guard (200..<300).contains(status) else { return (false, "\(service):\(port)\(path) was answered with \(status)") }
        guard text.lowercased().contains(expects.lowercased()) else {
            return (false, "the answer of \(service):\(port)\(path) lacks \(expects)")
        }
        return (true, "\(service):\(port)\(path) answers")
    }

    /// Available is the aggregation layer's word; figures of every node are the kubelets'.
    private func nodeMetrics() async throws -> (Bool?, String) {
        let api = try await apiService("v1beta1.metrics.k8s.io")
        guard api.0 == true else { return api }
        let measured = Set(try await client.list("/apis/metrics.k8s.io/v1beta1/nodes").compactMap { $0["metadata", "name"]?.string })
        let missing = nodes.filter { !measured.contains($0) }
        return missing.isEmpty
            ? (true, "there are figures of every node") : (false, "there are no figures of \(missing.joined(separator: ", "))")
    }

    private func apiService(_ name: String) async throws -> (Bool?, String) {
        guard let service = try await client.get("/apis/apiregistration.k8s.io/v1/apiservices/" + name) else {
            return (false, "APIService \(name) is not there")
        }
        guard let condition = Self.condition(service, "Available"), condition["status"]?.string == "True" else {
            let reason = Self.condition(service, "Available")?["reason"]?.string ?? "no condition"
            return (false, "APIService \(name) is not Available: \(reason)")
        }
        return (true, "APIService \(name) is Available")
    }

    private func conditions(_ wanted: [CatalogueService.Condition]) async throws -> (Bool?, String) {
        for condition in wanted {
            let objects = try await client.listIfServed(condition.collection) ?? []
            guard objects.count >= condition.atLeast else { return (false, "\(condition.collection) holds \(objects.count) objects") }
            for object in objects where Self.condition(object, condition.type)?["status"]?.string != "True" {
                return (
                    false, "\(object["kind"]?.string ?? "object") \(object["metadata", "name"]?.string ?? "?") is not \(condition.type)"
                )
            }
        }
        return (true, "every object is as it should be")
    }

    private static func condition(_ object: HelmValue, _ type: String) -> HelmValue? {
        object["status", "conditions"]?.list.first { $0["type"]?.string == type }
    }
}
