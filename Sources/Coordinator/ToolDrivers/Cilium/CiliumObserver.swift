// SPDX-License-Identifier: Apache-2.0

import MeshModel
import MeshSystem
import MeshTrust

/// What gates of Cilium want to know of one cluster besides its objects.
///
/// Whether everything of the other clusters has arrived is told by no object of the API (CiliumNode's status has only the addresses that a
/// node hands out): each agent says it, and `cilium status -o json` asks them all.
struct CiliumObserver: Sendable {
    let tools: Toolbox
    let client: KubernetesClient
    let cluster: MeshSpec.Cluster

    /// - Parameter status: the answer of `cilium status -o json`; `nil` where Cilium is not there or gave none.
    func observe(status: HelmValue?, isInstalled: Bool, watchesTrust: Bool = false) async throws -> CiliumFact {
        var fact = CiliumFact()
        fact.commandLine = try await CiliumCommandLine(tools: tools).look()
        fact.kubeProxy = try await kubeProxy()
        let observer = TrustObserver(tools: tools, client: client)
        guard isInstalled else {
            fact.trust = try await observer.observe(values: nil, leaves: [:])
            return fact
        }
        fact.unsynced = status.flatMap(Self.unsynced)
        let values = try await HelmReleases(client: client).values(of: "cilium", in: "kube-system")
        let shown = try await certificates()
        fact.leaves = try await leaves(shown)
        fact.trust = try await observer.observe(values: values, leaves: shown, watchesPods: watchesTrust)
        fact.endpoints = endpoints(values)
        if cluster.cilium.bgp != nil { fact.sessions = try await sessions() }
        return fact
    }

    // MARK: kube-proxy

    /// A DaemonSet, or pods that the kubelets run by themselves, as RKE2 has it.
    private func kubeProxy() async throws -> CiliumFact.KubeProxy? {
        if let set = try await client.get("/apis/apps/v1/namespaces/kube-system/daemonsets/kube-proxy") {
            return CiliumFact.KubeProxy(
                desired: set["status", "desiredNumberScheduled"]?.integer ?? 0, ready: set["status", "numberReady"]?.integer ?? 0)
        }
        let pods = try await client.list("/api/v1/namespaces/kube-system/pods?labelSelector=component%3Dkube-proxy")
        guard !pods.isEmpty else { return nil }
        let ready = pods.count { pod in
            (pod["status", "conditions"]?.list ?? []).contains { $0["type"]?.string == "Ready" && $0["status"]?.string == "True" }
        }
        return CiliumFact.KubeProxy(desired: pods.count, ready: ready)
    }

    // MARK: certificates

    private static let secrets =
        ["server", "admin", "remote", "local"].map { "clustermesh-apiserver-\($0)-cert" } + [
            "hubble-server-certs", "hubble-relay-client-certs",
        ]

    /// The Secrets hold keys as well. Of each answer `tls.crt` is taken and nothing else; what cannot be read as a certificate is left out,
    /// so that its absence is told.
    func leaves() async throws -> [String: CiliumFact.Leaf] { try await leaves(certificates()) }

    private static let path = "/api/v1/namespaces/kube-system/secrets/"

    /// In PEM, by Secret.
    func certificates() async throws -> [String: String] {
        var found: [String: String] = [:]
        for name in Self.secrets { found[name] = try await text("tls.crt", of: client.get(Self.path + name)) }
        return found
    }

    private func leaves(_ certificates: [String: String]) async throws -> [String: CiliumFact.Leaf] {
        let authority = try await text("ca.crt", of: client.get(Self.path + "cilium-ca")) ?? ""
        var leaves: [String: CiliumFact.Leaf] = [:]
        for (name, pem) in certificates {
            guard let leaf = try? IssuedLeaf(pem: pem) else { continue }
            leaves[name] = CiliumFact.Leaf(
                chains: leaf.isIssued(byOneOf: authority), servesServers: leaf.servesServers, servesClients: leaf.servesClients,
                dnsNames: leaf.dnsNames, notAfter: leaf.notAfter)
        }
        return leaves
    }

    private func text(_ key: String, of secret: HelmValue?) -> String? {
        secret?["data"]?[key]?.string.flatMap(JSON.unbase64).map { String(decoding: $0, as: UTF8.self) }
    }

    // MARK: the mesh

    /// As the release's values have them: the chart turns them into host aliases of the agents.
    private func endpoints(_ values: HelmValue?) -> [String: [String]] {
        let clusters = values?["clustermesh", "config", "clusters"]?.list ?? []
        return Dictionary(
            clusters.compactMap { item in item["name"]?.string.map { ($0, (item["ips"]?.list ?? []).compactMap(\.string)) } },
            uniquingKeysWith: { first, _ in first })
    }

    /// `nil` when some agent could not be asked: its entry is null then.
    static func unsynced(in status: HelmValue) -> [String: [String]]? {
        guard case .map(let agents)? = status["cilium_status"], !agents.isEmpty else { return nil }
        var missing: [String: Set<String>] = [:]
        var seen: [String: Int] = [:]
        for agent in agents.values {
            guard agent.isMap else { return nil }
            for remote in agent["cluster-mesh", "clusters"]?.list ?? [] {
                guard let name = remote["name"]?.string else { continue }
                seen[name, default: 0] += 1
                // Go leaves out what is false.
                let left = ["nodes", "endpoints", "identities", "services"].filter { remote["synced"]?[$0]?.bool != true }
                missing[name, default: []].formUnion(left)
            }
        }
        // A remote that some agent does not know at all has sent it nothing.
        return missing.filter { seen[$0.key] == agents.count }.mapValues { $0.sorted() }
    }

    private func sessions() async throws -> [CiliumFact.Session]? {
        let global = CiliumDriver(tools: tools).global(cluster)
        var call = Toolbox.Call()
        call.changes = false
        let result = try await tools.run(
            "cilium", global + ["bgp", "peers", "-o", "json"], deadline: .seconds(60), outputLimit: JSON.longest, call: call)
        return JSON.decode(result.standardOutput).flatMap(Self.sessions)
    }

    /// Node by node a list of peers; a node without any is null.
    static func sessions(in json: HelmValue) -> [CiliumFact.Session]? {
        guard case .map(let nodes) = json else { return nil }
        return nodes.sorted { $0.key < $1.key }.flatMap { node, peers in
            peers.list.compactMap { peer in
                peer["peer-address"]?.string.map {
                    CiliumFact.Session(node: node, peer: $0, state: peer["session-state"]?.string ?? "unknown")
                }
            }
        }
    }
}
