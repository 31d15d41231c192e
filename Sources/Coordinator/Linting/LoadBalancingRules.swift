// SPDX-License-Identifier: Apache-2.0

import MeshModel

/// L-L2-3
func poolsAreAttached(_ spec: MeshSpec) -> [Finding] {
    let networks = spec.networksByName
    return spec.eachPool { block, pool, cluster, path in
        // Routers are told where the addresses are, so these may lie anywhere.
        if cluster.cilium.bgp?.advertise.contains(.loadBalancerIP) == true { return [] }
        let attached = spec.attachedNetworks(of: cluster).compactMap { networks[$0] }
        guard !attached.isEmpty, !attached.contains(where: { $0.cidr.contains(block) }) else { return [] }
        let known = attached.map { "\($0.name) (\($0.cidr))" }.joined(separator: ", ")
        return [
            .error(
                "L-L2-3", path, "pool \"\(pool.name)\" (\(block)) is not on any node network of \"\(cluster.name)\": \(known)",
                fix: "addresses of one of these networks, or bgp with LoadBalancerIP advertised")
        ]
    }
}

/// L-LB-1
func poolsAreFree(_ spec: MeshSpec) -> [Finding] {
    var pools: [(block: AddressBlock, what: String, path: String)] = []
    _ = spec.eachPool { block, pool, cluster, path in
        pools.append((block, "pool \"\(pool.name)\" of \"\(cluster.name)\"", path))
        return []
    }
    guard !pools.isEmpty else { return [] }
    var findings: [Finding] = []
    for (index, pool) in pools.enumerated() {
        if let other = pools[..<index].first(where: { $0.block.overlaps(pool.block) }) {
            findings.append(
                .error("L-LB-1", pool.path, "\(pool.what) (\(pool.block)) overlaps \(other.what) (\(other.block)); both would give it away")
            )
        }
        for network in spec.networks {
            guard let dhcp = network.dhcp, dhcp.overlaps(pool.block) else { continue }
            findings.append(
                .error("L-LB-1", pool.path, "\(pool.what) (\(pool.block)) overlaps what DHCP hands out on \"\(network.name)\" (\(dhcp))"))
        }
    }
    return findings + takenAddresses(spec, pools)
}

/// Machines and gateways inside pools, found by halving a sorted list: a large mesh has many of both.
private func takenAddresses(_ spec: MeshSpec, _ pools: [(block: AddressBlock, what: String, path: String)]) -> [Finding] {
    var owners = spec.networks.compactMap { network in network.gateway.map { ($0, "the gateway of \"\(network.name)\"") } }
    owners += spec.hypervisors.map { ($0.address, "hypervisor \"\($0.name)\"") }
    owners += spec.members.map { ($0.node.address, "node \"\($0.node.name)\"") }
    owners.sort { $0.0 < $1.0 }
    return pools.compactMap { pool in
        var (low, high) = (0, owners.count)
        while low < high {
            let middle = (low + high) / 2
            if owners[middle].0 < pool.block.first { low = middle + 1 } else { high = middle }
        }
        guard low < owners.count, pool.block.contains(owners[low].0) else { return nil }
        return .error("L-LB-1", pool.path, "\(pool.what) (\(pool.block)) holds \(owners[low].0), the address of \(owners[low].1)")
    }
}

