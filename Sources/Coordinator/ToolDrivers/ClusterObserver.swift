// SPDX-License-Identifier: Apache-2.0

import MeshHTTP
import MeshModel
import MeshTrust
import Rendering

/// Looks at one cluster, through its API server and `cilium ... status`: what is there, not what a command said it did.
struct ClusterObserver: Sendable {
    let tools: Toolbox

    /// - Parameters:
    ///   - services: those of the plan that are meant for this cluster.
    ///   - plan: the build whose proofs count.
    ///   - leaving: the node that is about to leave it.
    ///   - watchesTrust: which pods may still trust what was trusted before is looked for, too.
    func observe(
        _ cluster: MeshSpec.Cluster, cilium release: SemanticVersion, services: [MeshSpec.Service], plan: Digest, leaving: NodeID? = nil,
        watchesTrust: Bool = false
    ) async throws -> ClusterFact {
        let client = try tools.client(for: cluster)
        var fact = ClusterFact(name: cluster.name)
        fact.apiCA = client.access.authority.map { Digest.sha256($0) }
        let config = try await client.get("/api/v1/namespaces/kube-system/configmaps/cilium-config")?["data"]?.stringMap
        fact.ciliumConfig = config
        // The CLI takes seconds to ask every agent; the API server is read meanwhile.
        async let cilium = lookAtCilium(cluster, release: release, isInstalled: config != nil, watchesTrust: watchesTrust, client)
        fact.systemUID = try await client.get("/api/v1/namespaces/kube-system")?["metadata", "uid"]?.string
        if fact.systemUID != nil { try ContextsDriver.remember(client.access, of: cluster.name, tools) }
        fact.credentials = client.access.seen(as: fact, kubeconfig: tools.kubeconfig)
        fact.nodes = try await client.list("/api/v1/nodes").compactMap(Self.node)
        if let leaving { fact.leaving = try await NodeDeparture(client: client, node: leaving).observe() }
        fact.daemonSets = try await daemonSets(client)
        fact.meshCA = try await meshCA(client)
        (fact.gatewayBundle, fact.gatewayGaps) = try await gatewayAPI(client)
        fact.ceph = try await ceph(client)
        fact.configuredRemotes = try await configuredRemotes(client)
        let releases = try await HelmReleases(client: client).all()
        fact.releases = releases.mapValues(\.release)
        let observer = ServiceObserver(
            tools: tools, client: client, cluster: cluster, nodes: fact.nodes.map(\.name), releases: releases, plan: plan)
        fact.services = try await observer.observe(services)
        if services.contains(where: { $0.known?.podSecurity != nil }) { fact.podSecurity = try await podSecurity(client) }
        if services.contains(where: { $0.known?.needs.contains(.servingCertificates) == true }) {
            fact.overdueServingRequests = try await overdueServingRequests(client)
        }
        let seen = try await cilium
        fact.cilium = seen.besides
        fact.ciliumErrors = seen.errors
        fact.clustermesh = seen.clustermesh
        fact.ciliumObjects = seen.objects
        fact.ciliumLeftovers = seen.leftovers
        return fact
    }

    /// What is seen of Cilium besides its ConfigMap.
    private struct CiliumView {
        var besides: CiliumFact?
        var errors: [String]?
        var clustermesh: ClusterFact.Clustermesh?
        var objects: [String: ClusterFact.CiliumObject]?
        var leftovers: [String]?
    }

    private func lookAtCilium(
        _ cluster: MeshSpec.Cluster, release: SemanticVersion, isInstalled: Bool, watchesTrust: Bool, _ client: KubernetesClient
    ) async throws -> CiliumView {
        var view = CiliumView()
        let observer = CiliumObserver(tools: tools, client: client, cluster: cluster)
        guard isInstalled else {
            view.besides = try await observer.observe(status: nil, isInstalled: false)
            view.leftovers = try await CiliumLeftovers(tools: tools, client: client).look().removable.map(\.description).sorted()
            return view
        }
        let cilium = CiliumDriver(tools: tools)
        async let asked = cilium.status(cluster)
        async let clustermesh = clustermesh(cluster, cilium, client)
        if !CiliumResources.of(cluster, cilium: release).isEmpty {
            view.objects = try await CiliumResourceDriver(client: client, release: release).observe()
        }
        let status = try await asked
        view.errors = status.flatMap(CiliumDriver.statusErrors)
        view.besides = try await observer.observe(status: status, isInstalled: true, watchesTrust: watchesTrust)
        view.clustermesh = try await clustermesh
        return view
    }

