// SPDX-License-Identifier: Apache-2.0

internal import MeshModel

/// `cilium status`. Its exit code says whether it could look, not whether Cilium is healthy.
extension StandInCilium {
    func status() async throws {
        let client = try await client()
        let patience = arguments.duration("--wait-duration", default: .seconds(300))
        var report = try await StandInCiliumReport.collect(client)
        if arguments.has("--wait") {
            let healthy = try await client.wait(patience) {
                report = try await StandInCiliumReport.collect(client)
                return report.isHealthy
            }
            guard healthy else {
                call.warn(report.text)
                throw StandInFailure.error(
                    "Unable to determine status:  timeout while waiting for status to become successful: context deadline exceeded")
            }
        }
        let faults = try await client.faults()
        // What each agent knows of the other clusters; who is connected has received everything here.
        if report.failures.isEmpty { report.mesh = try await connectivity(client, isKVStoreMesh: false, faults) }
        if faults.ciliumStatusGarbage {
            call.say("I1123 08:40:01.000000  stand-in: {\"errors\": [truncated")
            return
        }
        call.say(arguments["--output"] == "json" ? try StandInJSON.encode(report.json, pretty: true) : report.text)
        if !report.failures.isEmpty {
            throw StandInFailure.plain("status check failed: [\(report.failures.joined(separator: ", "))]")
        }
    }
}

/// What `cilium status` knows after looking.
struct StandInCiliumReport: Sendable {
    /// One of the parts it looks for.
    struct Part: Sendable {
        var name: String
        var object: HelmValue?
        var isDaemonSet: Bool

        var desired: Int {
            isDaemonSet ? object?["status", "desiredNumberScheduled"]?.number ?? 0 : object?["spec", "replicas"]?.number ?? 1
        }
        var ready: Int { object?["status", isDaemonSet ? "numberReady" : "readyReplicas"]?.number ?? 0 }
        var kind: String { isDaemonSet ? "DaemonSet" : "Deployment" }
        /// Names are made up, but always the same for the same object.
        var pods: [String] {
            let seed = Array((object?["metadata", "uid"]?.text ?? "").filter { $0 != "-" })
            return (0..<desired).map { number in "\(name)-\(String(seed.prefix(4)))\(number)" }
        }
        var images: [String: Int] {
            let containers = object?["spec", "template", "spec", "containers"]?.elements ?? []
            return containers.compactMap { $0["image"]?.text }.reduce(into: [:]) { $0[$1, default: 0] += desired }
        }
        fileprivate var countsAlways: Bool { name != "cilium-envoy" }
    }

    private(set) var parts: [Part] = []
    var mesh: StandInConnectivity?
    /// Why it could not look; then the exit code is 1.
    private(set) var failures: [String] = []
    private var chartVersion: String?
    private var pods = 0
    private var configIsMissing = false

    static func collect(_ client: StandInClient) async throws -> Self {
        let namespace = StandInCilium.namespace
        var report = Self()
        do {
            for name in ["cilium", "cilium-envoy"] {
                report.parts.append(
                    Part(name: name, object: try await client.get(.daemonSet(namespace, name)), isDaemonSet: true))
            }
            for name in ["cilium-operator", "clustermesh-apiserver", "hubble-relay"] {
                report.parts.append(
                    Part(name: name, object: try await client.get(.deployment(namespace, name)), isDaemonSet: false))
            }
            if report.parts[0].object == nil { report.failures.append("daemonsets.apps \"cilium\" not found") }
            if try await client.get(.configMap(namespace, "cilium-config")) == nil {
                report.configIsMissing = true
                report.failures.append("unable to retrieve ConfigMap \"cilium-config\": configmaps \"cilium-config\" not found")
            }
            report.chartVersion = try await StandInRelease.latest("cilium", in: namespace, client)?.chartVersion
            report.pods = try await podCount(client)
        } catch let failure as StandInFailure {
            report.failures.append(failure.reason)
        }
        return report
    }

