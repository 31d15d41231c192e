// SPDX-License-Identifier: Apache-2.0

import MeshModel

/// Has the certificates of one cluster's clustermesh API server issued anew where they no longer do.
///
/// With the method `cronJob` the chart's Job is named after its own content, so that an upgrade with the same values runs no new one: a CA that
/// was replaced, or a CronJob that never ran, leaves the old certificates in place. Its CronJob can be run by hand, which is done here.
struct MeshCertificates: Sendable {
    let tools: Toolbox
    let cluster: MeshSpec.Cluster

    private static let jobs = "/apis/batch/v1/namespaces/kube-system/jobs"
    private static let template = "/apis/batch/v1/namespaces/kube-system/cronjobs/clustermesh-apiserver-generate-certs"
    private static let leastLeft = Duration.seconds(30 * 86_400)

    /// Words about what was begun; `nil` when there was nothing to do, or nobody to do it.
    func renew() async throws -> String? {
        let client = try tools.client(for: cluster)
        let now = tools.now().wall
        let spent = try await CiliumObserver(tools: tools, client: client, cluster: cluster).leaves().filter { name, leaf in
            name.hasPrefix("clustermesh-apiserver-") && (!leaf.chains || leaf.notAfter - now < Self.leastLeft)
        }
        guard !spent.isEmpty, try await run(Self.template, as: "clustermesh-apiserver-generate-certs", "clustermesh-apiserver-certs") else {
            return nil
        }
        return "\(spent.count) certificates are issued anew"
    }

    /// The same for Hubble's, where a CronJob issues them, too; with the method `helm` they come with every upgrade.
    func renewHubble() async throws -> String? {
        let client = try tools.client(for: cluster)
        let spent = try await CiliumObserver(tools: tools, client: client, cluster: cluster).leaves().filter { name, leaf in
            name.hasPrefix("hubble-") && !leaf.chains
        }
        guard !spent.isEmpty, try await run(Self.hubble, as: "hubble-generate-certs", "hubble-certs") else { return nil }
        return "\(spent.count) certificates of Hubble's are issued anew"
    }

    private static let hubble = "/apis/batch/v1/namespaces/kube-system/cronjobs/hubble-generate-certs"

    /// Runs a CronJob once; false where there is none.
    private func run(_ template: String, as label: String, _ name: String) async throws -> Bool {
        let client = try tools.client(for: cluster)
        guard let spec = try await client.get(template)?["spec", "jobTemplate", "spec"] else { return false }
        let now = tools.now().wall
        // Kubernetes removes it by its time to live where the chart sets one, and it is of no harm where not.
        let job: HelmValue = .map([
            "apiVersion": .string("batch/v1"), "kind": .string("Job"),
            "metadata": .map([
                "name": .string("\(name)-\(now.seconds)"), "namespace": .string("kube-system"),
                "labels": .map([
                    "k8s-app": .string(label), "app.kubernetes.io/managed-by": .string("meshgate"),
                ]),
            ]),
            "spec": spec,
        ])
        try await client.create(job, in: Self.jobs)
        return true
    }
}
