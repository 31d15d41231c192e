// SPDX-License-Identifier: Apache-2.0

import MeshModel
import MeshSystem
import Planning
import Rendering
import Running

/// The cilium CLI. Its exit codes are not evidence (reference: `connect` says "Connected" with not one pod running), so what a command
/// reached is judged by the step's own requirements; here only a plain failure is reported as one.
struct CiliumDriver: Sendable {
    let tools: Toolbox

    /// Installs, or upgrades when a release is there: `install` refuses a name in use.
    func install(_ cluster: MeshSpec.Cluster, spec: MeshSpec, step: StepID, deadline: Duration) async throws -> Outcome {
        var exists = false
        let result = try await operation.run(on: [cluster]) {
            let installed = try await HelmReleases(client: tools.client(for: cluster)).values(of: "cilium", in: "kube-system")
            exists = installed != nil
            let values = tools.workDirectory + "/values-\(cluster.name).json"
            try tools.files.write(
                JSON.encode(.map(CiliumValues(spec: spec, cluster: cluster, installed: installed).values)), to: values)
            let arguments =
                global(cluster) + [exists ? "upgrade" : "install", "--version", spec.versions.cilium.description, "--values", values]
                + (exists ? ["--reset-values"] : []) + ["--wait", "--wait-duration", "10m"]
            return try await tools.run("cilium", arguments, step: step, deadline: deadline)
        }
        return Outcome(result, command: exists ? "cilium upgrade" : "cilium install", done: exists ? "upgraded" : "installed")
    }

    var operation: HelmOperation { HelmOperation(tools: tools, release: "cilium", namespace: "kube-system") }

    func enableClustermesh(_ cluster: MeshSpec.Cluster, step: StepID, deadline: Duration) async throws -> Outcome {
        let arguments =
            global(cluster) + ["clustermesh", "enable", "--service-type", cluster.cilium.clustermesh.serviceType.rawValue]
        let result = try await operation.run(on: [cluster]) {
            try await tools.run("cilium", arguments, step: step, deadline: deadline)
        }
        let outcome = Outcome(result, command: "cilium clustermesh enable", done: "enabled")
        guard case .succeeded(let words) = outcome, let renewal = try await MeshCertificates(tools: tools, cluster: cluster).renew() else {
            return outcome
        }
        return .succeeded("\(words); \(renewal)")
    }

    /// The CLI's own time-out is none; the deadline is ours. The JUnit report is kept, whatever the exit code says, and a sysdump when
    /// the test failed. The test's namespaces are made before it and removed after it, on both clusters. Where the plan asks for it, what Hubble
    /// saw meanwhile is kept beside the report.
    func testConnectivity(
        from: MeshSpec.Cluster, to: MeshSpec.Cluster, plan: Plan, step: StepID, deadline: Duration
    ) async throws -> Outcome {
        let witness = try flowWitness(plan)
        let parties = TestFlows.Parties(
            from: from.name, to: to.name,
            nodes: Dictionary(
                plan.spec.witnesses(from.name, to.name).map { ($0.node, $0.cluster) }, uniquingKeysWith: { first, _ in first }))
        let report = ConnectivityReport(tools: tools, from: from.name, to: to.name)
        let stage = ConnectivityStage(tools: tools, clusters: [from, to])
        try report.forget()
        try await stage.prepare()
        let arguments =
            global(from) + [
                "connectivity", "test", "--multi-cluster", to.context, "--junit-file", report.junitPath, "--timeout",
                "\(max(60, deadline.components.seconds - 30))s",
            ]
        witness?.begin(parties)
        let result = try await tools.run("cilium", arguments, step: step, deadline: deadline)
        // While the test's pods are still there: what is dropped at their end is none of the test.
        if let witness { try report.keep(try await witness.end(parties)) }
        try report.remember(plan: plan.digest)
        var outcome = Outcome(result, command: "cilium connectivity test", done: "the connectivity test ran")
        if case .failed(let words) = outcome {
            outcome = .failed(
                words + "; " + (try await stage.sysdump(global(from), step: step, named: "sysdump-\(from.name)-to-\(to.name)")))
        }
        try await stage.clear()
        return outcome
    }

