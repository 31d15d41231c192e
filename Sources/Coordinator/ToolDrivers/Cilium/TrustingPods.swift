// SPDX-License-Identifier: Apache-2.0

import MeshModel

/// The pods of Cilium, Hubble and the clustermesh API server that take certificates and CAs from their volumes, and which of them may still work
/// with what was there before.
///
/// What a process has in memory no API tells. A pod that began after the last of what its volumes hold was written has read that; of any other
/// nobody can say so, however long ago it was.
struct TrustingPods: Sendable {
    let client: KubernetesClient
    /// The object that holds the bundle, where the release has one: `configmaps/cilium-root-ca.crt`.
    let bundle: String?

    private static let namespace = "/api/v1/namespaces/kube-system/"
    /// Where a release keeps its bundle unless told otherwise; whoever still mounts it once there is none is late.
    static let usualBundle = "configmaps/cilium-root-ca.crt"

    /// One that takes anything from the certificates of Cilium's parts.
    struct Pod: Sendable {
        var name: String
        /// `secrets/NAME` and `configmaps/NAME`.
        var sources: Set<String>
        var begun: Timestamp?
        var isReady: Bool

        init?(_ object: HelmValue, bundle: String?) {
            guard let name = object["metadata", "name"]?.string, !["Succeeded", "Failed"].contains(object["status", "phase"]?.string ?? "")
            else { return nil }
            self.name = name
            sources = TrustingPods.sources(of: object["spec"], bundle)
            begun = object["status", "startTime"]?.string.flatMap { Timestamp(rfc3339: $0) }
            let isGoing = object["metadata", "deletionTimestamp"] != nil
            isReady =
                !isGoing
                && (object["status", "conditions"]?.list ?? []).contains { $0["type"]?.string == "Ready" && $0["status"]?.string == "True" }
        }
    }

    /// Sorted by pod. `nil` when no pod is seen at all: then nothing was proven.
    func stragglers() async throws -> [CiliumTrust.Straggler]? {
        let pods = try await pods()
        guard !pods.isEmpty else { return nil }
        var written: [String: Timestamp] = [:]
        for source in Set(pods.flatMap(\.sources)) {
            written[source] = try await client.get(Self.namespace + source).flatMap(TrustObserver.written)
        }
        return pods.compactMap { pod in why(pod, written).map { CiliumTrust.Straggler(pod: pod.name, why: $0) } }
    }

    func pods() async throws -> [Pod] {
        try await client.list(Self.namespace + "pods").compactMap { Pod($0, bundle: bundle) }.filter { !$0.sources.isEmpty }.sorted {
            $0.name < $1.name
        }
    }

    /// What a restart would mend comes first: a pod that is not ready either has to be restarted all the same.
    private func why(_ pod: Pod, _ written: [String: Timestamp]) -> CiliumTrust.Straggler.Why? {
        guard let begun = pod.begun else { return .notReady }
        if let bundle {
            guard pod.sources.contains(bundle) else { return .otherSource }
            // Times have whole seconds: within the same one nobody knows which was first.
            guard let since = written[bundle], begun > since else { return .beganBefore }
        } else if pod.sources.contains(Self.usualBundle) {
            return .otherSource
        }
        let latest = pod.sources.filter { $0.hasPrefix("secrets/") }.compactMap { written[$0] }.max()
        if let latest, begun <= latest { return .olderCertificate }
        return pod.isReady ? nil : .notReady
    }

    /// What of a pod's volumes holds certificates of Cilium's parts or the CAs to judge others by.
    static func sources(of spec: HelmValue?, _ bundle: String?) -> Set<String> {
        let bundles: Set<String> = [usualBundle, bundle ?? usualBundle]
        var found: Set<String> = []
        for volume in spec?["volumes"]?.list ?? [] {
            let parts = [volume] + (volume["projected", "sources"]?.list ?? [])
            for part in parts {
                if let name = part["secret", "name"]?.string ?? part["secret", "secretName"]?.string,
                    isCertificate(name) || bundles.contains("secrets/" + name)
                {
                    found.insert("secrets/" + name)
                }
                if let name = part["configMap", "name"]?.string, bundles.contains("configmaps/" + name) {
                    found.insert("configmaps/" + name)
                }
            }
        }
        return found
    }

    /// As the chart names them; `cilium-clustermesh` and `cilium-kvstoremesh` hold addresses, and their change is no change of trust.
    private static func isCertificate(_ name: String) -> Bool {
        name.hasPrefix("clustermesh-apiserver-") && name.hasSuffix("-cert")
            || name == "hubble-server-certs" || name == "hubble-relay-client-certs" || name == "hubble-relay-server-certs"
            || name == "hubble-ui-client-certs"
    }
}
