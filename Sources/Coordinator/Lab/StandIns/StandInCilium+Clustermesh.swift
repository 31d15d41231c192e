// SPDX-License-Identifier: Apache-2.0

internal import MeshModel

/// `clustermesh enable`, `disable` and `status`.
extension StandInCilium {
    func enableClustermesh() async throws {
        let client = try await client()
        let doing = "Unable to enable ClusterMesh"
        guard let type = arguments["--service-type"] else {
            throw StandInFailure.error("\(doing): cannot auto-detect service type, please specify using '--service-type' option")
        }
        if type == "NodePort" {
            call.say("⚠️  Using service type NodePort may fail when nodes are removed from the cluster!")
        }
        guard let release = try await release(client) else { throw StandInFailure.error("\(doing): release: not found") }
        var values = release.config
        values["clustermesh", "useAPIServer"] = true
        values["clustermesh", "apiserver", "service", "type"] = .string(type)
        values["clustermesh", "apiserver", "tls", "auto"] = ["enabled": true, "method": "cronJob", "schedule": "0 0 1 */4 *"]
        try await deploy(release.next(version: release.chartVersion, config: values), client, doing: doing)
    }

    func disableClustermesh() async throws {
        let client = try await client()
        guard let release = try await release(client) else {
            throw StandInFailure.error("Unable to disable ClusterMesh: release: not found")
        }
        var values = release.config
        values["clustermesh", "useAPIServer"] = false
        for path: StandInPath in [
            .service(Self.namespace, "clustermesh-apiserver"), .deployment(Self.namespace, "clustermesh-apiserver"),
            .job(Self.namespace, "clustermesh-apiserver-generate-certs"),
            .init(
                group: "apis/batch/v1", namespace: Self.namespace, resource: "cronjobs", name: "clustermesh-apiserver-generate-certs"),
        ] { try await client.delete(path) }
        try await deploy(
            release.next(version: release.chartVersion, config: values), client, doing: "Unable to disable ClusterMesh")
    }

    func clustermeshStatus() async throws {
        let client = try await client()
        let faults = try await client.faults()
        if faults.ciliumStatusGarbage { return call.say("{\"access_information\": {\"service_type\": \"NodePo") }
        let patience = arguments.has("--wait") ? arguments.duration("--wait-duration", default: .seconds(900)) : .zero
        let doing = "Unable to determine status:  "
        // The Secret comes from a Job some time after `enable`; `--wait` waits for it too. Whether it came is judged below.
        _ = try await client.wait(patience) {
            try await client.get(.secret(Self.namespace, "clustermesh-apiserver-remote-cert")) != nil
        }
        let access = try await accessInformation(client, doing: doing, isVerbose: false)
        log("✅ Service \"clustermesh-apiserver\" of type \"\(access.serviceType)\" found")
        log("✅ Cluster access information is available:")
        for address in access.addresses { log("  - \(address):\(access.port)") }
        try await checkDeployment(client, patience, doing: doing)
        log("✅ Deployment clustermesh-apiserver is ready")
        log("ℹ️  KVStoreMesh is enabled")
        var agents: StandInConnectivity?
        var kvstoremesh: StandInConnectivity?
        if !faults.connectivityUnknown {
            agents = try await connectivity(client, isKVStoreMesh: false, faults)
            kvstoremesh = try await connectivity(client, isKVStoreMesh: true, faults)
        }
        if arguments["--output"] == "json" {
            var json: HelmValue = ["access_information": access.json, "kvstoremesh": ["enabled": true]]
            json["connectivity"] = agents?.json
            if let kvstoremesh { json["kvstoremesh", "status"] = kvstoremesh.json }
            // Exit code 0, whatever the connectivity is: so it was recorded.
            return call.say(try StandInJSON.encode(json, pretty: true))
        }
        guard let agents, let kvstoremesh else {
            throw StandInFailure.error("\(doing)unable to determine status of pod \"clustermesh-apiserver\": command failed: no such host")
        }
        agents.lines(kvstoremesh).forEach(log)
        if agents.notReady > 0 { throw StandInFailure.error("\(doing)\(agents.notReady) nodes are not ready") }
    }

    private func checkDeployment(_ client: StandInClient, _ patience: Duration, doing: String) async throws {
        var last = ""
        let ready = try await client.wait(patience) {
            let object = try await client.get(.deployment(Self.namespace, "clustermesh-apiserver"))
            let wanted = object?["spec", "replicas"]?.number ?? 1
            let up = object?["status", "readyReplicas"]?.number ?? 0
            last = "only \(up) of \(wanted) replicas are available"
            return up >= wanted
        }
        guard !ready else { return }
        if patience > .zero {
            log("⌛ Waiting (0s) for deployment clustermesh-apiserver to become ready: \(last)")
            last = "timeout while waiting for condition, last error: \(last)"
        }
        throw StandInFailure.error("\(doing)deployment clustermesh-apiserver is not ready: \(last)")
    }