/// L-BGP-1
func bgpSessions(_ spec: MeshSpec) -> [Finding] {
    let networks = spec.networksByName
    return spec.eachCluster { cluster, path in
        guard let bgp = cluster.cilium.bgp else { return [] }
        var findings: [Finding] = []
        func complain(_ key: String, _ message: String, fix: String? = nil) {
            findings.append(.error("L-BGP-1", "\(path).cilium.bgp.\(key)", "\"\(cluster.name)\": \(message)", fix: fix))
        }
        if let why = asnProblem(bgp.localASN) { complain("localASN", "AS number \(bgp.localASN) \(why)") }
        let attached = spec.attachedNetworks(of: cluster).compactMap { networks[$0] }
        for (index, peer) in bgp.peers.enumerated() {
            let key = "peers[\(index)]"
            if let why = asnProblem(peer.asn) { complain("\(key).asn", "AS number \(peer.asn) of \"\(peer.name)\" \(why)") }
            if peer.holdTime < 3 {
                complain("\(key).holdTime", "hold time \(peer.holdTime) of \"\(peer.name)\" is under 3 seconds, which no router accepts")
            } else if peer.keepalive > peer.holdTime {
                complain(
                    "\(key).keepalive",
                    "\"\(peer.name)\" would be given up after \(peer.holdTime) s and hear from us every \(peer.keepalive) s",
                    fix: "keepalive: \(max(1, peer.holdTime / 3))")
            }
            if let first = bgp.peers[..<index].first(where: { $0.address == peer.address }) {
                complain("\(key).address", "\"\(peer.name)\" has the address \(peer.address) of \"\(first.name)\"")
            } else if let node = cluster.nodes.first(where: { $0.address == peer.address }) {
                complain("\(key).address", "\"\(peer.name)\" has the address of node \"\(node.name)\"; a router was meant")
            } else if peer.asn != bgp.localASN, peer.multihop == 1, !attached.isEmpty,
                !attached.contains(where: { $0.cidr.contains(peer.address) })
            {
                complain(
                    "\(key).address",
                    "external peer \"\(peer.name)\" (\(peer.address)) is on no network of the nodes, and one hop is allowed",
                    fix: "multihop: 2")
            }
        }
        return findings + routerIDs(bgp, cluster, path)
    }
}

private func routerIDs(_ bgp: MeshSpec.Cilium.BGP, _ cluster: MeshSpec.Cluster, _ path: String) -> [Finding] {
    var owners: [IPAddress: NodeID] = [:]
    let given = Dictionary(bgp.routerIDs.map { ($0.node, $0.id) }, uniquingKeysWith: { first, _ in first })
    let speakers = Set(bgp.speakers(of: cluster))
    return cluster.nodes.filter { speakers.contains($0.name) }.compactMap { node in
        let place = bgp.routerIDs.firstIndex { $0.node == node.name }.map { "\(path).cilium.bgp.routerIDs[\($0)]" } ?? "\(path).cilium.bgp"
        guard let id = given[node.name] ?? (node.address.family == .v4 ? node.address : nil) else {
            return .error(
                "L-BGP-1", place, "\"\(node.name)\" has no IPv4 address to take a router id from",
                fix: "routerIDs: [ { node: \(node.name), id: ... } ]")
        }
        guard let other = owners.updateValue(node.name, forKey: id) else { return nil }
        return .error("L-BGP-1", place, "\"\(node.name)\" would have the router id \(id) of \"\(other)\"; routers drop one of the two")
    }
}

/// Why a number cannot be that of an autonomous system.
private func asnProblem(_ asn: Int) -> String? {
    if !(1...4_294_967_295).contains(asn) { return "is not from 1 to 4294967295" }
    // RFC 7607, RFC 6793, RFC 7300.
    return [23456, 65535, 4_294_967_295].contains(asn) ? "is reserved" : nil
}

extension MeshSpec {
    fileprivate func eachPool(
        _ judge: (AddressBlock, MeshSpec.Cilium.LBPool, Cluster, _ path: String) -> [Finding]
    ) -> [Finding] {
        eachCluster { cluster, path in
            (cluster.cilium.lbPools ?? []).enumerated().flatMap { index, pool in
                pool.blocks.enumerated().flatMap { number, block in
                    judge(block, pool, cluster, "\(path).cilium.lbPools[\(index)].blocks[\(number)]")
                }
            }
        }
    }

    /// By name, in the order of the nodes; the cluster's own where its nodes name none.
    fileprivate func attachedNetworks(of cluster: Cluster) -> [String] {
        let named = cluster.nodes.flatMap { $0.interfaces.map(\.network) } + [cluster.network].compactMap { $0 }
        var seen: Set<String> = []
        return named.filter { seen.insert($0).inserted }
    }
}
