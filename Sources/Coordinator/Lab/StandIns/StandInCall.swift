// SPDX-License-Identifier: Apache-2.0

internal import MeshHTTP
internal import MeshModel
internal import MeshSystem

/// Ends a stand-in tool: what it says on standard error, and its exit code.
struct StandInFailure: Error {
    var text: String
    var code: Int32 = 1

    /// As cobra prints an error.
    static func error(_ text: String) -> Self { Self(text: "\nError: \(text)\n") }
    static func plain(_ text: String, code: Int32 = 1) -> Self { Self(text: text + "\n", code: code) }
}

/// One call of a stand-in tool: what it was given and where it prints.
struct StandInCall: Sendable {
    let arguments: [String]
    let environment: [String: String]
    let directory: String
    let write: @Sendable (OutputLine.Stream, String) -> Void

    func say(_ line: String) { write(.standardOutput, line + "\n") }
    func warn(_ line: String) { write(.standardError, line + "\n") }

    /// `LAB_STANDIN_DELAY_MS` makes every tool as slow as wanted, so that there is a middle to be interrupted in.
    func delay() async throws {
        guard let milliseconds = environment["LAB_STANDIN_DELAY_MS"].flatMap({ Int($0) }), milliseconds > 0 else { return }
        try await ContinuousClock().sleep(for: .milliseconds(milliseconds))
    }

    /// Ended from outside only, as a tool that waits for a dead connection is.
    func hang() async throws {
        while true { try await ContinuousClock().sleep(for: .seconds(3600)) }
    }

    func absolute(_ path: String) -> String { path.hasPrefix("/") ? path : directory + "/" + path }

    /// The cluster that `context` names, misbehaving as it is told to.
    func client(kubeconfig: String?, context: String?) async throws -> StandInClient {
        let config = try kubeconfigFile(kubeconfig)
        let client = try config.client(context)
        try await play(client.faults())
        return client
    }

    /// The kubeconfig; written in JSON by the lab, so that nobody here has to read YAML.
    func kubeconfigFile(_ path: String?) throws -> StandInKubeconfig {
        guard let path = path ?? environment["KUBECONFIG"], !path.isEmpty else {
            throw StandInFailure.error("invalid configuration: no configuration has been provided, try setting KUBECONFIG")
        }
        return try StandInKubeconfig(absolute(path))
    }

    private func play(_ faults: StandInFaults) async throws {
        if faults.toolDelay > 0 { try await ContinuousClock().sleep(for: .milliseconds(faults.toolDelay)) }
        for _ in 0..<faults.chatter * 16 { write(.standardOutput, String(repeating: "x", count: 65_535) + "\n") }
    }
}

/// The contexts of a kubeconfig in JSON.
struct StandInKubeconfig: Sendable {
    private let tree: HelmValue
    private let http: CurlHTTPClient

    init(_ path: String) throws {
        guard let bytes = LabFiles.bytes(path) else { throw StandInFailure.error("stat \(path): no such file or directory") }
        guard let tree = StandInJSON.decode(bytes) else {
            throw StandInFailure.error("the stand-in tools read a kubeconfig in JSON only; \(path) is something else")
        }
        self.tree = tree
        http = try CurlHTTPClient()
    }

    var contexts: [String] { (tree["contexts"]?.elements ?? []).compactMap { $0["name"]?.text } }

    func client(_ context: String?) throws -> StandInClient {
        let name = context ?? tree["current-context"]?.text ?? ""
        guard let entry = named(name, in: "contexts"), let cluster = entry["context", "cluster"]?.text else {
            throw StandInFailure.error("context \"\(name)\" does not exist")
        }
        guard let server = named(cluster, in: "clusters")?["cluster", "server"]?.text else {
            throw StandInFailure.error("cluster \"\(cluster)\" does not exist")
        }
        return StandInClient(context: name, cluster: cluster, server: server, http: http)
    }

    /// The context that leads to a cluster of this name.
    func context(ofCluster cluster: String) -> String? {
        (tree["contexts"]?.elements ?? []).first { $0["context", "cluster"]?.text == cluster }?["name"]?.text
    }

    private func named(_ name: String, in list: String) -> HelmValue? {
        (tree[list]?.elements ?? []).first { $0["name"]?.text == name }
    }
}
