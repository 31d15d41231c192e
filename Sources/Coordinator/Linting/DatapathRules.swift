// SPDX-License-Identifier: Apache-2.0

package import MeshModel

/// L-DP-1
func datapathParity(_ spec: MeshSpec) -> [Finding] {
    func compare(_ name: String, _ key: String, among indices: [Int], _ value: (MeshSpec.Cluster) -> String) -> [Finding] {
        let values = indices.map { value(spec.clusters[$0]) }
        return oddOnes(values).map { odd, usual in
            let (a, b) = (spec.clusters[indices[odd]].name, spec.clusters[indices[usual]].name)
            return .error(
                "L-DP-1", "spec.clusters[\(indices[odd])].\(key)",
                "\"\(a)\" runs \(name) \(values[odd]), \"\(b)\" runs \(values[usual]); both ends of a mesh must use the same datapath")
        }
    }
    let all = Array(spec.clusters.indices)
    let tunnels = all.filter { spec.clusters[$0].cilium.routingMode == .tunnel }
    return compare("routing mode", "cilium.routingMode", among: all) { $0.cilium.routingMode.rawValue }
        + compare("tunnel protocol", "cilium.tunnelProtocol", among: tunnels) { $0.cilium.tunnelProtocol.rawValue }
        + compare("tunnel port", "cilium.tunnelPort", among: tunnels) { String($0.cilium.tunnelPort) }
        + compare("encryption", "cilium.encryption", among: all) { $0.cilium.encryption.rawValue }
        + compare("IPAM mode", "cilium.values.ipam.mode", among: all) { $0.cilium.value("ipam.mode")?.text ?? "cluster-pool" }
        + compare("IP families", "podCIDRs", among: all) { cluster in
            let families = Set(cluster.podCIDRs.map(\.base.family))
            return families.count == 2 ? "IPv4 and IPv6" : families.contains(.v6) ? "IPv6" : "IPv4"
        }
}

/// L-DP-2; the smallest link of the mesh counts, because pods of every cluster talk to pods of every other.
func tunnelMTU(_ spec: MeshSpec) -> [Finding] {
    let networks = spec.networksByName
    var used: Set<String> = Set(spec.clusters.compactMap(\.network))
    for cluster in spec.clusters { for node in cluster.nodes { used.formUnion(node.interfaces.map(\.network)) } }
    let links = used.compactMap { networks[$0] }
    guard let smallest = links.min(by: { ($0.mtu, $0.name) < ($1.mtu, $1.name) }) else { return [] }
    return spec.eachCluster { cluster, path in
        let (overhead, names) = overhead(cluster.cilium, release: spec.versions.cilium)
        guard let mtu = cluster.cilium.mtu, mtu + overhead > smallest.mtu else { return [] }
        return [
            .error(
                "L-DP-2", "\(path).cilium.mtu",
                "pod MTU \(mtu) + \(overhead) bytes of \(names) exceeds link MTU \(smallest.mtu) of \"\(smallest.name)\"",
                fix: "mtu: \(smallest.mtu - overhead)")
        ]
    }
}

/// In all, and by what.
private func overhead(_ cilium: MeshSpec.Cilium, release: SemanticVersion) -> (bytes: Int, names: String) {
    let parts = cilium.wrapping(release: release)
    return (parts.reduce(0) { $0 + $1.bytes }, parts.isEmpty ? "no overhead" : parts.map(\.name).joined(separator: " and "))
}

/// L-KPR-1
func kubeProxies(_ spec: MeshSpec) -> [Finding] {
    spec.eachCluster { cluster, path in
        guard cluster.kubeProxy == cluster.cilium.kubeProxyReplacement else { return [] }
        let state = cluster.kubeProxy ? "on" : "off"
        return [
            .error(
                "L-KPR-1", "\(path).kubeProxy",
                "\"\(cluster.name)\": kube-proxy is \(state) and Cilium's replacement is \(state); choose one")
        ]
    }
}

/// L-KPR-2
func apiWithoutKubeProxy(_ spec: MeshSpec) -> [Finding] {
    spec.eachCluster { cluster, path in
        let cilium = cluster.cilium
        guard cilium.kubeProxyReplacement else { return [] }
        let local = ["localhost", "127.0.0.1", "::1"].contains(cilium.k8sServiceHost)
        let wrongPrism = cluster.kind == .talos && local && cilium.k8sServicePort != 7445
        guard cilium.k8sServiceHost == nil || cilium.k8sServicePort == nil || wrongPrism else { return [] }
        let advice = cluster.kind == .talos ? "localhost:7445" : "k8sServiceHost and k8sServicePort"
        return [
            .error(
                "L-KPR-2", "\(path).cilium.k8sService\(cilium.k8sServiceHost == nil ? "Host" : "Port")",
                "\"\(cluster.name)\": agent could not reach the API without kube-proxy; set \(advice)")
        ]
    }
}

