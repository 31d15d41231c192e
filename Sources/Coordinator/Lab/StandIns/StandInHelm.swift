// SPDX-License-Identifier: Apache-2.0

internal import MeshModel

/// The stand-in helm: `upgrade --install` makes a release and one Deployment of its name, whatever the chart; the charts of Rook also bring
/// the definition of a CephCluster.
struct StandInHelm: Sendable {
    private let call: StandInCall
    private let arguments: StandInArguments

    init(_ call: StandInCall) throws {
        self.call = call
        arguments = try StandInArguments(
            call.arguments,
            valued: ["--repo", "--version", "--namespace", "--kube-context", "--kubeconfig", "--timeout", "--values", "--set", "--output"],
            switches: ["--install", "--create-namespace", "--wait", "--help", "--atomic", "--short"],
            short: ["-n": "--namespace", "-f": "--values", "-i": "--install", "-o": "--output", "-h": "--help"])
    }

    func run() async throws {
        let words = arguments.words
        if arguments.has("--help") || words.isEmpty {
            return call.say("The stand-in helm of the Meshgate Lab: upgrade --install NAME CHART, uninstall NAME, list, version.")
        }
        switch words[0] {
        case "version": call.say("stand-in of the Meshgate Lab, as v3.19.0")
        case "upgrade": try await upgrade()
        case "uninstall": try await uninstall()
        case "list", "ls": try await list()
        default: throw StandInFailure.plain("Error: unknown command \"\(words[0])\" for \"helm\"")
        }
    }

    private func client() async throws -> StandInClient {
        try await call.client(kubeconfig: arguments["--kubeconfig"], context: arguments["--kube-context"])
    }

    private func upgrade() async throws {
        guard arguments.words.count == 3 else { throw StandInFailure.plain("Error: \"helm upgrade\" requires 2 arguments") }
        let (name, chart) = (arguments.words[1], arguments.words[2])
        guard let version = arguments["--version"] else { throw StandInFailure.plain("Error: the stand-in helm wants --version") }
        let client = try await client()
        let namespace = arguments["--namespace"] ?? "default"
        if arguments.has("--create-namespace"), try await client.get(.namespace(namespace)) == nil {
            try await client.create(
                ["apiVersion": "v1", "kind": "Namespace", "metadata": ["name": .string(namespace)]],
                in: StandInPath(group: "api/v1", resource: "namespaces"))
        }
        let old = try await StandInRelease.latest(name, in: namespace, client)
        guard old != nil || arguments.has("--install") else {
            throw StandInFailure.plain("Error: UPGRADE FAILED: \"\(name)\" has no deployed releases")
        }
        if old == nil { call.say("Release \"\(name)\" does not exist. Installing it now.") }
        var release =
            old?.next(version: version, config: [:])
            ?? StandInRelease(
                name: name, namespace: namespace, chart: chart, chartVersion: version, config: [:], revision: 1, status: "pending-install")
        release.chart = chart
        try await deploy(release, isFirst: old == nil, client)
        if old != nil { call.say("Release \"\(name)\" has been upgraded. Happy Helming!") }
        call.say(
            "NAME: \(name)\nLAST DEPLOYED: \(StandInStore.now())\nNAMESPACE: \(namespace)\nSTATUS: deployed\nREVISION: \(release.revision)")
    }

    private func deploy(_ release: StandInRelease, isFirst: Bool, _ client: StandInClient) async throws {
        let failed = isFirst ? "INSTALLATION FAILED" : "UPGRADE FAILED"
        try await release.refuseDuringAnother(client, doing: failed)
        try await release.save(status: isFirst ? "pending-install" : "pending-upgrade", client)
        if try await client.faults().hangsWhilePending { try await call.hang() }
        do {
            if release.chart == "rook-ceph" {
                let definition = StandInDefinition.make(kind: "CephCluster", group: "ceph.rook.io", version: "v1", isNamespaced: true)
                try await client.apply(definition, at: StandInPath.definitions.named("cephclusters.ceph.rook.io"), manager: "helm")
            }
            let name = release.chart == "rook-ceph" ? "rook-ceph-operator" : release.name
            let workload = StandInChart.workload(
                "Deployment", name, labels: ["app.kubernetes.io/instance": .string(release.name)],
                images: [release.chart: "stand-in/\(release.chart):\(release.chartVersion)"])
            let path = StandInPath.deployment(release.namespace, name)
            try await client.apply(
                StandInChart.owned(workload, release: release.name, namespace: release.namespace), at: path, manager: "helm")
            if arguments.has("--wait") {
                let ready = try await client.wait(arguments.duration("--timeout", default: .seconds(300))) {
                    try await client.get(path)?["status", "readyReplicas"]?.number ?? 0 > 0
                }
                guard ready else { throw StandInFailure.error("context deadline exceeded") }
            }
        } catch let failure as StandInFailure {
            try await release.save(status: "failed", client)
            throw StandInFailure.plain("Error: \(failed): \(failure.reason)")
        }
        try await release.save(status: "deployed", client)
    }

    private func uninstall() async throws {
        guard arguments.words.count == 2 else { throw StandInFailure.plain("Error: \"helm uninstall\" requires at least 1 argument") }
        let (name, namespace) = (arguments.words[1], arguments["--namespace"] ?? "default")
        let client = try await client()
        guard let release = try await StandInRelease.latest(name, in: namespace, client) else {
            throw StandInFailure.plain("Error: uninstall: Release not loaded: \(name): release: not found")
        }
        let workload = release.chart == "rook-ceph" ? "rook-ceph-operator" : release.name
        try await client.delete(.deployment(namespace, workload))
        for revision in 1...release.revision {
            try await client.delete(.secret(namespace, "sh.helm.release.v1.\(name).v\(revision)"))
        }
        call.say("release \"\(name)\" uninstalled")
    }

    private func list() async throws {
        let client = try await client()
        call.say("NAME\tNAMESPACE\tREVISION\tSTATUS")
        for secret in try await client.list(StandInPath(group: "api/v1", resource: "secrets"), selector: "owner=helm") {
            let labels = secret["metadata", "labels"]
            guard labels?["status"]?.text != "superseded" else { continue }
            call.say(
                [
                    labels?["name"]?.text, secret["metadata", "namespace"]?.text, labels?["version"]?.text, labels?["status"]?.text,
                ].map { $0 ?? "" }.joined(separator: "\t"))
        }
    }
}
