// SPDX-License-Identifier: Apache-2.0

import MeshModel

/// One item of `spec.clusters` with its datapath and its nodes; defaults follow the kind of cluster.
struct ClusterReader {
    let log: FaultLog
    let networks: NameBook
    let hypervisors: NameBook
    /// Node names are agent names: unique in the whole mesh, hypervisors included.
    private var nodes = NameBook("node", list: "nodes")

    init(log: FaultLog, networks: NameBook, hypervisors: NameBook) {
        self.log = log
        self.networks = networks
        self.hypervisors = hypervisors
    }

    /// Keeps a hypervisor's name from being given to a cluster member. Doubles among hypervisors are reported where they are claimed first.
    mutating func takeHost(_ item: YAMLTree) { nodes.claim(item, log: FaultLog(file: "")) }

    mutating func read(_ item: YAMLTree, _ index: Int) -> MeshSpec.Cluster? {
        let keys = [
            "name", "id", "kind", "context", "endpoint", "network", "podCIDRs", "serviceCIDRs", "kubeProxy", "nodePortRange", "cilium",
            "nodes", "talos", "hosts",
        ]
        guard let section = Section(item, item.title("cluster", index), keys: keys, log: log) else { return nil }
        let name = section.required("name", Form<ClusterName>.id)
        let id = section.required("id", .integer())
        let kind = section.optional("kind", Form<MeshSpec.Cluster.Kind>.word) ?? .talos
        let context = kind == .talos && !section.has("context") ? name.map { "admin@\($0)" } : section.required("context", .text)
        let endpoint = section.required("endpoint", .endpoint)
        let network = section.optional("network", .text)
        if let network { networks.check(network, at: section.place(of: "network"), from: section.title, log: log) }
        let pods = ranges("podCIDRs", unless: kind.defaultPodCIDR, in: section)
        let services = ranges("serviceCIDRs", unless: kind.defaultServiceCIDR, in: section)
        let range = section.optional("nodePortRange", .portRange) ?? 30000...32767
        let kubeProxy = section.optional("kubeProxy", .bool)
        let cilium = CiliumReader(log: log).read(section, id: id, kind: kind, kubeProxy: kubeProxy)
        let members = readNodes(section)
        let talos = TalosReader(log: log).read(section, kind: kind)
        let hosts = HostsReader(log: log).read(section)
        guard let name, let id, let context, let endpoint, let cilium else { return nil }
        return MeshSpec.Cluster(
            name: name, id: id, kind: kind, context: context, endpoint: endpoint, network: network, podCIDRs: pods,
            serviceCIDRs: services, kubeProxy: kubeProxy ?? !cilium.kubeProxyReplacement, nodePortRange: range, cilium: cilium,
            nodes: members, talos: talos, hosts: hosts)
    }

    private func ranges(_ key: String, unless usual: CIDR?, in cluster: Section) -> [CIDR] {
        guard cluster.has(key) else {
            if usual == nil { cluster.missing(key, "a list, each \(CIDR.form)") }
            return usual.map { [$0] } ?? []
        }
        let ranges = cluster.list(key, Form<CIDR>.value) ?? []
        if case .list(let items)? = cluster.value(key)?.content, items.isEmpty {
            log.add(cluster.place(of: key), "\(quoted(key)) of \(cluster.title) is empty; it wants at least one range")
        }
        return ranges
    }

    private mutating func readNodes(_ cluster: Section) -> [MeshSpec.Node] {
        if !cluster.has("nodes") { cluster.missing("nodes", "a list of its nodes") }
        return cluster.items("nodes").enumerated().compactMap { index, item in
            nodes.claim(item, log: log)
            return NodeReader(log: log, networks: networks, hypervisors: hypervisors).read(item, index, of: cluster)
        }
    }
}

extension MeshSpec.Cluster.Kind {
    /// What the distribution uses when nothing is said; plain Kubernetes has no default.
    fileprivate var defaultPodCIDR: CIDR? {
        switch self {
        case .talos: CIDR("10.244.0.0/16")
        case .rke2: CIDR("10.42.0.0/16")
        case .kubernetes: nil
        }
    }

    fileprivate var defaultServiceCIDR: CIDR? {
        switch self {
        case .talos: CIDR("10.96.0.0/12")
        case .rke2: CIDR("10.43.0.0/16")
        case .kubernetes: nil
        }
    }
}
