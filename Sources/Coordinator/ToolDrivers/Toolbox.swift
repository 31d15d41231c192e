// SPDX-License-Identifier: Apache-2.0

package import MeshHTTP
package import MeshModel
package import MeshSystem

/// Everything drivers share: where tools are, what environment they get, and how clusters are reached.
package struct Toolbox: Sendable {
    package var runner: any CommandRunner
    package var http: any HTTPClient
    package var files: any FileStore
    package var now: NowSource
    /// Where tools are looked for.
    package var searchPath: [String]
    /// The kubeconfig handed to tools by absolute path: a relative one depends on the working directory (D52).
    package var kubeconfig: String
    /// The directory of mesh.yaml; relative paths of the spec start here.
    package var baseDirectory: String
    /// Ours alone: values files, plans, reports. Mode 0700.
    package var workDirectory: String
    /// What tools get of our environment, by name; nothing else is inherited.
    package var environment: [String: String]
    /// Reads the kubeconfig anew, by context name; a context that cannot be used says why.
    package var contexts: @Sendable () throws -> [String: Result<ClusterAccess, DriverError>]
    /// The CA that every Cilium of the mesh shares: certificate and key, PEM.
    package var meshCA: @Sendable () throws -> (certificate: String, key: String)
    /// A variable of the coordinator's own environment, for secrets that mesh.yaml says are kept there. Tools do not get it.
    package var variable: @Sendable (String) -> String? = { _ in nil }
    /// Called with each line a tool prints, for progress.
    package var progress: @Sendable (StepID, String) -> Void
    /// How often API servers are asked again.
    package var patience: KubernetesPatience
    /// Credential plugins and what they answered.
    private let plugins: ExecCredentials

    package init(
        runner: any CommandRunner, http: any HTTPClient, files: any FileStore, now: @escaping NowSource, searchPath: [String],
        kubeconfig: String, baseDirectory: String, workDirectory: String, environment: [String: String],
        contexts: @escaping @Sendable () throws -> [String: Result<ClusterAccess, DriverError>],
        meshCA: @escaping @Sendable () throws -> (certificate: String, key: String),
        progress: @escaping @Sendable (StepID, String) -> Void, patience: KubernetesPatience = KubernetesPatience()
    ) {
        self.runner = runner
        self.http = http
        self.files = files
        self.now = now
        self.searchPath = searchPath
        self.kubeconfig = kubeconfig
        self.baseDirectory = baseDirectory
        self.workDirectory = workDirectory
        self.environment = environment
        self.contexts = contexts
        self.meshCA = meshCA
        self.progress = progress
        self.patience = patience
        plugins = ExecCredentials(runner: runner, environment: environment, searchPath: searchPath, now: now)
    }

    /// Names of variables that tools may get: places, locale, the tools' own credentials. Nothing of ours.
    package static let passedVariables: Set<String> = [
        "HOME", "LANG", "LC_ALL", "TMPDIR", "USER", "TALOSCONFIG", "SSL_CERT_FILE", "SSL_CERT_DIR", "HTTPS_PROXY", "NO_PROXY",
    ]

    func client(for cluster: MeshSpec.Cluster) throws -> KubernetesClient {
        let all = try contexts()
        guard let access = all[cluster.context] else {
            throw DriverError.noAccess(cluster: cluster.name.text, context: cluster.context, have: all.keys.sorted())
        }
        return client(for: try access.get())
    }

    /// A client for a context that is not (or not yet) in the kubeconfig.
    package func client(for access: ClusterAccess) -> KubernetesClient {
        KubernetesClient(
            access: access, http: http, authenticator: KubernetesAuthenticator(files: files, plugins: plugins), patience: patience)
    }

    /// Runs a tool to its end. Its exit code is returned, not judged. What prints JSON needs a large `outputLimit`: the middle of a longer
    /// output is cut out.
    func run(
        _ tool: String, _ arguments: [String], in directory: String? = nil, step: StepID? = nil, deadline: Duration,
        extra: [String: String] = [:], outputLimit: Int = 4 << 20
    ) async throws -> CommandResult {
        var environment = environment
        environment["PATH"] = searchPath.joined(separator: ":")
        environment["KUBECONFIG"] = kubeconfig
        environment.merge(extra) { _, new in new }
        let invocation = Invocation(
            tool, arguments, searchPath: searchPath, environment: environment, workingDirectory: directory ?? workDirectory,
            deadline: deadline, outputLimit: outputLimit)
        let progress = progress
        return try await runner.run(invocation) { line in
            if let step { progress(step, line.text) }
        }
    }

    /// An absolute path for a path of the spec.
    func absolute(_ path: String) -> String { path.hasPrefix("/") ? path : baseDirectory + "/" + path }
}