    private static func node(_ item: HelmValue) -> ClusterFact.RegisteredNode? {
        guard let name = item["metadata", "name"]?.string else { return nil }
        let addresses = item["status", "addresses"]?.list ?? []
        let address = addresses.first { $0["type"]?.string == "InternalIP" }?["address"]?.string
        let conditions = item["status", "conditions"]?.list ?? []
        return ClusterFact.RegisteredNode(
            name: name, internalIP: address.flatMap(IPAddress.init), podCIDR: item["spec", "podCIDR"]?.string.flatMap(CIDR.init),
            ready: conditions.contains { $0["type"]?.string == "Ready" && $0["status"]?.string == "True" },
            cordoned: item["spec", "unschedulable"]?.bool == true ? true : nil)
    }

    private func daemonSets(_ client: KubernetesClient) async throws -> [String: ClusterFact.DaemonSet] {
        var sets: [String: ClusterFact.DaemonSet] = [:]
        for item in try await client.list("/apis/apps/v1/namespaces/kube-system/daemonsets") {
            guard let name = item["metadata", "name"]?.string else { continue }
            sets["kube-system/" + name] = ClusterFact.DaemonSet(
                desired: item["status", "desiredNumberScheduled"]?.integer ?? 0, ready: item["status", "numberReady"]?.integer ?? 0)
        }
        return sets
    }

    private func podSecurity(_ client: KubernetesClient) async throws -> [String: String] {
        let namespaces = try await client.list("/api/v1/namespaces")
        let levels = namespaces.compactMap { namespace -> (String, String)? in
            guard let name = namespace["metadata", "name"]?.string, let level = namespace["metadata", "labels", PodSecurity.label]?.string
            else { return nil }
            return (name, level)
        }
        return Dictionary(levels, uniquingKeysWith: { first, _ in first })
    }

    /// Kubelets ask again and again: an old request that is answered by now, or superseded, does not count against anybody.
    private func overdueServingRequests(_ client: KubernetesClient) async throws -> [String] {
        let now = tools.now().wall
        return try await client.list("/apis/certificates.k8s.io/v1/certificatesigningrequests").compactMap { request in
            guard request["spec", "signerName"]?.string == "kubernetes.io/kubelet-serving", request["status", "certificate"]?.string == nil,
                (request["status", "conditions"]?.list ?? []).isEmpty, let name = request["metadata", "name"]?.string,
                let made = request["metadata", "creationTimestamp"]?.string.flatMap({ Timestamp(rfc3339: $0) }), now - made > .seconds(120)
            else { return nil }
            return name
        }.sorted()
    }

    /// By public key: a renewed certificate over the same key is still the same CA.
    private func meshCA(_ client: KubernetesClient) async throws -> Digest? {
        let path = "/api/v1/namespaces/kube-system/secrets/cilium-ca"
        guard let secret = try await client.get(path), let text = secret["data", "ca.crt"]?.string else { return nil }
        guard let pem = JSON.unbase64(text) else {
            throw DriverError.unreadable(what: "ca.crt of Secret cilium-ca", where: client.access.server)
        }
        if let certificate = try? Certificate(pem: String(decoding: pem, as: UTF8.self)) { return certificate.spkiDigest }
        // A CA of another kind than ours (RSA, say) is compared by its bytes.
        return Digest.sha256(pem)
    }

