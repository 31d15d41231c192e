// SPDX-License-Identifier: Apache-2.0

import MeshModel

/// L-CM-1
func clusterIDs(_ spec: MeshSpec) -> [Finding] {
    let wide = !spec.clusters.isEmpty && spec.clusters.allSatisfy { $0.cilium.clustermesh.maxConnectedClusters == 511 }
    let most = wide ? 511 : 255
    return spec.eachCluster { cluster, path in
        (1...most).contains(cluster.id)
            ? []
            : [
                .error(
                    "L-CM-1", "\(path).id", "cluster \"\(cluster.name)\" has id \(cluster.id); use a whole number from 1 to \(most)",
                    fix: freeID(in: spec, upTo: most))
            ]
    }
}

/// L-CM-2
func clusterIDsDiffer(_ spec: MeshSpec) -> [Finding] {
    clashes(spec.clusters.map(\.id)).map { first, second in
        let (a, b) = (spec.clusters[first], spec.clusters[second])
        return .error(
            "L-CM-2", "spec.clusters[\(second)].id",
            "clusters \"\(a.name)\" and \"\(b.name)\" both use id \(b.id); ids mark identities, so a clash mixes up policies",
            fix: freeID(in: spec, upTo: 255))
    }
}

private func freeID(in spec: MeshSpec, upTo most: Int) -> String? {
    let taken = Set(spec.clusters.map(\.id))
    return (1...most).first { !taken.contains($0) }.map { "id: \($0)" }
}

/// L-CM-3
func clusterNames(_ spec: MeshSpec) -> [Finding] {
    func finding(_ index: Int, _ why: String) -> Finding {
        .error(
            "L-CM-3", "spec.clusters[\(index)].name", "cluster name \"\(spec.clusters[index].name)\" is not usable in a mesh: \(why)")
    }
    let shapes = spec.clusters.indices.compactMap { index -> Finding? in
        let name = spec.clusters[index].name.text
        if name == "default" { return finding(index, "it is the name that Cilium gives to a cluster outside of any mesh") }
        if name.utf8.count > 32 { return finding(index, "it has more than 32 characters") }
        return name.hasSuffix("-") ? finding(index, "it ends with '-'") : nil
    }
    return shapes + clashes(spec.clusters.map(\.name)).map { finding($1, "another cluster has it") }
}

/// L-CM-4
func clusterCounts(_ spec: MeshSpec) -> [Finding] {
    oddOnes(spec.clusters.map(\.cilium.clustermesh.maxConnectedClusters)).map { index, usual in
        let (cluster, other) = (spec.clusters[index], spec.clusters[usual])
        let (have, want) = (cluster.cilium.clustermesh.maxConnectedClusters, other.cilium.clustermesh.maxConnectedClusters)
        return .error(
            "L-CM-4", "spec.clusters[\(index)].cilium.clustermesh.maxConnectedClusters",
            "\"\(cluster.name)\" allows \(have) clusters, \"\(other.name)\" allows \(want); maxConnectedClusters must be equal everywhere "
                + "and cannot change on a running cluster (\(have) -> \(want))", fix: "maxConnectedClusters: \(want)")
    }
}

/// L-CM-6
func markBits(_ spec: MeshSpec) -> [Finding] {
    spec.eachCluster { cluster, path in
        let clouds = ["eni", "alibabacloud"]
        let cloud = cluster.cilium.value("ipam.mode")?.text.map { clouds.contains($0.lowercased()) } ?? false
        let chained = cluster.cilium.value("cni.chainingMode")?.text == "aws-cni"
        guard (128...255).contains(cluster.id), cloud || chained else { return [] }
        return [.warning("L-CM-6", "\(path).id", "id \(cluster.id) trips a known mark-bit bug in that mode (cilium#21330)")]
    }
}

/// L-CTX-2
func contextsDiffer(_ spec: MeshSpec) -> [Finding] {
    clashes(spec.clusters.map(\.context)).map { first, second in
        .error(
            "L-CTX-2", "spec.clusters[\(second)].context",
            "\"\(spec.clusters[first].name)\" and \"\(spec.clusters[second].name)\" both use the context \"\(spec.clusters[second].context)\"; "
                + "what is meant for one would reach the other")
    }
}

