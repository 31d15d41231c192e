// SPDX-License-Identifier: Apache-2.0

import MeshModel
import MeshSystem
import MeshTrust
import Running

/// Day-2 services: a Helm chart, a manifest or a playbook, always with the cluster named and never by the current context.
struct ServiceDriver: Sendable {
    let tools: Toolbox
    let spec: MeshSpec

    func install(_ service: MeshSpec.Service, on cluster: MeshSpec.Cluster, step: StepID, deadline: Duration) async throws -> Outcome {
        switch service.source {
        case .chart(let repository, let name, let version):
            let outcome = try await chart(
                service.name, repository, name, version, cluster: cluster, step: step, deadline: deadline)
            guard case .succeeded = outcome, service.name == "rook-ceph" else { return outcome }
            try await RookDriver(client: tools.client(for: cluster)).applyCluster(for: cluster)
            return outcome
        case .manifest(let path):
            let target = path.contains("://") ? path : tools.absolute(path)
            let result = try await tools.run(
                "kubectl", kubectl(cluster) + ["apply", "--server-side", "-f", target], step: step, deadline: deadline)
            return try await marked(service, source: path, cluster, Outcome(result, command: "kubectl apply", done: "applied"))
        case .playbook(let path):
            let result = try await tools.run(
                "ansible-playbook",
                ["-e", "kube_context=\(cluster.context)", "-e", "kubeconfig=\(tools.kubeconfig)", tools.absolute(path)],
                in: tools.baseDirectory, step: step, deadline: deadline, extra: ["ANSIBLE_DISPLAY_ARGS_TO_STDOUT": "0"])
            return try await marked(service, source: path, cluster, Outcome(result, command: "ansible-playbook", done: "played"))
        }
    }

    func gatewayAPI(_ version: SemanticVersion, on cluster: MeshSpec.Cluster, step: StepID, deadline: Duration) async throws -> Outcome {
        let url = "https://github.com/kubernetes-sigs/gateway-api/releases/download/v\(version)/standard-install.yaml"
        let result = try await tools.run(
            "kubectl", kubectl(cluster) + ["apply", "--server-side", "-f", url], step: step, deadline: deadline)
        return Outcome(result, command: "kubectl apply", done: "CRDs applied")
    }

    private func chart(
        _ release: String, _ repository: String, _ name: String, _ version: String, cluster: MeshSpec.Cluster, step: StepID,
        deadline: Duration
    ) async throws -> Outcome {
        let result = try await HelmOperation(tools: tools, release: release, namespace: release).run(on: [cluster]) {
            try await tools.run(
                "helm",
                [
                    "upgrade", "--install", release, name, "--repo", repository, "--version", version, "--namespace", release,
                    "--create-namespace", "--kube-context", cluster.context, "--kubeconfig", tools.kubeconfig, "--wait", "--timeout", "15m",
                ], step: step, deadline: deadline)
        }
        return Outcome(result, command: "helm upgrade --install", done: "\(name) \(version) deployed")
    }

    /// What has no Helm release leaves a mark of ours, so that the next look knows what was installed, and from what.
    private func marked(
        _ service: MeshSpec.Service, source: String, _ cluster: MeshSpec.Cluster, _ outcome: Outcome
    ) async throws -> Outcome {
        guard case .succeeded = outcome else { return outcome }
        let name = "meshgate-service-" + service.name
        let mark: HelmValue = .map([
            "apiVersion": .string("v1"), "kind": .string("ConfigMap"),
            "metadata": .map([
                "name": .string(name), "namespace": .string("kube-system"),
                "labels": .map(["meshgate.dev/service": .string(service.name)]),
            ]),
            "data": .map(["service": .string(service.name), "source": .string(source)]),
        ])
        try await tools.client(for: cluster).apply(mark, at: "/api/v1/namespaces/kube-system/configmaps/" + name)
        return outcome
    }

    private func kubectl(_ cluster: MeshSpec.Cluster) -> [String] {
        ["--kubeconfig", tools.kubeconfig, "--context", cluster.context]
    }
}