    /// Each remote cluster is a key of these Secrets, beside the certificates for it, whose names have a dot. The chart renders them from
    /// `clustermesh.config.clusters`. Only the names of keys are kept.
    private func configuredRemotes(_ client: KubernetesClient) async throws -> [String] {
        var names: Set<String> = []
        for secret in ["cilium-clustermesh", "cilium-kvstoremesh"] {
            let data = try await client.get("/api/v1/namespaces/kube-system/secrets/" + secret)?["data"]
            names.formUnion((data?.map ?? [:]).keys.filter { !$0.contains(".") })
        }
        return names.sorted()
    }

    /// The oldest release among the definitions that Cilium looks for, and which of these are not there or not accepted yet.
    private func gatewayAPI(_ client: KubernetesClient) async throws -> (bundle: SemanticVersion?, gaps: [String]?) {
        var oldest: SemanticVersion?
        var gaps: [String] = []
        for plural in ["gatewayclasses", "gateways", "grpcroutes", "httproutes", "referencegrants"] {
            let path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/\(plural).gateway.networking.k8s.io"
            let definition = try await client.get(path)
            if let release = definition?.gatewayBundle { oldest = min(oldest ?? release, release) }
            let conditions = definition?["status", "conditions"]?.list ?? []
            if !conditions.contains(where: { $0["type"]?.string == "Established" && $0["status"]?.string == "True" }) {
                gaps.append(plural)
            }
        }
        return (oldest, oldest == nil || gaps.isEmpty ? nil : gaps)
    }

    private func ceph(_ client: KubernetesClient) async throws -> [String: ClusterFact.CephHealth] {
        var clusters: [String: ClusterFact.CephHealth] = [:]
        for item in try await client.listIfServed("/apis/ceph.rook.io/v1/cephclusters") ?? [] {
            guard let name = item["metadata", "name"]?.string, let namespace = item["metadata", "namespace"]?.string else { continue }
            let classes = item["status", "storage", "osd", "storeType"]?.map ?? [:]
            clusters[namespace + "/" + name] = ClusterFact.CephHealth(
                phase: item["status", "phase"]?.string ?? "", health: item["status", "ceph", "health"]?.string ?? "",
                osds: classes.values.compactMap(\.integer).reduce(0, +|), fsid: item["status", "ceph", "fsid"]?.string)
        }
        return clusters
    }

    /// The CLI tells who is connected; the API server's own objects tell whether it is ready and on which port.
    private func clustermesh(
        _ cluster: MeshSpec.Cluster, _ cilium: CiliumDriver, _ client: KubernetesClient
    ) async throws -> ClusterFact.Clustermesh? {
        let base = "/api/v1/namespaces/kube-system/services/clustermesh-apiserver"
        guard let service = try await client.get(base) else { return nil }
        let deployment = try await client.get("/apis/apps/v1/namespaces/kube-system/deployments/clustermesh-apiserver")
        var mesh =
            try await cilium.clustermesh(cluster)
            ?? ClusterFact.Clustermesh(
                serviceType: "", nodePort: nil, apiserverReady: false, remotes: [:], connectivityKnown: false, notReady: 0,
                connectedMinimum: 0, errors: [])
        mesh.serviceType = service["spec", "type"]?.string ?? mesh.serviceType
        mesh.nodePort = service["spec", "ports"]?.list.first { $0["port"]?.integer == 2379 }?["nodePort"]?.integer
        let ingress = service["status", "loadBalancer", "ingress"]?.list ?? []
        let balancers = ingress.compactMap { $0["ip"]?.string.flatMap(IPAddress.init) }
        mesh.balancers = balancers.isEmpty ? nil : balancers.sorted()
        let wanted = deployment?["spec", "replicas"]?.integer ?? 1
        let isReady = deployment != nil && (deployment?["status", "readyReplicas"]?.integer ?? 0) >= wanted
        // Objects alone may be what an upgrade that was cut off has left; the next upgrade would take them away again.
        let isKept = try await HelmReleases(client: client).keepsClustermesh()
        mesh.apiserverReady = isReady && isKept
        return mesh
    }
}