/// L-EP-2
func endpointsDiffer(_ spec: MeshSpec) -> [Finding] {
    clashes(spec.clusters.map(\.endpoint)).map { first, second in
        .error(
            "L-EP-2", "spec.clusters[\(second)].endpoint",
            "\"\(spec.clusters[first].name)\" and \"\(spec.clusters[second].name)\" both have the endpoint \(spec.clusters[second].endpoint)"
        )
    }
}

/// L-NP-1
func nodePortRanges(_ spec: MeshSpec) -> [Finding] {
    fixedNodePorts(spec).compactMap { fixed in
        let cluster = spec.clusters[fixed.cluster]
        let range = cluster.nodePortRange
        guard !range.contains(fixed.port) else { return nil }
        let (text, id) = (String(fixed.port), String(cluster.id))
        let glued = text.utf8.count > String(range.upperBound).utf8.count || (text.hasSuffix(id) && text.hasPrefix("3000"))
        let hint = glued && text.hasSuffix(id) ? " (looks like \"\(text.dropLast(id.count))\"+\"\(id)\" glued as text)" : ""
        return .error(
            "L-NP-1", fixed.path,
            "NodePort \(fixed.port) for \"\(cluster.name)\" is outside \(range.lowerBound)-\(range.upperBound)\(hint)")
    }
}

/// L-NP-2; an error until the release with cilium#41337, which tells a remote node from a local one.
func nodePortsDiffer(_ spec: MeshSpec) -> [Finding] {
    let ports = fixedNodePorts(spec)
    return clashes(ports.map(\.port)).map { first, second in
        let (a, b) = (spec.clusters[ports[first].cluster], spec.clusters[ports[second].cluster])
        let replaced = a.cilium.kubeProxyReplacement || b.cilium.kubeProxyReplacement
        let wrong = ports[first].cluster == ports[second].cluster || (replaced && spec.versions.cilium < SemanticVersion(1, 19, 0))
        let taken = Set(ports.map(\.port))
        return Finding(
            rule: "L-NP-2", severity: wrong ? .error : .warning, path: ports[second].path,
            message: "\"\(a.name)\" and \"\(b.name)\" both expose NodePort \(ports[second].port); "
                + "with kube-proxy replacement a node may answer for the remote cluster itself",
            fix: b.nodePortRange.reversed().first { !taken.contains($0) }.map { "nodePort: \($0)" })
    }
}

/// L-NP-3
func meshEndpoints(_ spec: MeshSpec) -> [Finding] {
    spec.eachCluster { cluster, path in
        guard spec.clusters.count > 1, cluster.cilium.clustermesh.serviceType == .nodePort, cluster.nodes.count < 2 else { return [] }
        return [.warning("L-NP-3", "\(path).nodes", "one node's address carries the whole mesh link to \"\(cluster.name)\"")]
    }
}

private struct FixedNodePort {
    let cluster: Int
    let port: Int
    let path: String
}

/// The mesh API servers, and the services of the chart that can be given a fixed port.
private func fixedNodePorts(_ spec: MeshSpec) -> [FixedNodePort] {
    spec.clusters.indices.flatMap { index -> [FixedNodePort] in
        let (cilium, path) = (spec.clusters[index].cilium, "spec.clusters[\(index)].cilium")
        var ports: [FixedNodePort] = []
        if cilium.clustermesh.serviceType == .nodePort, let port = cilium.clustermesh.nodePort {
            ports.append(FixedNodePort(cluster: index, port: port, path: "\(path).clustermesh.nodePort"))
        }
        for service in ["hubble.relay.service", "hubble.ui.service"] where cilium.value("\(service).type")?.text == "NodePort" {
            guard let port = cilium.value("\(service).nodePort")?.number else { continue }
            ports.append(FixedNodePort(cluster: index, port: Int(port), path: "\(path).values.\(service).nodePort"))
        }
        return ports
    }
}
