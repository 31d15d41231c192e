// SPDX-License-Identifier: Apache-2.0

package import MeshModel

/// The Helm values of one cluster, from the spec alone. The admin's own `values` are merged last, and so win.
package struct CiliumValues {
    private let spec: MeshSpec
    private let cluster: MeshSpec.Cluster
    private let installed: HelmValue?

    /// `installed`: the values of the release that is there, when there is one. What the clustermesh steps have made of it since stays.
    package init(spec: MeshSpec, cluster: MeshSpec.Cluster, installed: HelmValue? = nil) {
        self.spec = spec
        self.cluster = cluster
        self.installed = installed
    }

    /// What goes into the values file.
    package var values: [String: HelmValue] {
        let cilium = cluster.cilium
        var values: [String: HelmValue] = [
            "cluster": .map(["name": .string(cluster.name.text), "id": .integer(Int64(cluster.id))]),
            "kubeProxyReplacement": .bool(cilium.kubeProxyReplacement),
            "routingMode": .string(cilium.routingMode.rawValue),
            "ipam": .map(["mode": .string("kubernetes")]),
            "clustermesh": .map([
                "useAPIServer": .bool(false),
                "maxConnectedClusters": .integer(Int64(cilium.clustermesh.maxConnectedClusters)),
                "apiserver": .map([
                    "service": .map(service), "tls": .map(["auto": .map(["enabled": .bool(true), "method": .string("cronJob")])]),
                ]),
            ]),
        ]
        if cilium.routingMode == .tunnel {
            values["tunnelProtocol"] = .string(cilium.tunnelProtocol.rawValue)
            values["tunnelPort"] = .integer(Int64(cilium.tunnelPort))
        }
        if let range = cilium.ipv4NativeRoutingCIDR { values["ipv4NativeRoutingCIDR"] = .string(range.description) }
        if let host = cilium.k8sServiceHost { values["k8sServiceHost"] = .string(host) }
        if let port = cilium.k8sServicePort { values["k8sServicePort"] = .integer(Int64(port)) }
        if let mtu = cilium.mtu { values["MTU"] = .integer(Int64(mtu)) }
        if cilium.l2announcements { values["l2announcements"] = .map(["enabled": .bool(true)]) }
        if cilium.bgp != nil { values["bgpControlPlane"] = .map(["enabled": .bool(true)]) }
        if spec.versions.gatewayAPI != nil { values["gatewayAPI"] = .map(["enabled": .bool(true)]) }
        if cilium.encryption != .none {
            values["encryption"] = .map(["enabled": .bool(true), "type": .string(cilium.encryption.rawValue)])
        }
        if spec.services.contains(where: { $0.name == "hubble-ui" && $0.clusters.contains(cluster.name) }) {
            values["hubble"] = .map(["relay": .map(["enabled": .bool(true)]), "ui": .map(["enabled": .bool(true)])])
        }
        // The proof asks Hubble of each cluster, through its relay, what became of a request.
        if spec.services.contains(where: { $0.known?.probe == .policyProof && $0.clusters.contains(cluster.name) }) {
            values = Self.merge(values, ["hubble": .map(["relay": .map(["enabled": .bool(true)])])])
        }
        if cluster.kind == .talos { values.merge(talos) { _, new in new } }
        values = Self.merge(values, kept)
        return Self.merge(values, cilium.values)
    }

    /// `clustermesh enable` and `connect` keep what they did in the values of the release: an upgrade without it would tear the mesh down.
    private var kept: [String: HelmValue] {
        var mesh: [String: HelmValue] = [:]
        for key in ["useAPIServer", "config"] { mesh[key] = installedValue("clustermesh", key) }
        if let tls = installedValue("clustermesh", "apiserver", "tls") { mesh["apiserver"] = .map(["tls": tls]) }
        var kept: [String: HelmValue] = [:]
        if !mesh.isEmpty { kept["clustermesh"] = .map(mesh) }
        if let bundle = installedValue("tls", "caBundle") { kept["tls"] = .map(["caBundle": bundle]) }
        return kept
    }

    private func installedValue(_ path: String...) -> HelmValue? {
        path.reduce(installed) { value, key in if case .map(let map)? = value { map[key] } else { nil } }
    }

    private var service: [String: HelmValue] {
        var service: [String: HelmValue] = ["type": .string(cluster.cilium.clustermesh.serviceType.rawValue)]
        // The chart reads `nodePort`; the recipe's `nodeport.port` was ignored without a word (D02).
        if let port = cluster.cilium.clustermesh.nodePort { service["nodePort"] = .integer(Int64(port)) }
        return service
    }

    /// What Talos' documentation asks of Cilium: no SYS_MODULE, and the cgroup that Talos has mounted already.
    private var talos: [String: HelmValue] {
        let agent = [
            "CHOWN", "KILL", "NET_ADMIN", "NET_RAW", "IPC_LOCK", "SYS_ADMIN", "SYS_RESOURCE", "DAC_OVERRIDE", "FOWNER", "SETGID", "SETUID",
            "SYSLOG",
        ]
        let clean = ["NET_ADMIN", "SYS_ADMIN", "SYS_RESOURCE"]
        return [
            "cgroup": .map(["autoMount": .map(["enabled": .bool(false)]), "hostRoot": .string("/sys/fs/cgroup")]),
            "securityContext": .map([
                "capabilities": .map([
                    "ciliumAgent": .list(agent.map { .string($0) }), "cleanCiliumState": .list(clean.map { .string($0) }),
                ])
            ]),
        ]
    }

    private static func merge(_ base: [String: HelmValue], _ over: [String: HelmValue]) -> [String: HelmValue] {
        base.merging(over) { old, new in
            guard case .map(let oldMap) = old, case .map(let newMap) = new else { return new }
            return .map(merge(oldMap, newMap))
        }
    }
}
