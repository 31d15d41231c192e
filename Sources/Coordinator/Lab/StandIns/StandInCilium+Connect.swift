// SPDX-License-Identifier: Apache-2.0

internal import MeshModel

/// How the clustermesh API server of one cluster is reached, and what must match at the other end.
struct StandInAccess: Sendable {
    var name: String
    var id: String
    var ca: String
    var tunnel: String
    var maxConnectedClusters: Int
    var serviceType: String
    var addresses: [String]
    var port: Int

    var json: HelmValue {
        var json: HelmValue = [
            "service_type": .string(serviceType), "service_ips": .list(addresses.map { .string($0) }), "service_port": .count(port),
            "cluster_id": .string(id), "cluster_name": .string(name), "ca": .string(ca),
            "max_connected_clusters": .count(maxConnectedClusters),
        ]
        if !tunnel.isEmpty { json["tunnel"] = .string(tunnel) }
        return json
    }

    /// Endpoints of the command line in place of what was found; all have one port, as in the real one.
    mutating func reach(through endpoints: [String], doing: String) throws {
        guard !endpoints.isEmpty else { return }
        let parts = endpoints.map { $0.split(separator: ":").map(String.init) }
        guard parts.allSatisfy({ $0.count == 2 }), Set(parts.map(\.[1])).count == 1, let port = Int(parts[0][1]) else {
            throw StandInFailure.error("\(doing)invalid endpoints \(endpoints.joined(separator: ","))")
        }
        addresses = parts.map(\.[0])
        self.port = port
    }

    var isNamed: Bool { name != "default" && !name.isEmpty && id != "0" && !id.isEmpty }
}

/// `clustermesh connect`.
extension StandInCilium {
    func connect() async throws {
        let doing = "Unable to connect cluster: "
        let mode = arguments["--connection-mode"] ?? "bidirectional"
        guard ["bidirectional", "mesh", "unicast"].contains(mode) else {
            call.say("❌ \(mode) is not a correct connection mode.")
            call.say("Available connection modes: bidirectional, mesh, unicast")
            throw StandInFailure.error("\(doing)Bad connection mode")
        }
        let local = try await client()
        guard try await release(local) != nil else {
            call.say("❌ Unable to find Helm release for the target cluster")
            throw StandInFailure.error("\(doing)release: not found")
        }
        let remotes = try await remoteClients()
        var own = try await accessInformation(local, doing: doing, isVerbose: true)
        try own.reach(through: arguments.all("--source-endpoint"), doing: doing)
        var others: [(client: StandInClient, access: StandInAccess)] = []
        for remote in remotes {
            var access = try await accessInformation(remote, doing: doing, isVerbose: true)
            try access.reach(through: arguments.all("--destination-endpoint"), doing: doing)
            try check(own, access, doing: doing)
            guard !others.contains(where: { $0.access.name == access.name }) else {
                throw StandInFailure.error("\(doing)Multiple remote clusters have the same name '\(access.name)'")
            }
            others.append((remote, access))
        }
        try await configure(local, own, others, mode: mode, doing: doing)
    }

    /// Takes the clusters out of each other's values, as `clustermesh disconnect` was recorded to.
    func disconnect() async throws {
        let doing = "Unable to disconnect clusters: "
        let mode = arguments["--connection-mode"] ?? "bidirectional"
        let local = try await client()
        let remotes = try await remoteClients()
        try await upgrade(local, toForget: remotes.map(\.cluster), doing: doing)
        if mode != "unicast" {
            for remote in remotes {
                let rest = mode == "mesh" ? remotes.map(\.cluster).filter { $0 != remote.cluster } : []
                try await upgrade(remote, toForget: rest + [local.cluster], doing: doing)
            }
        }
        for remote in remotes { call.say("✅ Disconnected clusters \(local.cluster) <x> \(remote.cluster)!") }
    }

    private func upgrade(_ client: StandInClient, toForget others: [String], doing: String) async throws {
        call.say("ℹ️ Configuring Cilium in cluster \(client.cluster) to disconnect from cluster \(others.joined(separator: ","))")
        guard let release = try await release(client) else { throw StandInFailure.error("\(doing)release: not found") }
        var values = release.config
        let kept = (values["clustermesh", "config", "clusters"]?.elements ?? []).filter { !others.contains($0["name"]?.text ?? "") }
        values["clustermesh", "config", "clusters"] = .list(kept)
        if values == release.config { return }
        try await deploy(release.next(version: release.chartVersion, config: values), client, doing: doing)
    }

    private func remoteClients() async throws -> [StandInClient] {
        var clients: [StandInClient] = []
        for context in arguments.all("--destination-context").flatMap({ $0.split(separator: ",").map(String.init) }) {
            clients.append(try await client(context))
        }
        return clients
    }

    private func configure(
        _ local: StandInClient, _ own: StandInAccess, _ others: [(client: StandInClient, access: StandInAccess)], mode: String,
        doing: String
    ) async throws {
        try await upgrade(local, toReach: others.map(\.access), doing: doing)
        if mode != "unicast" {
            for (remote, access) in others {
                let rest = mode == "mesh" ? others.map(\.access).filter { $0.name != access.name } : []
                try await upgrade(remote, toReach: rest + [own], doing: doing)
            }
        }
        switch mode {
        case "mesh": call.say("✅ Connected clusters \(others.map(\.client.cluster).joined(separator: ", ")), and \(local.cluster)!")
        case "unicast": others.forEach { call.say("✅ Connected cluster \(local.cluster) => \($0.client.cluster)!") }
        default: others.forEach { call.say("✅ Connected cluster \(local.cluster) <=> \($0.client.cluster)!") }
        }
    }

