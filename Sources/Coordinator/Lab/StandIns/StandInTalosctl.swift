// SPDX-License-Identifier: Apache-2.0

internal import MeshModel

/// The stand-in talosctl: `health` looks whether every named node is registered at the stand-in API server; what it says of machines is in
/// `StandInTalosctl+Machines`.
struct StandInTalosctl: Sendable {
    private static let checks = [
        "etcd to be healthy", "etcd members to be consistent across nodes", "etcd members to be control plane nodes", "apid to be ready",
        "all nodes memory sizes", "all nodes disk sizes", "kubelet to be healthy", "all nodes to finish boot sequence",
        "all k8s nodes to report", "all control plane static pods to be running", "all control plane components to be ready",
    ]

    let call: StandInCall
    let arguments: StandInArguments

    init(_ call: StandInCall) throws {
        self.call = call
        arguments = try StandInArguments(
            call.arguments,
            valued: [
                "--context", "--nodes", "--endpoints", "--talosconfig", "--wait-timeout", "--control-plane-nodes", "--worker-nodes",
                "--init-node", "--k8s-endpoint", "--output", "--image", "--timeout",
            ], switches: ["--client", "--short", "--help", "--server", "--run-e2e"],
            short: ["-n": "--nodes", "-e": "--endpoints", "-h": "--help", "-o": "--output"])
    }

    func run() async throws {
        switch arguments.words {
        case ["health"]: try await health()
        case let words where words.count == 2 && words[0] == "get" && arguments["--output"] == "json": try await get(words[1])
        case let words where words.first == "etcd": try await etcd(Array(words.dropFirst()))
        case ["service"]: try await service()
        case let words where words.count == 2 && words[0] == "list": try await list(words[1])
        case ["bootstrap"]: try await bootstrap()
        case ["upgrade"]: try await upgrade()
        case ["version"]: call.say("Client:\n\tTag:         stand-in of the Meshgate Lab, as v1.11.3")
        case _ where arguments.has("--help") || arguments.words.isEmpty:
            call.say("The stand-in talosctl of the Meshgate Lab: health, version, get, etcd, service, list, bootstrap,\nupgrade.")
        default: throw StandInFailure.plain("unknown command \"\(arguments.words.joined(separator: " "))\" for \"talosctl\"")
        }
    }

    func clusterClient() async throws -> StandInClient {
        let config = try call.kubeconfigFile(nil)
        let name = arguments["--context"]
        // A Talos context is called like its cluster; the kubeconfig's may be called otherwise.
        let named = name.flatMap { config.contexts.contains($0) ? $0 : config.context(ofCluster: $0) }
        guard let context = named ?? (name == nil ? config.contexts.first : nil) else {
            throw StandInFailure.plain("error resolving config context: context \"\(name ?? "")\" is not defined")
        }
        return try await call.client(kubeconfig: nil, context: context)
    }

    private func health() async throws {
        let nodes = arguments["--nodes"]?.split(separator: ",") ?? []
        guard nodes.count < 2 else { throw StandInFailure.plain("command \"health\" is not supported with multiple nodes") }
        let client = try await clusterClient()
        let given = arguments.all("--control-plane-nodes") + arguments.all("--worker-nodes")
        let wanted = given.flatMap { $0.split(separator: ",").map(String.init) }
        call.warn("discovered nodes: \(wanted)")
        var missing: [String] = []
        let patience = min(arguments.duration("--wait-timeout", default: .seconds(1200)), .seconds(3600))
        let healthy = try await client.wait(patience) {
            let addresses = try await client.list(StandInPath.nodes).flatMap { node in
                (node["status", "addresses"]?.elements ?? []).compactMap { $0["address"]?.text } as [String]
            }
            missing = wanted.filter { !addresses.contains($0) }
            return missing.isEmpty
        }
        for check in Self.checks.dropLast(healthy ? 0 : 3) {
            call.warn("waiting for \(check): ...")
            call.warn("waiting for \(check): OK")
        }
        guard healthy else {
            call.warn("waiting for all k8s nodes to report: can't find expected node with IPs \(missing)")
            throw StandInFailure.plain("healthcheck error: rpc error: code = DeadlineExceeded desc = context deadline exceeded")
        }
    }
}
