// SPDX-License-Identifier: Apache-2.0

import MeshModel

/// `cilium:` of one cluster. Every key has a default, so the whole section may be left out.
struct CiliumReader {
    let log: FaultLog

    func read(_ cluster: Section, id: Int?, kind: MeshSpec.Cluster.Kind, kubeProxy: Bool?) -> MeshSpec.Cilium? {
        let keys = [
            "kubeProxyReplacement", "routingMode", "tunnelProtocol", "tunnelPort", "encryption", "l2announcements", "mtu",
            "ipv4NativeRoutingCIDR", "k8sServiceHost", "k8sServicePort", "clustermesh", "values",
            "lbPools", "l2Policies", "bgp",
        ]
        let empty = YAMLTree(place: cluster.place, content: .map([]))
        let title = "\"cilium\" of \(cluster.title)"
        guard let section = Section(cluster.value("cilium") ?? empty, title, keys: keys, log: log) else { return nil }
        var cilium = MeshSpec.Cilium()
        cilium.kubeProxyReplacement = section.optional("kubeProxyReplacement", .bool) ?? !(kubeProxy ?? false)
        cilium.routingMode = section.optional("routingMode", Form<MeshSpec.Cilium.RoutingMode>.word) ?? .tunnel
        cilium.tunnelProtocol = section.optional("tunnelProtocol", Form<MeshSpec.Cilium.TunnelProtocol>.word) ?? .vxlan
        cilium.tunnelPort = section.optional("tunnelPort", .port) ?? (cilium.tunnelProtocol == .vxlan ? 8472 : 6081)
        cilium.encryption = section.optional("encryption", Form<MeshSpec.Cilium.Encryption>.word) ?? .none
        cilium.l2announcements = section.optional("l2announcements", .bool) ?? false
        cilium.mtu = section.optional("mtu", .integer(576...65535, "a number of bytes"))
        cilium.ipv4NativeRoutingCIDR = section.optional("ipv4NativeRoutingCIDR", Form<CIDR>.value)
        readService(section, kind: kind, into: &cilium)
        cilium.clustermesh = readClustermesh(section, id: id)
        let balancing = LoadBalancingReader(log: log, nodes: nodeNames(of: cluster))
        cilium.lbPools = balancing.pools(section)
        cilium.l2Policies = balancing.policies(section)
        cilium.bgp = balancing.bgp(section)
        if let values = section.value("values") { cilium.values = HelmValueReader(log: log).readMap(values, title: title) }
        return cilium
    }

    /// Without kube-proxy the agent needs another way to the API server; on Talos that is KubePrism on every node.
    private func readService(_ section: Section, kind: MeshSpec.Cluster.Kind, into cilium: inout MeshSpec.Cilium) {
        let prism = kind == .talos && cilium.kubeProxyReplacement
        cilium.k8sServiceHost = section.optional("k8sServiceHost", .text) ?? (prism ? "localhost" : nil)
        cilium.k8sServicePort =
            section.optional("k8sServicePort", .port) ?? (prism && cilium.k8sServiceHost == "localhost" ? 7445 : nil)
    }

    private func nodeNames(of cluster: Section) -> NameBook {
        var names = NameBook("node", list: "nodes")
        for item in cluster.items("nodes") { names.claim(item, log: FaultLog(file: "")) }
        return names
    }

    private func readClustermesh(_ cilium: Section, id: Int?) -> MeshSpec.Cilium.Clustermesh {
        var mesh = MeshSpec.Cilium.Clustermesh()
        let section = cilium.section("clustermesh", keys: ["serviceType", "nodePort", "maxConnectedClusters"])
        mesh.serviceType = section?.optional("serviceType", Form<MeshSpec.Cilium.ServiceType>.word) ?? .nodePort
        mesh.nodePort = section?.optional("nodePort", .port)
        mesh.maxConnectedClusters = section?.optional("maxConnectedClusters", .clusterCount) ?? 255
        guard mesh.serviceType == .nodePort, section?.has("nodePort") != true else { return mesh }
        // The chart's 32379 for everyone would clash (cilium#24692), so each id gets a port of its own, counted from there.
        if let id, (1...389).contains(id) {
            mesh.nodePort = 32378 + id
        } else if id != nil {
            (section ?? cilium).missing("nodePort", "a port; there is no default for this cluster id")
        }
        return mesh
    }
}

extension Form where Value == Int {
    /// Cilium knows two sizes of mesh; the number decides how many bits of an identity name the cluster.
    fileprivate static var clusterCount: Self {
        Form(wanted: "255 or 511") { text, plain in plain ? decimal(text).flatMap { $0 == 255 || $0 == 511 ? $0 : nil } : nil }
    }
}
