// SPDX-License-Identifier: Apache-2.0

import MeshModel

/// L-CIDR-1
func podRangesDiffer(_ spec: MeshSpec) -> [Finding] {
    let usual = CIDR("10.244.0.0/16")
    return overlaps(spec.podRanges) { $0 == .pods && $1 == .pods }.map { one, other in
        let (earlier, later) = one.owner <= other.owner ? (one, other) : (other, one)
        let note = later.range == usual ? ", which is also what Talos takes when none is set" : ""
        let (x, y) = (spec.clusters[later.owner].name, spec.clusters[earlier.owner].name)
        return .error("L-CIDR-1", later.path, "pod range \(later.range) of \"\(x)\" overlaps \(earlier.range) of \"\(y)\"\(note)")
    }
}

/// L-CIDR-2
func rangesDiffer(_ spec: MeshSpec) -> [Finding] {
    let all = spec.podRanges + spec.serviceRanges + spec.networkRanges + spec.hostRanges
    let overlapping = overlaps(all) { a, b in
        let inside: (NamedRange.Kind) -> Bool = { $0 == .pods || $0 == .services }
        return a != b && (inside(a) || inside(b))
    }
    return overlapping.map { one, other in
        let (mine, its) = one.kind.rawValue <= other.kind.rawValue ? (one, other) : (other, one)
        return .error("L-CIDR-2", mine.path, "range \(mine.range) (\(mine.what)) overlaps \(its.range) (\(its.what))")
    }
}

/// L-CIDR-3
func serviceRangesDiffer(_ spec: MeshSpec) -> [Finding] {
    overlaps(spec.serviceRanges) { $0 == .services && $1 == .services }.map { one, other in
        let (earlier, later) = one.owner <= other.owner ? (one, other) : (other, one)
        return .warning(
            "L-CIDR-3", later.path,
            "service ranges overlap: \(later.range) of \"\(spec.clusters[later.owner].name)\" and \(earlier.range) of "
                + "\"\(spec.clusters[earlier.owner].name)\"; fine for global services, breaks ClusterIP-type mesh exposure and debugging")
    }
}

/// L-CIDR-4
func podRangeSizes(_ spec: MeshSpec) -> [Finding] {
    spec.eachCluster { cluster, path in
        [IPAddress.Family.v4, .v6].compactMap { family -> Finding? in
            let ranges = cluster.podCIDRs.filter { $0.base.family == family }
            let key = family == .v4 ? "ipam.operator.clusterPoolIPv4MaskSize" : "ipam.operator.clusterPoolIPv6MaskSize"
            let mask = cluster.cilium.value(key)?.number.map { Int($0) } ?? (family == .v4 ? 24 : 64)
            let room = ranges.reduce(0) { $0 + ($1.prefixLength > mask ? 0 : 1 << min(32, mask - $1.prefixLength)) }
            guard let first = ranges.first, room < cluster.nodes.count else { return nil }
            return .error(
                "L-CIDR-4", "\(path).podCIDRs",
                "\(first)\(ranges.count > 1 ? " and others" : "") fits \(room) nodes of /\(mask); plan has \(cluster.nodes.count)")
        }
    }
}

/// L-CIDR-5
func nativeRouting(_ spec: MeshSpec) -> [Finding] {
    spec.eachCluster { cluster, path in
        guard cluster.cilium.routingMode == .tunnel, let range = cluster.cilium.ipv4NativeRoutingCIDR else { return [] }
        let lan = spec.networks.first { $0.cidr.overlaps(range) }
        let reached = lan.map { "pods would reach \"\($0.name)\" (\($0.cidr)) with unroutable addresses" }
        return [
            Finding(
                rule: "L-CIDR-5", severity: lan == nil ? .warning : .error, path: "\(path).cilium.ipv4NativeRoutingCIDR",
                message: "with routingMode tunnel, ipv4NativeRoutingCIDR \(range) only switches off source NAT for \(range)"
                    + (reached.map { "; \($0)" } ?? ""), fix: "remove it or list only pod ranges")
        ]
    }
}

/// L-NET-3
func networksDiffer(_ spec: MeshSpec) -> [Finding] {
    overlaps(spec.networkRanges) { $0 == .network && $1 == .network }.map { one, other in
        let (earlier, later) = one.owner <= other.owner ? (one, other) : (other, one)
        return .error("L-NET-3", later.path, "\(later.what) (\(later.range)) overlaps \(earlier.what) (\(earlier.range))")
    }
}

/// L-NET-2
func gateways(_ spec: MeshSpec) -> [Finding] {
    spec.networks.enumerated().compactMap { index, network in
        guard let gateway = network.gateway, !network.cidr.contains(gateway) else { return nil }
        return .error(
            "L-NET-2", "spec.networks[\(index)].gateway", "gateway \(gateway) of network \"\(network.name)\" is outside \(network.cidr)")
    }
}

/// L-ADDR-1 and L-ADDR-3
func nodeAddresses(_ spec: MeshSpec) -> [Finding] {
    let networks = spec.networksByName
    return spec.eachNode { node, cluster, path in
        let attached = node.interfaces.isEmpty ? [cluster.network].compactMap { $0 } : node.interfaces.map(\.network)
        let known = attached.compactMap { networks[$0] }
        guard let first = known.first else { return [] }
        guard let home = known.first(where: { $0.cidr.contains(node.address) }) else {
            return [
                .error(
                    "L-ADDR-1", "\(path).address",
                    "node \"\(node.name)\" has the address \(node.address), which is outside its network \"\(first.name)\" (\(first.cidr))")
            ]
        }
        let edges = home.cidr.base.family == .v4 && home.cidr.prefixLength < 31 ? [home.cidr.base, home.cidr.last] : []
        guard edges.contains(node.address) else { return [] }
        return [
            .error(
                "L-ADDR-3", "\(path).address",
                "node \"\(node.name)\" has the address \(node.address), which is the first or last of \(home.cidr) and not for a machine")
        ]
    }
}

/// L-ADDR-2
func addressesDiffer(_ spec: MeshSpec) -> [Finding] {
    var owners: [(address: IPAddress, what: String, path: String)] = spec.networks.enumerated().compactMap { index, network in
        network.gateway.map { ($0, "the gateway of \"\(network.name)\"", "spec.networks[\(index)].gateway") }
    }
    owners += spec.hypervisors.enumerated().map { ($1.address, "hypervisor \"\($1.name)\"", "spec.hypervisors[\($0)].address") }
    for (index, cluster) in spec.clusters.enumerated() {
        owners += cluster.nodes.enumerated().map { ($1.address, "node \"\($1.name)\"", "spec.clusters[\(index)].nodes[\($0)].address") }
    }
    return clashes(owners.map(\.address)).map { first, second in
        .error("L-ADDR-2", owners[second].path, "\(owners[second].what) has the address \(owners[second].address) of \(owners[first].what)")
    }
}