    /// Pods that are not on the host's network: those of Deployments but the operator, and of Jobs that still run.
    private static func podCount(_ client: StandInClient) async throws -> Int {
        let deployments = try await client.list(StandInPath(group: "apis/apps/v1", resource: "deployments"))
        let jobs = try await client.list(StandInPath(group: "apis/batch/v1", resource: "jobs"))
        return deployments.filter { $0["metadata", "name"]?.text != "cilium-operator" }
            .reduce(0) { $0 + ($1["spec", "replicas"]?.number ?? 1) } + jobs.filter { $0["status", "active"]?.number ?? 0 > 0 }.count
    }

    var isHealthy: Bool { failures.isEmpty && parts.allSatisfy { $0.object == nil || $0.ready >= $0.desired } }

    var json: HelmValue {
        var json: HelmValue = ["pods_count": ["all": .count(pods), "by_cilium": .count((parts.first?.ready ?? 0) > 0 ? pods : 0)]]
        json["errors"] = errors
        if let chartVersion { json["helm_chart_version"] = .string(chartVersion) }
        if !failures.isEmpty { json["collection_errors"] = .list(collectionErrors) }
        for part in parts where part.object != nil || part.countsAlways {
            json["image_count", part.name] = .map(part.images.mapValues { .count($0) })
            let phase: HelmValue = part.ready >= part.desired ? ["Running": .count(part.desired)] : ["Pending": .count(part.desired)]
            json["phase_count", part.name] = part.object == nil ? [:] : phase
            guard part.object != nil else { continue }
            json["pod_state", part.name] = [
                "Type": .string(part.kind), "Desired": .count(part.desired), "Ready": .count(part.ready), "Available": .count(part.ready),
                "Unavailable": .count(max(0, part.desired - part.ready)),
            ]
        }
        if let agents = parts.first, agents.ready > 0 {
            for pod in agents.pods {
                json["cilium_status", pod] = ["cilium": ["state": "Ok", "msg": "stand-in of the Meshgate Lab"]]
                if let mesh, !mesh.remotes.isEmpty {
                    json["cilium_status", pod, "cluster-mesh", "clusters"] = .list(mesh.remotes.map(remote))
                }
                json["cilium_endpoints", pod] = []
            }
        }
        return json
    }

    /// As the agent's API has it; what is false is left out.
    private func remote(_ name: String) -> HelmValue {
        guard mesh?.connected.contains(name) == true else { return ["name": .string(name), "status": "0/1 configurations, not connected"] }
        return [
            "name": .string(name), "connected": true, "ready": true, "status": "ready",
            "synced": ["nodes": true, "endpoints": true, "identities": true, "services": true],
        ]
    }

    private var collectionErrors: [HelmValue] {
        failures.map { failure in
            guard failure.hasPrefix("daemonsets.apps") else { return [:] }
            return [
                "ErrStatus": [
                    "metadata": [:], "status": "Failure", "message": .string(failure), "reason": "NotFound",
                    "details": ["name": "cilium", "group": "apps", "kind": "daemonsets"], "code": 404,
                ]
            ]
        }
    }

    private var errors: HelmValue {
        func entry(_ errors: [String] = [], _ warnings: [String] = [], disabled: Bool = false) -> HelmValue {
            [
                "Errors": .list(errors.map { .string($0) }), "Warnings": .list(warnings.map { .string($0) }), "Disabled": .bool(disabled),
            ]
        }
        var errors: HelmValue = ["hubble-ui": ["hubble-ui": entry(disabled: true)]]
        for part in parts {
            if part.object == nil {
                let failure = part.name == "cilium" ? ["daemonsets.apps \"cilium\" not found"] : []
                errors[part.name, part.name] = entry(failure, disabled: failure.isEmpty)
            } else if part.ready < part.desired {
                let left = part.desired - part.ready
                errors[part.name, part.name] = entry(["\(left) pods of \(part.kind) \(part.name) are not ready"])
                let warnings = Array(repeating: "pod is pending", count: part.isDaemonSet ? 1 : 2)
                for pod in part.pods.suffix(left) { errors[part.name, pod] = entry([], warnings) }
            } else if !part.isDaemonSet {
                errors[part.name, part.name] = entry()
            }
        }
        if parts.isEmpty, let failure = failures.first { errors["cilium", "cilium"] = entry([failure]) }
        return errors
    }
}