/// L-L2-1; policies and pools may be objects of the cluster that somebody else made: only what the file says is judged.
func l2Requirements(_ spec: MeshSpec) -> [Finding] {
    spec.eachCluster { cluster, path in
        if cluster.cilium.l2Policies != nil, !announces(cluster.cilium) {
            return [
                .error(
                    "L-L2-1", "\(path).cilium.l2Policies", "L2 policies of \"\(cluster.name)\" announce nothing: L2 announcements are off",
                    fix: "l2announcements: true")
            ]
        }
        if cluster.cilium.l2Policies != nil, cluster.cilium.lbPools == nil {
            return [
                .error(
                    "L-L2-1", "\(path).cilium.l2Policies",
                    "L2 policies of \"\(cluster.name)\" announce nothing: there is no pool that services get addresses from", fix: "lbPools"
                )
            ]
        }
        guard announces(cluster.cilium), !cluster.cilium.kubeProxyReplacement else { return [] }
        return [
            .error(
                "L-L2-1", "\(path).cilium.l2announcements",
                "L2 announcements are on but nothing would be announced: kube-proxy replacement is off", fix: "kubeProxyReplacement: true")
        ]
    }
}

/// L-L2-2; how many services will be announced is not in the file, so ten are reckoned with, and five requests a second for all else.
func l2Rates(_ spec: MeshSpec) -> [Finding] {
    spec.eachCluster { cluster, path in
        guard announces(cluster.cilium) else { return [] }
        let deadline = cluster.cilium.value("l2announcements.leaseRenewDeadline").flatMap(seconds) ?? 5
        let limit = cluster.cilium.value("k8sClientRateLimit.qps")?.number ?? 10
        guard deadline > 0 else { return [] }
        let needed = Int(min(1e6, (10 / deadline).rounded(.up))) + 5
        guard limit < Double(needed) else { return [] }
        return [
            .warning(
                "L-L2-2", "\(path).cilium.l2announcements",
                "lease renewals of ten services need about \(needed) requests/s; limit is \(Int(min(1e6, limit)))",
                fix: "values.k8sClientRateLimit.qps: \(needed)")
        ]
    }
}

private func announces(_ cilium: MeshSpec.Cilium) -> Bool {
    cilium.l2announcements || cilium.value("l2announcements.enabled")?.isTrue == true
}

private func seconds(_ value: HelmValue) -> Double? {
    value.text.flatMap { TimeSpan($0) }.map { Double($0.duration.inMilliseconds) / 1000 }
}

/// The release of the Gateway API that a release of Cilium expects, and how bad another one is (`nil`: good); `nil` where nobody knows.
package func gatewayExpectation(
    cilium: SemanticVersion, have: SemanticVersion?
) -> (wanted: SemanticVersion, severity: Severity?)? {
    let table = [
        15: SemanticVersion(1, 0, 0), 16: .init(1, 1, 0), 17: .init(1, 2, 0), 18: .init(1, 3, 0), 19: .init(1, 4, 1), 20: .init(1, 6, 0),
    ]
    guard cilium.major == 1, let wanted = table[cilium.minor] else { return nil }
    guard let have else { return (wanted, .error) }
    guard have.major != wanted.major || have.minor != wanted.minor || have < wanted else { return (wanted, nil) }
    let tooNew = cilium.minor < 20 && have >= SemanticVersion(1, 5, 0)
    let tooOld = have < SemanticVersion(1, wanted.minor - 1, 0)
    return (wanted, tooNew || tooOld ? .error : .warning)
}

/// L-GW-1
func gatewayVersions(_ spec: MeshSpec) -> [Finding] {
    let cilium = spec.versions.cilium
    guard let (wanted, severity) = gatewayExpectation(cilium: cilium, have: spec.versions.gatewayAPI) else { return [] }
    guard let have = spec.versions.gatewayAPI else {
        return spec.eachCluster { cluster, path in
            guard cluster.cilium.value("gatewayAPI.enabled")?.isTrue == true else { return [] }
            return [gatewayFinding(.error, "\(path).cilium.values.gatewayAPI", cilium, wanted, "none")]
        }
    }
    return severity.map { [gatewayFinding($0, "spec.versions.gatewayAPI", cilium, wanted, "\(have)")] } ?? []
}

private func gatewayFinding(
    _ severity: Severity, _ path: String, _ cilium: SemanticVersion, _ wanted: SemanticVersion, _ have: String
) -> Finding {
    Finding(
        rule: "L-GW-1", severity: severity, path: path,
        message:
            "Cilium \(cilium) expects Gateway API \(wanted); plan installs \(have): operator checks once and then stays without gateways",
        fix: "gatewayAPI: \(wanted)")
}

/// L-VER-1
func talosVersion(_ spec: MeshSpec) -> [Finding] {
    guard spec.versions.talos == nil, let cluster = spec.clusters.first(where: { $0.kind == .talos }) else { return [] }
    return [.error("L-VER-1", "spec.versions", "cluster \"\(cluster.name)\" runs Talos, but \"versions\" names no Talos release")]
}
