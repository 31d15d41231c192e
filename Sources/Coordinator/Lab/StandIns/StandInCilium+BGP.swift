// SPDX-License-Identifier: Apache-2.0

internal import MeshModel

/// `cilium bgp peers -o json`: every speaker has a session with every peer that its CiliumBGPClusterConfig names.
extension StandInCilium {
    func bgpPeers() async throws {
        let client = try await client()
        let state = try await client.faults().bgpDown ? "active" : "established"
        let nodes = try await client.list(StandInPath.nodes).compactMap { $0["metadata", "name"]?.text }
        var sessions: [String: [HelmValue]] = [:]
        for config in try await client.list(.init(group: "apis/cilium.io/v2", resource: "ciliumbgpclusterconfigs")) {
            let expressions = config["spec", "nodeSelector", "matchExpressions"]?.elements ?? []
            let named = expressions.first { $0["key"]?.text == "kubernetes.io/hostname" }?["values"]?.elements.compactMap(\.text)
            let instances = config["spec", "bgpInstances"]?.elements ?? []
            let peers = instances.flatMap { $0["peers"]?.elements ?? [] }.compactMap { $0["peerAddress"]?.text }
            for node in named ?? nodes {
                sessions[node, default: []] += peers.map { ["peer-address": .string($0), "session-state": .string(state)] }
            }
        }
        call.say(try StandInJSON.encode(.map(sessions.mapValues { .list($0) }), pretty: true))
    }
}