    /// What each agent (or KVStoreMesh) of this cluster would say of every cluster that it is configured to reach.
    func connectivity(
        _ client: StandInClient, isKVStoreMesh: Bool, _ faults: StandInFaults
    ) async throws -> StandInConnectivity {
        let secret = isKVStoreMesh ? "cilium-kvstoremesh" : "cilium-clustermesh"
        let agents = try await client.get(.daemonSet(Self.namespace, "cilium"))?["status", "numberReady"]?.number ?? 0
        let remotes = try await client.get(.secret(Self.namespace, secret))?["data"]?.entries.keys.sorted() ?? []
        var connected: Set<String> = []
        if !faults.ciliumExitZeroNotConnected {
            for remote in remotes where try await reaches(remote, from: client) { connected.insert(remote) }
        }
        return StandInConnectivity(total: isKVStoreMesh ? 1 : agents, remotes: remotes, connected: connected)
    }

    /// Both ends are configured, have one CA and different ids, and the other end's API server is ready.
    private func reaches(_ remote: String, from client: StandInClient) async throws -> Bool {
        let config = try call.kubeconfigFile(arguments["--kubeconfig"])
        let own = try await client.get(.configMap(Self.namespace, "cilium-config"))?["data"]
        let ownCA = try await client.get(.secret(Self.namespace, "cilium-ca"))?["data", "ca.crt"]
        for context in config.contexts where context != client.context {
            do {
                let other = try config.client(context)
                let data = try await other.get(.configMap(Self.namespace, "cilium-config"))?["data"]
                guard data?["cluster-name"]?.text == remote else { continue }
                let back = try await other.get(.secret(Self.namespace, "cilium-clustermesh"))?["data", own?["cluster-name"]?.text ?? ""]
                let up = try await other.get(.deployment(Self.namespace, "clustermesh-apiserver"))?["status", "readyReplicas"]?.number ?? 0
                let otherCA = try await other.get(.secret(Self.namespace, "cilium-ca"))?["data", "ca.crt"]
                return back != nil && up > 0 && ownCA == otherCA && data?["cluster-id"] != own?["cluster-id"]
            } catch is StandInFailure {
                // A cluster that does not answer is not reached.
                continue
            }
        }
        return false
    }
}

/// The connectivity section of `clustermesh status`.
struct StandInConnectivity: Sendable {
    /// Agents that were asked.
    var total: Int
    var remotes: [String]
    var connected: Set<String>

    var notReady: Int { connected.count < remotes.count ? total : 0 }

    /// As in the real one, numbers that are zero are left out.
    var json: HelmValue {
        var json: HelmValue = ["connected": [:]]
        if !connected.isEmpty, total > 0 {
            json["connected"] = ["min": .count(connected.count), "avg": .count(connected.count), "max": .count(connected.count)]
        }
        for remote in remotes where total > 0 {
            json["clusters", remote] = ["configured": .count(total)]
            if connected.contains(remote) { json["clusters", remote, "connected"] = .count(total) }
        }
        if total > 0 { json["total"] = .count(total) }
        if notReady > 0 { json["not_ready"] = .count(notReady) }
        for remote in remotes where !connected.contains(remote) && total > 0 {
            for agent in 0..<total {
                json["errors", "cilium-\(agent)", remote] = [
                    "Errors": ["remote cluster is not connected: stand-in of the Meshgate Lab"], "Warnings": [], "Disabled": false,
                ]
            }
        }
        return json
    }

    func lines(_ kvstoremesh: StandInConnectivity) -> [String] {
        let count = connected.count
        let range = "[min:\(count) / avg:\(count).0 / max:\(count)]"
        var lines = [
            notReady == 0
                ? "✅ All \(total) nodes are connected to all clusters \(range)"
                : "⚠️  \(notReady)/\(total) nodes are not connected to all clusters \(range)",
            kvstoremesh.notReady == 0
                ? "✅ All \(kvstoremesh.total) KVStoreMesh replicas are connected to all clusters \(range)"
                : "⚠️  \(kvstoremesh.notReady)/\(kvstoremesh.total) KVStoreMesh replicas are not connected to all clusters \(range)", "",
        ]
        if remotes.isEmpty { return lines + ["🔌 No cluster connected"] }
        lines.append("🔌 Cluster Connections:")
        for remote in remotes {
            let agents = connected.contains(remote) ? total : 0
            let replicas = kvstoremesh.connected.contains(remote) ? kvstoremesh.total : 0
            lines.append(
                "  - \(remote): \(total)/\(total) configured, \(agents)/\(total) connected - KVStoreMesh: "
                    + "\(kvstoremesh.total)/\(kvstoremesh.total) configured, \(replicas)/\(kvstoremesh.total) connected")
        }
        return lines
    }
}
