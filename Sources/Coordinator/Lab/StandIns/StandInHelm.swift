// SPDX-License-Identifier: Apache-2.0

internal import MeshModel

/// The stand-in helm: `upgrade --install` makes a release and what `StandInService` knows of its chart; of a chart that it does not know, one
/// Deployment of the release's name.
struct StandInHelm: Sendable {
    private let call: StandInCall
    private let arguments: StandInArguments

    init(_ call: StandInCall) throws {
        self.call = call
        arguments = try StandInArguments(
            call.arguments,
            valued: [
                "--repo", "--version", "--namespace", "--kube-context", "--kubeconfig", "--timeout", "--values", "--set", "--output",
                "--history-max",
            ],
            switches: [
                "--install", "--create-namespace", "--wait", "--help", "--atomic", "--short", "--reset-values", "--ignore-not-found",
            ],
            short: ["-n": "--namespace", "-f": "--values", "-i": "--install", "-o": "--output", "-h": "--help"])
    }

    func run() async throws {
        let words = arguments.words
        if arguments.has("--help") || words.isEmpty {
            return call.say("The stand-in helm of the Meshgate Lab: upgrade --install NAME CHART, uninstall NAME, list, version.")
        }
        switch words[0] {
        case "version": call.say("v3.19.0+stand-in-of-the-meshgate-lab")
        case "upgrade": try await upgrade()
        case "uninstall", "delete": try await uninstall()
        case "list", "ls": try await list()
        default: throw StandInFailure.plain("Error: unknown command \"\(words[0])\" for \"helm\"")
        }
    }

    private func client() async throws -> StandInClient {
        try await call.client(kubeconfig: arguments["--kubeconfig"], context: arguments["--kube-context"])
    }

    private func upgrade() async throws {
        guard arguments.words.count == 3 else { throw StandInFailure.plain("Error: \"helm upgrade\" requires 2 arguments") }
        let name = arguments.words[1]
        let chart = try chartName(arguments.words[2])
        guard let version = arguments["--version"] else { throw StandInFailure.plain("Error: the stand-in helm wants --version") }
        let client = try await client()
        let namespace = arguments["--namespace"] ?? "default"
        if arguments.has("--create-namespace"), try await client.get(.namespace(namespace)) == nil {
            try await client.create(
                ["apiVersion": "v1", "kind": "Namespace", "metadata": ["name": .string(namespace)]],
                in: StandInPath(group: "api/v1", resource: "namespaces"))
        }
        let config = try values()
        let old = try await StandInRelease.latest(name, in: namespace, client)
        guard old != nil || arguments.has("--install") else {
            throw StandInFailure.plain("Error: UPGRADE FAILED: \"\(name)\" has no deployed releases")
        }
        if old == nil { call.say("Release \"\(name)\" does not exist. Installing it now.") }
        var release =
            old?.next(version: version, config: config)
            ?? StandInRelease(
                name: name, namespace: namespace, chart: chart, chartVersion: version, config: config, revision: 1,
                status: "pending-install")
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
        var manifest = ""
        do {
            let objects = objects(of: release)
            manifest = try objects.map { try "---\n" + StandInJSON.encode($0.object) + "\n" }.joined()
            for (path, object) in objects { try await client.apply(object, at: path, manager: "helm") }
            if arguments.has("--wait") {
                let ready = try await client.wait(arguments.duration("--timeout", default: .seconds(300))) {
                    for (path, _) in objects where ["deployments", "daemonsets"].contains(path.resource) {
                        guard try await client.get(path)?["status", "standInReady"]?.truth == true else { return false }
                    }
                    return true
                }
                guard ready else { throw StandInFailure.error("context deadline exceeded") }
            }
        } catch let failure as StandInFailure {
            try await release.save(status: "failed", client)
            throw StandInFailure.plain("Error: \(failed): \(failure.reason)")
        }
        var done = release
        done.manifest = manifest
        try await done.save(status: "deployed", client)
    }

    private func objects(of release: StandInRelease) -> [(path: StandInPath, object: HelmValue)] {
        let service = StandInService.byChart[release.chart] ?? StandInService(workloads: [("Deployment", release.name)])
        return service.objects(
            namespace: release.namespace, release: release.name, chart: release.chart, version: release.chartVersion)
    }

    /// The last word of an OCI reference; what a stand-in archive holds in its one line.
    private func chartName(_ reference: String) throws -> String {
        guard reference.hasPrefix("/") else { return reference.split(separator: "/").last.map(String.init) ?? reference }
        guard let bytes = LabFiles.bytes(reference), let name = String(decoding: bytes, as: UTF8.self).split(separator: "\n").first else {
            throw StandInFailure.plain("Error: path \"\(reference)\" not found")
        }
        return String(name)
    }

    private func values() throws -> HelmValue {
        guard let file = arguments["--values"] else { return [:] }
        guard let bytes = LabFiles.bytes(call.absolute(file)), let tree = StandInJSON.decode(bytes) else {
            throw StandInFailure.plain("Error: open \(file): no such file, or not JSON")
        }
        return tree
    }

    /// Removes what the release made and its revisions; definitions of charts stay, as with the real one.
    private func uninstall() async throws {
        guard arguments.words.count == 2 else { throw StandInFailure.plain("Error: \"helm uninstall\" requires 1 argument") }
        let client = try await client()
        let (name, namespace) = (arguments.words[1], arguments["--namespace"] ?? "default")
        guard let release = try await StandInRelease.latest(name, in: namespace, client) else {
            throw StandInFailure.plain("Error: uninstall: Release not loaded: \(name): release: not found")
        }
        for (path, _) in objects(of: release).reversed() where path.resource != "customresourcedefinitions" {
            try await client.delete(path)
        }
        for revision in 1...release.revision { try await client.delete(.secret(namespace, "sh.helm.release.v1.\(name).v\(revision)")) }
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