    private func upgrade(_ client: StandInClient, toReach others: [StandInAccess], doing: String) async throws {
        call.say("ℹ️ Configuring Cilium in cluster \(client.cluster) to connect to cluster \(others.map(\.name).joined(separator: ","))")
        guard let release = try await release(client) else {
            call.say("❌ Unable to find Helm release for the remote cluster")
            throw StandInFailure.error("\(doing)release: not found")
        }
        var values = release.config
        let kept = (values["clustermesh", "config", "clusters"]?.elements ?? []).filter { old in
            !others.contains { $0.name == old["name"]?.text }
        }
        let added = others.map { other -> HelmValue in
            ["name": .string(other.name), "ips": .list(other.addresses.map { .string($0) }), "port": .count(other.port), "enabled": true]
        }
        values["clustermesh", "config", "enabled"] = true
        values["clustermesh", "config", "clusters"] = .list(kept + added)
        if values == release.config { return }
        try await deploy(release.next(version: release.chartVersion, config: values), client, doing: doing)
    }

    /// What the real one checks before it touches anything.
    private func check(_ own: StandInAccess, _ remote: StandInAccess, doing: String) throws {
        func refuse(_ problem: String) -> StandInFailure { .error(doing + problem) }
        guard remote.isNamed else { throw refuse("remote cluster has non-unique name (\(remote.name)) and/or ID (\(remote.id))") }
        guard own.isNamed else {
            throw refuse("local cluster has the default name (cluster name: \(own.name)) and/or ID 0 (cluster ID: \(own.id))")
        }
        guard let id = Int(remote.id) else {
            throw refuse("remote cluster has non-numeric cluster ID \(remote.id). Only numeric values 1-255 are allowed")
        }
        guard (1...own.maxConnectedClusters).contains(id) else {
            throw refuse("remote cluster has cluster ID \(id) out of acceptable range (1-\(own.maxConnectedClusters))")
        }
        guard remote.maxConnectedClusters == own.maxConnectedClusters else {
            throw refuse(
                "remote and local clusters have different max connected clusters: \(remote.maxConnectedClusters) != \(own.maxConnectedClusters)"
            )
        }
        guard remote.name != own.name else { throw refuse("remote and local cluster have the same, non-unique name: \(own.name)") }
        guard remote.id != own.id else { throw refuse("remote and local cluster have the same, non-unique ID: \(own.id)") }
        guard remote.ca == own.ca || arguments.has("--allow-mismatching-ca") else {
            throw refuse(
                "Cilium CA certificates do not match between clusters \(own.name) and \(remote.name). "
                    + "Use --allow-mismatching-ca to allow this by adding remote CAs to the CA bundle")
        }
    }

    /// Reads how a cluster is reached, telling as it goes when it is asked to.
    func accessInformation(_ client: StandInClient, doing: String, isVerbose: Bool) async throws -> StandInAccess {
        func tell(_ line: String) { if isVerbose { call.say(line) } }
        func refuse(_ problem: String) -> StandInFailure {
            tell("❌ Unable to retrieve access information of cluster \"\(client.cluster)\": \(problem)")
            return .error(doing + problem)
        }
        guard let config = try await client.get(.configMap(Self.namespace, "cilium-config"))?["data"] else {
            throw refuse("unable to retrieve ConfigMap \"cilium-config\": configmaps \"cilium-config\" not found")
        }
        let name = config["cluster-name"]?.text ?? ""
        tell("✨ Extracting access information of cluster \(name)...")
        guard let service = try await client.get(.service(Self.namespace, "clustermesh-apiserver")) else {
            throw refuse("unable to get clustermesh service \"clustermesh-apiserver\": services \"clustermesh-apiserver\" not found")
        }
        tell("🔑 Extracting secrets from cluster \(name)...")
        guard try await client.get(.secret(Self.namespace, "clustermesh-apiserver-remote-cert")) != nil else {
            log("Trying to get secret clustermesh-apiserver-remote-cert by deprecated name clustermesh-apiserver-client-cert")
            log("Trying to get secret clustermesh-apiserver-client-cert by deprecated name clustermesh-apiserver-client-certs")
            throw refuse(
                "unable to get client secret to access clustermesh service: unable to get secret \"clustermesh-apiserver-client-certs\" "
                    + "and no deprecated names to try")
        }
        let type = service["spec", "type"]?.text ?? ""
        let port = service["spec", "ports"]?.elements.first
        let addresses = try await client.list(StandInPath.nodes).prefix(1).compactMap { node in
            node["status", "addresses"]?.elements.first { $0["type"]?.text == "InternalIP" }?["address"]?.text
        }
        if type == "NodePort" {
            log("⚠️  Service type NodePort detected! Service may fail when nodes are removed from the cluster!")
        }
        tell("ℹ️  Found ClusterMesh service IPs: [\(addresses.joined(separator: " "))]")
        return StandInAccess(
            name: name, id: config["cluster-id"]?.text ?? "",
            ca: try await client.get(.secret(Self.namespace, "cilium-ca"))?["data", "ca.crt"]?.text ?? "",
            tunnel: config["routing-mode"]?.text == "tunnel" ? config["tunnel-protocol"]?.text ?? "vxlan" : "",
            maxConnectedClusters: config["max-connected-clusters"]?.number ?? 255, serviceType: type, addresses: addresses,
            port: (type == "NodePort" ? port?["nodePort"] : port?["port"])?.number ?? 0)
    }
}
