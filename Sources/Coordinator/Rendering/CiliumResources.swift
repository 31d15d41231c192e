// SPDX-License-Identifier: Apache-2.0

package import MeshModel

/// The pools, policies and BGP objects of one cluster, from the spec alone.
package enum CiliumResources {
    private static let bgpName = "meshgate"

    package static func of(_ cluster: MeshSpec.Cluster, cilium: SemanticVersion) -> [CiliumResource] {
        var resources: [CiliumResource] = []
        for pool in cluster.cilium.lbPools ?? [] {
            resources.append(CiliumResource(.pool, pool.name, cilium: cilium, spec: self.pool(pool)))
        }
        for policy in cluster.cilium.l2Policies ?? [] {
            resources.append(CiliumResource(.l2Policy, policy.name, cilium: cilium, spec: self.policy(policy)))
        }
        if let bgp = cluster.cilium.bgp { resources += self.bgp(bgp, cilium) }
        return resources
    }

    private static func pool(_ pool: MeshSpec.Cilium.LBPool) -> [String: HelmValue] {
        let blocks: [HelmValue] = pool.blocks.map { block in
            if let cidr = block.cidr { return .map(["cidr": .string(cidr.description)]) }
            return .map(["start": .string(block.first.description), "stop": .string(block.last.description)])
        }
        var spec: [String: HelmValue] = ["blocks": .list(blocks)]
        if !pool.services.isEmpty { spec["serviceSelector"] = labels(pool.services) }
        return spec
    }

    private static func policy(_ policy: MeshSpec.Cilium.L2Policy) -> [String: HelmValue] {
        var spec: [String: HelmValue] = ["loadBalancerIPs": .bool(true), "externalIPs": .bool(false)]
        if !policy.interfaces.isEmpty { spec["interfaces"] = .list(policy.interfaces.map { .string($0) }) }
        if !policy.nodes.isEmpty { spec["nodeSelector"] = hosts(policy.nodes) }
        if !policy.services.isEmpty { spec["serviceSelector"] = labels(policy.services) }
        return spec
    }

    private static func bgp(_ bgp: MeshSpec.Cilium.BGP, _ cilium: SemanticVersion) -> [CiliumResource] {
        let peers: [HelmValue] = bgp.peers.map { peer in
            .map([
                "name": .string(peer.name), "peerAddress": .string(peer.address.description), "peerASN": .integer(Int64(peer.asn)),
                "peerConfigRef": .map(["name": .string(peer.name)]),
            ])
        }
        var cluster: [String: HelmValue] = [
            "bgpInstances": .list([
                .map(["name": .string(bgpName), "localASN": .integer(Int64(bgp.localASN)), "peers": .list(peers)])
            ])
        ]
        if !bgp.nodes.isEmpty { cluster["nodeSelector"] = hosts(bgp.nodes) }
        var resources = [
            CiliumResource(.advertisement, bgpName, cilium: cilium, spec: ["advertisements": .list(advertisements(bgp.advertise))])
        ]
        resources += bgp.peers.map { CiliumResource(.peerConfig, $0.name, cilium: cilium, spec: peerConfig($0)) }
        resources += bgp.routerIDs.map { override in
            CiliumResource(
                .nodeOverride, override.node.text, cilium: cilium,
                spec: [
                    "bgpInstances": .list([.map(["name": .string(bgpName), "routerID": .string(override.id.description)])])
                ])
        }
        resources.append(CiliumResource(.clusterConfig, bgpName, cilium: cilium, spec: cluster))
        return resources
    }

    private static func peerConfig(_ peer: MeshSpec.Cilium.BGP.Peer) -> [String: HelmValue] {
        // Routes of a family travel in sessions over either family; a session over IPv6 carries both.
        let families = (peer.address.family == .v4 ? ["ipv4"] : ["ipv6", "ipv4"]).map { family -> HelmValue in
            .map([
                "afi": .string(family), "safi": .string("unicast"),
                "advertisements": labels([CiliumResource.advertisementLabel: bgpName]),
            ])
        }
        return [
            "transport": .map(["peerPort": .integer(Int64(peer.port))]),
            "timers": .map([
                "holdTimeSeconds": .integer(Int64(peer.holdTime)), "keepAliveTimeSeconds": .integer(Int64(peer.keepalive)),
            ]),
            "ebgpMultihop": .integer(Int64(peer.multihop)), "families": .list(families),
        ]
    }

    /// Kinds of service address go together; a selector that excludes nothing is how "all services" is said, and none means no service.
    private static func advertisements(_ kinds: [MeshSpec.Cilium.BGP.Advertisement]) -> [HelmValue] {
        var result: [HelmValue] = []
        let addresses = kinds.filter { $0 != .podCIDR }
        if !addresses.isEmpty {
            result.append(
                .map([
                    "advertisementType": .string("Service"),
                    "service": .map(["addresses": .list(addresses.map { .string($0.rawValue) })]),
                    "selector": .map([
                        "matchExpressions": .list([
                            .map([
                                "key": .string("meshgate.dev/not-advertised"), "operator": .string("DoesNotExist"),
                            ])
                        ])
                    ]),
                ]))
        }
        if kinds.contains(.podCIDR) { result.append(.map(["advertisementType": .string("PodCIDR")])) }
        return result
    }

    private static func labels(_ labels: [String: String]) -> HelmValue { .map(["matchLabels": .map(labels.mapValues { .string($0) })]) }

    private static func hosts(_ nodes: [NodeID]) -> HelmValue {
        .map([
            "matchExpressions": .list([
                .map([
                    "key": .string("kubernetes.io/hostname"), "operator": .string("In"),
                    "values": .list(nodes.map { .string($0.text) }),
                ])
            ])
        ])
    }
}
