// SPDX-License-Identifier: Apache-2.0

internal import MeshModel
internal import MeshSystem

/// `kubectl exec` into the pods of the Star Wars demonstration and of Cilium: curl, as the policy that is applied lets it through, and
/// Hubble, which shows of a cluster what was asked of its pods.
///
/// A request goes into another cluster when the mesh is connected and the service is global there too. What became of it is noted in a
/// ConfigMap of that cluster's namespace `star-wars`, and goes with it.
struct StandInExec: Sendable {
    private let call: StandInCall
    private let client: StandInClient
    private static let namespace = "star-wars"
    private static let flows = StandInPath.configMap(namespace, "stand-in-flows")

    init(_ call: StandInCall, _ client: StandInClient) {
        self.call = call
        self.client = client
    }

    func run(words: [String], namespace: String) async throws {
        let command = call.arguments.split(separator: "--", maxSplits: 1).dropFirst().first.map(Array.init) ?? []
        guard let target = words.dropFirst().first, let program = command.first else {
            throw StandInFailure.plain("error: you must specify at least one command for the container")
        }
        let name = target.split(separator: "/").last.map(String.init) ?? target
        let path: StandInPath = target.hasPrefix("daemonset/") ? .daemonSet(namespace, name) : .deployment(namespace, name)
        guard try await client.get(path)?["status", "standInReady"]?.truth == true else {
            throw StandInFailure.plain("error: unable to upgrade connection: container not found (\"\(name)\")")
        }
        switch program {
        case "curl": try await curl(command, ship: name)
        case "hubble": try await observe()
        default: throw StandInFailure.plain("OCI runtime exec failed: \(program): executable file not found in $PATH", code: 126)
        }
    }

    /// Where a request for the global service ends: the first remote cluster that has it, or this one.
    private func destination() async throws -> StandInClient {
        let config = try call.kubeconfigFile(nil)
        let remotes = try await client.get(.secret("kube-system", "cilium-clustermesh"))?["data"]?.entries.keys.sorted() ?? []
        for cluster in remotes {
            guard let context = config.context(ofCluster: cluster) else { continue }
            let remote = try config.client(context)
            let service = try await remote.get(.service(Self.namespace, "deathstar"))
            if service?["metadata", "annotations", "service.cilium.io/global"]?.text == "true" { return remote }
        }
        return client
    }

    private func curl(_ command: [String], ship: String) async throws {
        let remote = try await destination()
        let isPut = command.contains("PUT")
        let policy = StandInPath(
            group: "apis/cilium.io/v2", namespace: Self.namespace, resource: "ciliumnetworkpolicies", name: "deathstar-landing")
        let isGuarded = try await remote.get(policy) != nil
        let isHeeded = try await !remote.faults().ignoresPolicies
        switch (isGuarded && isHeeded, ship, isPut) {
        case (true, "xwing", _):
            try await note("DROPPED", #""drop_reason_desc":"POLICY_DENIED","#, ship, at: remote)
            call.write(.standardOutput, "000")
            throw StandInFailure.plain("command terminated with exit code 28", code: 28)
        case (true, _, true):
            try await note(
                "DROPPED", #""l7":{"type":"REQUEST","http":{"method":"PUT","url":"http://deathstar/v1/exhaust-port"}},"#, ship, at: remote)
            call.write(.standardOutput, "403")
        default:
            try await note("FORWARDED", "", ship, at: remote)
            // Without a policy the exhaust port is reached, and the station panics.
            call.write(.standardOutput, isPut ? "503" : "200")
        }
    }

    /// As Hubble of the destination's cluster shows it.
    private func note(_ verdict: String, _ more: String, _ ship: String, at remote: StandInClient) async throws {
        let pods = (source: "\(ship)-7d9c-abcde", destination: "deathstar-5b8f-fghij")
        let flow =
            #"{"flow":{"verdict":"\#(verdict)",\#(more)"source":{"cluster_name":"\#(client.cluster)","namespace":"star-wars","#
            + #""pod_name":"\#(pods.source)"},"destination":{"cluster_name":"\#(remote.cluster)","namespace":"star-wars","#
            + #""pod_name":"\#(pods.destination)"}},"node_name":"\#(remote.cluster)/n"}"#
        let key = "\(client.cluster).\(ship).\(verdict).\(more.isEmpty ? "plain" : "special")"
        let object: HelmValue = ["apiVersion": "v1", "kind": "ConfigMap", "data": .map([key: .string(flow)])]
        try await remote.apply(object, at: Self.flows, manager: "stand-in")
    }

    private func observe() async throws {
        guard try await client.get(.deployment("kube-system", "hubble-relay"))?["status", "standInReady"]?.truth == true else {
            throw StandInFailure.plain("failed to connect to '10.96.0.80:80': connection refused")
        }
        call.say(#"{"lost_events":{"source":"HUBBLE_RING_BUFFER","num_events_lost":"3"},"node_name":"x"}"#)
        let seen = try await client.get(Self.flows)?["data"]?.entries ?? [:]
        for key in seen.keys.sorted() { if let flow = seen[key]?.text { call.say(flow) } }
    }
}
