// SPDX-License-Identifier: Apache-2.0

import MeshModel
import MeshSystem
import Running

/// Undo: each carries out one command of the CLI, then looks whether what was to go is gone. Done again, it finds nothing to do.
extension CiliumDriver {
    func disconnect(_ clusters: [MeshSpec.Cluster], step: StepID, deadline: Duration) async throws -> Outcome {
        try await undo(.disconnect(clusters), step: step, deadline: deadline)
    }

    func disableClustermesh(_ cluster: MeshSpec.Cluster, step: StepID, deadline: Duration) async throws -> Outcome {
        try await undo(.disableClustermesh(cluster), step: step, deadline: deadline)
    }

    func uninstall(_ cluster: MeshSpec.Cluster, step: StepID, deadline: Duration) async throws -> Outcome {
        try await undo(.uninstall(cluster), step: step, deadline: deadline)
    }

    /// Looks before and after: an exit code of 0 with something left is a failure, and one of 1 with nothing left is told as done.
    func undo(_ what: CiliumUndo, step: StepID, deadline: Duration) async throws -> Outcome {
        if try await remains(after: what).isEmpty { return .succeeded("there was nothing to undo") }
        let outcome = try await carryOut(what, step: step, deadline: deadline)
        let left = try await remains(after: what)
        switch outcome {
        case .succeeded:
            return left.isEmpty ? outcome : .failed("the command ended well, but there is still \(left.joined(separator: ", "))")
        case .failed(let words), .unknown(let words):
            return left.isEmpty ? .succeeded("nothing is left, though \(words)") : outcome
        case .refused: return outcome
        }
    }

    private func carryOut(_ what: CiliumUndo, step: StepID, deadline: Duration) async throws -> Outcome {
        switch what {
        case .disconnect(let clusters):
            return try await eachPair(of: clusters, command: "cilium clustermesh disconnect", deadline: deadline) { (pair, left) in
                try await operation.run(on: [pair.0, pair.1]) {
                    try await tools.run(
                        "cilium", global(pair.0) + ["clustermesh", "disconnect", "--destination-context", pair.1.context], step: step,
                        deadline: left)
                }
            }
        case .disableClustermesh(let cluster):
            let result = try await operation.run(on: [cluster]) {
                try await tools.run("cilium", global(cluster) + ["clustermesh", "disable"], step: step, deadline: deadline)
            }
            return Outcome(result, command: "cilium clustermesh disable", done: "disabled")
        case .uninstall(let cluster):
            let result = try await operation.run(on: [cluster]) {
                try await tools.run("cilium", global(cluster) + ["uninstall", "--wait"], step: step, deadline: deadline)
            }
            return Outcome(result, command: "cilium uninstall", done: "uninstalled")
        }
    }

    /// What is still there of it, named for people; empty when it is undone.
    func remains(after what: CiliumUndo) async throws -> [String] {
        switch what {
        case .disconnect(let clusters):
            var left: [String] = []
            for cluster in clusters {
                let others = Set(clusters.map(\.name.text)).subtracting([cluster.name.text])
                let known = try await configuredRemotes(of: cluster).intersection(others)
                left += known.sorted().map { "\(cluster.name) is configured to reach \($0)" }
            }
            return left
        case .disableClustermesh(let cluster):
            return try await present(
                [
                    ("Deployment clustermesh-apiserver", "/apis/apps/v1/namespaces/kube-system/deployments/clustermesh-apiserver"),
                    ("Service clustermesh-apiserver", "/api/v1/namespaces/kube-system/services/clustermesh-apiserver"),
                ], on: cluster)
        case .uninstall(let cluster):
            var left = try await present(
                [
                    ("DaemonSet cilium", "/apis/apps/v1/namespaces/kube-system/daemonsets/cilium"),
                    ("DaemonSet cilium-envoy", "/apis/apps/v1/namespaces/kube-system/daemonsets/cilium-envoy"),
                    ("Deployment cilium-operator", "/apis/apps/v1/namespaces/kube-system/deployments/cilium-operator"),
                    ("ConfigMap cilium-config", "/api/v1/namespaces/kube-system/configmaps/cilium-config"),
                ], on: cluster)
            let release = try await HelmReleases(client: tools.client(for: cluster)).values(of: "cilium", in: "kube-system")
            if release != nil { left.append("the Helm release cilium of \(cluster.name)") }
            return left
        }
    }

    /// By the values of the release, and by the Secret that agents read.
    private func configuredRemotes(of cluster: MeshSpec.Cluster) async throws -> Set<String> {
        let client = try tools.client(for: cluster)
        let config = try await HelmReleases(client: client).values(of: "cilium", in: "kube-system")?["clustermesh", "config", "clusters"]
        var names = Set((config?.list ?? []).compactMap { $0["name"]?.string })
        // From chart 1.20 on it is a map.
        names.formUnion((config?.map ?? [:]).filter { $0.value["enabled"]?.bool != false }.keys)
        let secret = try await client.get("/api/v1/namespaces/kube-system/secrets/cilium-clustermesh")
        // Beside one key for each cluster there are certificates, whose names have dots.
        names.formUnion((secret?["data"]?.map ?? [:]).keys.filter { !$0.contains(".") })
        return names
    }

    private func present(_ objects: [(name: String, path: String)], on cluster: MeshSpec.Cluster) async throws -> [String] {
        let client = try tools.client(for: cluster)
        var left: [String] = []
        for object in objects where try await client.get(object.path) != nil { left.append("\(object.name) of \(cluster.name)") }
        return left
    }
}
