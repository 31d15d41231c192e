// SPDX-License-Identifier: Apache-2.0

import Gating
import MeshModel

/// What the clusters of a rehearsed world say of themselves.
extension RehearsedWorld {
    func fact(_ name: ClusterName, _ state: ClusterState) -> ClusterFact {
        let cluster = spec.cluster(name)
        let nodes = (cluster?.nodes ?? []).filter { !unregistered.contains($0.name) }
        var fact = ClusterFact(
            name: name, systemUID: "uid-of-\(name)",
            nodes: nodes.map { .init(name: $0.name.text, internalIP: $0.address, podCIDR: nil, ready: state.cilium) })
        if let leaving, cluster?.nodes.contains(where: { $0.name == leaving }) == true {
            let isDrained = drained.contains(leaving)
            fact.leaving = .init(
                node: leaving, uid: unregistered.contains(leaving) ? nil : "uid-of-\(leaving)", cordoned: isDrained,
                pods: isDrained ? [] : ["default/web"], osds: osds[leaving] ?? [])
        }
        fact.gatewayBundle = state.gateway
        fact.cilium = CiliumFact(
            commandLine: Self.commandLine, kubeProxy: cluster?.cilium.kubeProxyReplacement == false ? .init(desired: 1, ready: 1) : nil)
        fact.credentials = .init(hasAuthority: true, mode: 0o600)
        fact.meshCA = state.authority.map { Self.anchor($0).fingerprint }
        fact.cilium?.trust = trust(state)
        if state.cilium, let cluster {
            fact.ciliumObjects = state.resources.mapValues { .init(spec: $0, isOurs: true) }
            fact.releases["kube-system/cilium"] = .init(
                chart: "cilium", version: (state.ciliumRelease ?? spec.versions.cilium).description, status: "deployed")
            fact.daemonSets["kube-system/cilium"] = .init(desired: nodes.count, ready: nodes.count)
            fact.ciliumErrors = []
            fact.cilium = cilium(cluster, state)
            fact.cilium?.trust = trust(state)
            fact.ciliumConfig = [
                "cluster-name": name.text, "cluster-id": String(cluster.id), "routing-mode": cluster.cilium.routingMode.rawValue,
                "kube-proxy-replacement": String(cluster.cilium.kubeProxyReplacement),
                "max-connected-clusters": String(cluster.cilium.clustermesh.maxConnectedClusters),
                "tunnel-protocol": cluster.cilium.tunnelProtocol.rawValue, "tunnel-port": String(cluster.cilium.tunnelPort),
            ]
        }
        if state.apiserver {
            fact.clustermesh = .init(
                serviceType: "NodePort", nodePort: cluster?.cilium.clustermesh.nodePort, apiserverReady: true,
                remotes: Dictionary(state.remotes.map { ($0.text, true) }, uniquingKeysWith: { first, _ in first }),
                connectivityKnown: true, notReady: 0, connectedMinimum: state.remotes.count, errors: [])
            fact.configuredRemotes = state.remotes.map(\.text).sorted()
        }
        fact.overdueServingRequests = []
        fact.podSecurity = [:]
        fact.services = [:]
        for service in spec.services {
            guard state.services.contains(service.name) || provisioned.contains(service.phase ?? "-") else {
                fact.services?[service.name] = ServiceFact(works: false, detail: "it is not there", differences: [])
                continue
            }
            if service.phase == nil {
                fact.releases["\(service.home)/\(service.release)"] = .init(
                    chart: service.name, version: service.pinnedVersion ?? "", status: "deployed")
            }
            fact.podSecurity?[service.home] = service.known?.podSecurity?.rawValue
            fact.services?[service.name] = ServiceFact(
                works: true, detail: "it works", differences: [], egress: egress[service.name].map(ServiceFact.Egress.init))
        }
        if state.ceph > 0 { fact.ceph["rook-ceph/rook-ceph"] = .init(phase: "Ready", health: "HEALTH_OK", osds: state.ceph) }
        return fact
    }

    /// Everything that is asked of Cilium besides, in order.
    private func cilium(_ cluster: MeshSpec.Cluster, _ state: ClusterState) -> CiliumFact {
        var fact = CiliumFact(
            commandLine: Self.commandLine, kubeProxy: cluster.cilium.kubeProxyReplacement ? nil : .init(desired: 1, ready: 1))
        let leaf = CiliumFact.Leaf(
            chains: state.issuer == state.authority, servesServers: true, servesClients: true,
            dnsNames: ["*.mesh.cilium.io", "*.hubble-grpc.cilium.io"],
            notAfter: Timestamp(seconds: 253_402_300_799))
        fact.leaves = Dictionary(
            (state.apiserver ? ["server", "admin", "remote", "local"] : []).map { ("clustermesh-apiserver-\($0)-cert", leaf) },
            uniquingKeysWith: { first, _ in first })
        let remotes = state.remotes.compactMap(spec.cluster)
        fact.endpoints = Dictionary(
            remotes.map { ($0.name.text, $0.nodes.map(\.address.description)) }, uniquingKeysWith: { first, _ in first })
        fact.unsynced = Dictionary(remotes.map { ($0.name.text, []) }, uniquingKeysWith: { first, _ in first })
        fact.sessions = (cluster.cilium.bgp?.peers ?? []).map {
            CiliumFact.Session(node: cluster.nodes.first?.name.text ?? "", peer: $0.address.description, state: "established")
        }
        return fact
    }

    private func trust(_ state: ClusterState) -> CiliumTrust {
        var trust = CiliumTrust(own: state.authority.map(Self.anchor), mesh: Self.anchor("mesh"))
        trust.bundle = state.bundle.map { .init(anchors: $0.sorted().map(Self.anchor)) }
        guard state.cilium else { return trust }
        if let issuer = state.issuer { trust.issuers["clustermesh-apiserver-server-cert"] = [Self.anchor(issuer).fingerprint] }
        trust.stragglers = state.stuck.sorted { $0.key < $1.key }.flatMap { pod, late in
            late.sorted { $0.rawValue < $1.rawValue }.map { CiliumTrust.Straggler(pod: pod, why: $0) }
        }
        return trust
    }

    private static let commandLine = CiliumFact.CommandLine(version: SemanticVersion(0, 19, 7), madeFor: SemanticVersion(1, 19, 5))

    func connectivity(_ name: ClusterName, _ state: ClusterState) -> [Fact] {
        spec.clusters.filter { $0.name != name }.map { other in
            .connectivity(
                ConnectivityFact(
                    from: name, to: other.name, tests: state.tested.contains(other.name) ? 60 : 0, failures: 0, skipped: 1,
                    flows: state.flows[other.name]))
        }
    }

    /// What Hubble shows of a test at this moment: flows both ways, on every node that has one.
    func seenFlows(_ from: ClusterName, _ to: ClusterName) -> TestFlows {
        TestFlows(
            witnesses: spec.witnesses(from, to).map { node, cluster in
                let reason = cluster == to ? clusters[from]?.drops[to] : nil
                return TestFlows.Witness(
                    node: node, cluster: cluster, problem: machines[node]?.hubbleAway ?? true ? "nothing was heard of it" : nil, there: 8,
                    back: 8, drops: reason.map { [TestFlows.Drop(reason: $0, from: from, to: to, flows: 3)] } ?? [])
            })
    }
}
