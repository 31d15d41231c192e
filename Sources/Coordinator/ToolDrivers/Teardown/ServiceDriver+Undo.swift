// SPDX-License-Identifier: Apache-2.0

import MeshModel
import MeshSystem
import Running

extension ServiceDriver {
    /// Removes a day-2 service that this mesh installed: the Helm release of its name, namespace and chart, or what carries our mark. What
    /// was played by Ansible has no known way back.
    func uninstall(
        _ service: MeshSpec.Service, from cluster: MeshSpec.Cluster, step: StepID, deadline: Duration
    ) async throws -> Outcome {
        let client = try tools.client(for: cluster)
        switch service.source {
        case .chart(_, let chart, _):
            if service.name == "rook-ceph", let problem = try await RookDriver(client: client).removeCluster(of: cluster, within: deadline)
            {
                return .failed(problem)
            }
            return try await uninstall(service, of: chart, cluster, client, step: step, deadline: deadline)
        case .manifest(let path):
            let markPath = "/api/v1/namespaces/kube-system/configmaps/meshgate-service-" + service.name
            guard let mark = try await client.get(markPath) else { return .succeeded("it is not installed") }
            guard mark["data", "source"]?.string == path else {
                return .failed(
                    "\(service.name) was installed from \(mark["data", "source"]?.string ?? "another manifest") and not from \(path); "
                        + "it was left alone")
            }
            let target = path.contains("://") ? path : tools.absolute(path)
            let arguments = [
                "--kubeconfig", tools.kubeconfig, "--context", cluster.context, "delete", "--ignore-not-found", "--wait", "-f", target,
            ]
            let result = try await tools.run("kubectl", arguments, step: step, deadline: deadline)
            guard result.succeeded else { return Outcome(result, command: "kubectl delete", done: "") }
            try await client.delete(markPath)
            return .succeeded("deleted")
        case .builtIn: return .succeeded("it is part of Cilium's own release and goes with it")
        case .playbook(let path):
            return .failed(
                "what \(path) did is not known here and cannot be undone; undo it yourself, then delete ConfigMap "
                    + "kube-system/meshgate-service-\(service.name)")
        }
    }

    private func uninstall(
        _ service: MeshSpec.Service, of chart: String, _ cluster: MeshSpec.Cluster, _ client: KubernetesClient, step: StepID, deadline: Duration
    ) async throws -> Outcome {
        let (release, namespace) = (service.release, service.home)
        guard let found = try await HelmReleases(client: client).all()["\(namespace)/\(release)"] else {
            return .succeeded("it is not installed")
        }
        guard found.chart == chart else {
            return .failed("release \(namespace)/\(release) is of chart \(found.chart) and not of \(chart); it was left alone")
        }
        let result = try await HelmOperation(tools: tools, release: release, namespace: namespace).run(on: [cluster]) {
            try await tools.run(
                "helm",
                [
                    "uninstall", release, "--namespace", namespace, "--kube-context", cluster.context, "--kubeconfig", tools.kubeconfig,
                    "--wait", "--timeout", "15m",
                ], step: step, deadline: deadline)
        }
        return Outcome(result, command: "helm uninstall", done: "\(release) uninstalled")
    }
}

extension RookDriver {
    private static let path = "/apis/ceph.rook.io/v1/namespaces/rook-ceph/cephclusters/rook-ceph"
    private static let pause = Duration.seconds(2)

    /// Lets Rook take its cluster down, data included, and waits until the object is gone: without the operator nobody could any more.
    ///
    /// - Returns: why it did not go in time; `nil` when it is gone.
    func removeCluster(of cluster: MeshSpec.Cluster, within deadline: Duration) async throws -> String? {
        guard try await client.get(Self.path) != nil else { return nil }
        try await client.apply(Self.doomed(Self.cephCluster(for: cluster)), at: Self.path)
        try await client.delete(Self.path)
        let end = ContinuousClock.now.advanced(by: deadline)
        while ContinuousClock.now < end {
            guard let left = try await client.get(Self.path) else { return nil }
            guard left["metadata", "deletionTimestamp"] != nil else {
                return "the CephCluster is there again: something else keeps applying it"
            }
            try await Task.sleep(for: Self.pause)
        }
        return "the CephCluster is still being deleted after \(deadline.briefly); look at its conditions and at what depends on it"
    }

    /// rook.io/docs, "Cleaning up a Cluster": without this the operator keeps the data and refuses while volumes exist. The whole object is
    /// applied: server-side apply would take back what it does not name.
    static func doomed(_ object: HelmValue) -> HelmValue {
        guard case .map(var fields) = object, case .map(var spec)? = fields["spec"] else { return object }
        spec["cleanupPolicy"] = .map([
            "confirmation": .string("yes-really-destroy-data"), "allowUninstallWithVolumes": .bool(true),
        ])
        fields["spec"] = .map(spec)
        return .map(fields)
    }
}