    private func flowWitness(_ plan: Plan) throws -> (any FlowWitness)? {
        guard plan.spec.policy.telemetry?.flows != nil else { return nil }
        guard let witness = tools.flows else { throw DriverError.unreadable(what: "Hubble's flows", where: "this program") }
        return witness
    }

    /// The report of `cilium status -o json`, or `nil` when it gave none.
    func status(_ cluster: MeshSpec.Cluster) async throws -> HelmValue? {
        let result = try await tools.run(
            "cilium", global(cluster) + ["status", "-o", "json"], deadline: .seconds(60), outputLimit: JSON.longest)
        return JSON.decode(result.standardOutput)
    }

    /// The errors that a report lists; disabled parts do not count. `nil` when this is not a report: JSON that lists nothing says nothing.
    static func statusErrors(in json: HelmValue) -> [String]? {
        guard case .map? = json["errors"] else { return nil }
        var errors = errors(in: json["errors"]).sorted() + (json["config_errors"]?.list ?? []).compactMap(\.string)
        // Go writes most of its errors as {}; that there is one is all that can be said.
        let unseen = json["collection_errors"]?.list.count ?? 0
        if unseen > 0, errors.isEmpty { errors.append("\(unseen) parts of the cluster could not be looked at") }
        return errors
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
            "cilium", global(cluster) + ["clustermesh", "status", "-o", "json"], deadline: .seconds(60), outputLimit: JSON.longest)
        guard let json = JSON.decode(result.standardOutput) else { return nil }
        return Self.clustermesh(in: json)
    }

    static func clustermesh(in json: HelmValue) -> ClusterFact.Clustermesh {
        let access = json["access_information"]
        var sections = [Connectivity(json["connectivity"])]
        // Agents are connected to the local KVStoreMesh even when that is not connected to the remote cluster.
        if json["kvstoremesh", "enabled"]?.bool == true { sections.append(Connectivity(json["kvstoremesh", "status"])) }
        let names = Set(sections.flatMap(\.remotes.keys))
        let remotes = names.map { name in (name, sections.allSatisfy { $0.remotes[name] == true }) }
        return ClusterFact.Clustermesh(
            serviceType: access?["service_type"]?.string ?? "", nodePort: access?["service_port"]?.integer,
            apiserverReady: false, remotes: Dictionary(uniqueKeysWithValues: remotes),
            connectivityKnown: sections.allSatisfy(\.isKnown), notReady: sections.reduce(0) { $0 +| $1.notReady },
            connectedMinimum: sections.map(\.connectedMinimum).min() ?? 0, errors: sections.flatMap(\.errors).sorted())
    }

    /// One connectivity section: that of the agents, or that of KVStoreMesh. Missing numbers are zeros.
    private struct Connectivity {
        var isKnown: Bool
        var remotes: [String: Bool]
        var notReady: Int
        var connectedMinimum: Int
        var errors: [String]

        init(_ json: HelmValue?) {
            let total = json?["total"]?.integer ?? 0
            isKnown = total > 0
            notReady = json?["not_ready"]?.integer ?? 0
            connectedMinimum = json?["connected", "min"]?.integer ?? 0
            errors = CiliumDriver.errors(in: json?["errors"])
            remotes = (json?["clusters"]?.map ?? [:]).mapValues { counts in
                total > 0 && counts["configured"]?.integer ?? 0 == total && counts["connected"]?.integer ?? 0 == total
            }
        }
    }

    func global(_ cluster: MeshSpec.Cluster) -> [String] {
        ["--context", cluster.context, "--kubeconfig", tools.kubeconfig]
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
