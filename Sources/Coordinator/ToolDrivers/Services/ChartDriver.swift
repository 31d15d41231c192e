// SPDX-License-Identifier: Apache-2.0

import MeshModel
import MeshSystem
import MeshTrust
import Running

/// A chart as Helm wants it named: in a repository, in an OCI registry, or an archive.
struct ChartReference: Hashable, Sendable {
    var repository: String
    var name: String
    var version: String

    var isArchive: Bool { repository.hasSuffix(".tgz") || repository.hasSuffix(".tar.gz") }

    /// The chart and what says where it is. An OCI registry and an archive are part of the chart's name; `--repo` would be refused.
    func arguments(archive: String?) -> [String] {
        if let archive { return [archive] }
        guard repository.hasPrefix("oci://") else { return [name, "--repo", repository] }
        return [repository.hasSuffix("/" + name) ? repository : repository + "/" + name]
    }
}

/// Helm, driven so that what it did can be looked at afterwards. No `--atomic`: on a failed first install it removes what could be examined,
/// custom resources and claims included, and on a failed upgrade it puts the old release back without a word. A failed release stays, is not
/// `deployed`, and the next attempt upgrades over it.
struct ChartDriver: Sendable {
    let tools: Toolbox

    func install(
        _ service: MeshSpec.Service, _ chart: ChartReference, on cluster: MeshSpec.Cluster, step: StepID, deadline: Duration
    ) async throws -> Outcome {
        if let obstacle = try await versionObstacle(deadline: deadline) { return obstacle }
        let archive = chart.isArchive ? try await fetched(chart, service) : nil
        let values = try ServiceValues(service: service, tools: tools).complete()
        // 0600, and gone when Helm has read it: secrets are in no argument and in no file that stays.
        let file = "\(tools.workDirectory)/values-\(cluster.name)-\(service.name).json"
        try tools.files.write(JSON.encode(.map(values)), to: file)
        let arguments =
            ["upgrade", "--install", service.release] + chart.arguments(archive: archive)
            + [
                "--version", chart.version, "--namespace", service.home, "--kube-context", cluster.context, "--kubeconfig",
                tools.kubeconfig,
                // Without it Helm would keep values of earlier days that nobody plans any more.
                "--values", file, "--reset-values", "--history-max", "5", "--wait", "--timeout",
                "\(max(30, deadline.components.seconds - 30))s",
            ]
        let result: CommandResult
        do {
            result = try await HelmOperation(tools: tools, release: service.release, namespace: service.home).run(on: [cluster]) {
                try await tools.run("helm", arguments, step: step, deadline: deadline)
            }
        } catch {
            try tools.files.remove(file)
            throw error
        }
        try tools.files.remove(file)
        return Outcome(result, command: "helm upgrade --install", done: "\(chart.name) \(chart.version) deployed")
    }

    /// Helm 3 from 3.8 on, which can use registries. What another major does with the same arguments nobody has looked at.
    private func versionObstacle(deadline: Duration) async throws -> Outcome? {
        let key = tools.identity(of: "helm").map { "helm \($0)" }
        if let key, tools.claims.answer(key) != nil { return nil }
        var call = Toolbox.Call()
        call.changes = false
        let result = try await tools.run("helm", ["version", "--short"], deadline: min(deadline, .seconds(20)), call: call)
        guard result.succeeded else { return Outcome(result, command: "helm version", done: "") }
        guard let version = Self.version(in: result.outputText) else {
            return .failed("helm is of no version that can be read (\(result.lastWords.prefix(80))); 3.8 or a newer 3 is wanted")
        }
        guard version.major == 3, version.minor >= 8 else {
            throw DriverError.unsupported(tool: "helm", found: "\(version)", supported: "3.8 or a newer 3")
        }
        if let key { tools.claims.remember("\(version)", as: key) }
        return nil
    }

    /// `v3.19.0+g3d8990f`, as `helm version --short` prints it.
    static func version(in text: String) -> SemanticVersion? {
        text.split(whereSeparator: \.isNewline).lazy.compactMap { line in
            SemanticVersion(String(line.prefix { $0 != "+" && !$0.isWhitespace }))
        }.first
    }

    /// An archive of the admin's own, or one from the web, which is taken only with the digest that mesh.yaml names.
    private func fetched(_ chart: ChartReference, _ service: MeshSpec.Service) async throws -> String {
        let bytes = try await PinnedSource(tools: tools).bytes(of: chart.repository, pinnedTo: service.sha256)
        let file = "\(tools.workDirectory)/chart-\(Digest.sha256(bytes).short).tgz"
        try tools.files.write(bytes, to: file)
        return file
    }
}
