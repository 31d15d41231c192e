// SPDX-License-Identifier: Apache-2.0

import MeshModel
import MeshSystem
import Running

/// The cilium CLI. Its exit codes are not evidence (reference: `connect` says "Connected" with not one pod running), so what a command
/// reached is judged by the step's own requirements; here only a plain failure is reported as one.
struct CiliumDriver: Sendable {
    let tools: Toolbox

    /// Installs, or upgrades when a release is there: `install` refuses a name in use.
    func install(_ cluster: MeshSpec.Cluster, spec: MeshSpec, step: StepID, deadline: Duration) async throws -> Outcome {
        let exists = try await HelmReleases(client: tools.client(for: cluster)).all()["kube-system/cilium"] != nil
        let values = tools.workDirectory + "/values-\(cluster.name).json"
        try tools.files.write(JSON.encode(.map(CiliumValues(spec: spec, cluster: cluster).values)), to: values)
        let arguments =
            global(cluster) + [exists ? "upgrade" : "install", "--version", spec.versions.cilium.description, "--values", values]
            + (exists ? ["--reset-values"] : []) + ["--wait", "--wait-duration", "10m"]
        return try await outcome(arguments, step: step, deadline: deadline, done: exists ? "upgraded" : "installed")
    }

    func enableClustermesh(_ cluster: MeshSpec.Cluster, step: StepID, deadline: Duration) async throws -> Outcome {
        let arguments =
            global(cluster) + ["clustermesh", "enable", "--service-type", cluster.cilium.clustermesh.serviceType.rawValue]
        return try await outcome(arguments, step: step, deadline: deadline, done: "enabled")
    }

    /// One command for all: with `--connection-mode mesh` every cluster is connected to every other.
    func connect(_ clusters: [MeshSpec.Cluster], step: StepID, deadline: Duration) async throws -> Outcome {
        let arguments =
            global(clusters[0]) + [
                "clustermesh", "connect", "--destination-context", clusters.dropFirst().map(\.context).joined(separator: ","),
                "--connection-mode", "mesh",
            ]
        return try await outcome(arguments, step: step, deadline: deadline, done: "connect was carried out")
    }

    /// The CLI's own time-out is none; the deadline is ours. The JUnit report is kept, whatever the exit code says.
    func testConnectivity(
        from: MeshSpec.Cluster, to: MeshSpec.Cluster, plan: Digest, step: StepID, deadline: Duration
    ) async throws -> Outcome {
        let report = ConnectivityReport(tools: tools, from: from.name, to: to.name)
        try report.forget()
        let arguments =
            global(from) + [
                "connectivity", "test", "--multi-cluster", to.context, "--junit-file", report.junitPath, "--timeout",
                "\(max(60, deadline.components.seconds - 30))s",
            ]
        let outcome = try await outcome(arguments, step: step, deadline: deadline, done: "the connectivity test ran")
        try report.remember(plan: plan)
        return outcome
    }

    /// Errors listed by `cilium status -o json`, or `nil` when it gave no JSON. Disabled parts do not count.
    func statusErrors(_ cluster: MeshSpec.Cluster) async throws -> [String]? {
        let result = try await tools.run("cilium", global(cluster) + ["status", "-o", "json"], deadline: .seconds(60))
        guard let json = JSON.decode(result.standardOutput) else { return nil }
        return Self.errors(in: json["errors"]).sorted() + (json["config_errors"]?.list ?? []).compactMap(\.string)
    }

    static func errors(in errors: HelmValue?) -> [String] {
        (errors?.map ?? [:]).values.flatMap { pods in
            pods.map.values.flatMap { pod -> [String] in
                if pod["Disabled"]?.bool == true { return [] }
                return (pod["Errors"]?.list ?? []).compactMap(\.string)
            }
        }
    }

    /// Judged by fields: zero values are left out of the JSON, and a missing connectivity section means that nothing is known.
    func clustermesh(_ cluster: MeshSpec.Cluster) async throws -> ClusterFact.Clustermesh? {
        let result = try await tools.run(
            "cilium", global(cluster) + ["clustermesh", "status", "-o", "json"], deadline: .seconds(60))
        guard let json = JSON.decode(result.standardOutput) else { return nil }
        return Self.clustermesh(in: json)
    }

    static func clustermesh(in json: HelmValue) -> ClusterFact.Clustermesh {
        let access = json["access_information"]
        let connectivity = json["connectivity"]
        let total = connectivity?["total"]?.integer ?? 0
        var remotes: [String: Bool] = [:]
        for (name, counts) in connectivity?["clusters"]?.map ?? [:] {
            let configured = counts["configured"]?.integer ?? 0
            let connected = counts["connected"]?.integer ?? 0
            remotes[name] = total > 0 && configured == total && connected == total
        }
        return ClusterFact.Clustermesh(
            serviceType: access?["service_type"]?.string ?? "", nodePort: access?["service_port"]?.integer,
            apiserverReady: false, remotes: remotes, connectivityKnown: connectivity != nil && total > 0,
            notReady: connectivity?["not_ready"]?.integer ?? 0, connectedMinimum: connectivity?["connected", "min"]?.integer ?? 0,
            errors: errors(in: connectivity?["errors"]).sorted())
    }

    private func global(_ cluster: MeshSpec.Cluster) -> [String] {
        ["--context", cluster.context, "--kubeconfig", tools.kubeconfig]
    }

    private func outcome(_ arguments: [String], step: StepID, deadline: Duration, done: String) async throws -> Outcome {
        let result = try await tools.run("cilium", arguments, step: step, deadline: deadline)
        return Outcome(result, command: "cilium", done: done)
    }
}

extension Outcome {
    /// A deadline that passed leaves the outcome unknown: the world decides.
    init(_ result: CommandResult, command: String, done: String) {
        switch result.exit {
        case .exited(0): self = .succeeded(done)
        case .exited, .signalled: self = .failed("`\(command)` ended with \(result.exit): \(result.lastWords)")
        case .timedOut: self = .unknown("`\(command)` did not end before its deadline and was stopped")
        }
    }
}
