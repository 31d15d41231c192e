// SPDX-License-Identifier: Apache-2.0

package import MeshHTTP
package import MeshModel
package import MeshSystem

/// Everything drivers share: where tools are, what environment they get, and how clusters are reached.
///
/// A tool gets an argv array, an environment of listed names, a home and a place for temporary files of its own below the work directory,
/// and a deadline. Each call leaves a redacted transcript in `WORK/transcripts`.
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
    package let workDirectory: String
    /// What tools get of our environment, by name; nothing else is inherited.
    package var environment: [String: String]
    /// A variable of our own environment that mesh.yaml lists for a tool; nothing else is asked for.
    package var lookUp: @Sendable (String) -> String?
    /// Nothing that changes the world is run; each such call ends with the command line it would have been.
    package var dryRun: Bool
    /// Reads the kubeconfig anew, by context name; a context that cannot be used says why.
    package var contexts: @Sendable () throws -> [String: Result<ClusterAccess, DriverError>]
    /// The CA that every Cilium of the mesh shares: certificate and key, PEM.
    package var meshCA: @Sendable () throws -> (certificate: String, key: String)
    /// Its certificate, when there is one: for looks, which make nothing.
    package var meshCertificate: @Sendable () throws -> String? = { nil }
    /// A variable of the coordinator's own environment, for secrets that mesh.yaml says are kept there. Tools do not get it.
    package var variable: @Sendable (String) -> String? = { _ in nil }
    /// The documents of a YAML file that others wrote. JSON only, which is YAML too, unless a reader of all YAML is handed in.
    package var readYAML: @Sendable ([UInt8]) throws -> [HelmValue] = Toolbox.readJSON
    /// Called with each line a tool prints, redacted, for progress.
    package var progress: @Sendable (StepID, String) -> Void
    /// Called with how far a step has come, by drivers whose tools tell.
    package var advanced: @Sendable (StepID, StepProgress) -> Void = { _, _ in }
    /// Opens the mesh's store of secrets.
    package var secretStore: @Sendable (MeshSpec.Secrets) throws -> any SecretStore = { _ in
        throw DriverError.unreadable(what: "a store of secrets", where: "this program")
    }
    /// A cluster's credentials as the coordinator itself uses them, as a file of their own.
    package var credential: @Sendable (SecretNames.Kind, MeshSpec.Cluster) throws -> Secret = { _, _ in
        throw DriverError.unreadable(what: "credentials", where: "this program")
    }
    /// Reads the talosconfig anew; `nil` where there is none.
    package var talosconfig: @Sendable () throws -> TalosContexts? = { nil }
    /// Takes contexts out of a kubeconfig or talosconfig and returns where its old content is kept.
    package var removeContexts: @Sendable (SecretNames.Kind, [String]) async throws -> String = { _, _ in
        throw DriverError.unreadable(what: "contexts", where: "this program")
    }
    /// Counts Hubble's flows during connectivity tests, for plans that ask for it.
    package var flows: (any FlowWitness)?
    /// How often API servers are asked again.
    package var patience: KubernetesPatience
    /// Credential plugins and what they answered.
    private let plugins: ExecCredentials

    private let transcripts: TranscriptBook
    /// Directories in which a tool of ours is at work, and must not be met by another.
    let claims = DirectoryClaims()

    package init(
        runner: any CommandRunner, http: any HTTPClient, files: any FileStore, now: @escaping NowSource, searchPath: [String],
        kubeconfig: String, baseDirectory: String, workDirectory: String, environment: [String: String],
        lookUp: @escaping @Sendable (String) -> String? = { _ in nil }, dryRun: Bool = false,
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
        self.lookUp = lookUp
        self.dryRun = dryRun
        self.contexts = contexts
        self.meshCA = meshCA
        self.progress = progress
        self.patience = patience
        plugins = ExecCredentials(runner: runner, environment: environment, searchPath: searchPath, now: now)
        transcripts = TranscriptBook(directory: workDirectory + "/transcripts", files: files)
    }

    /// The same, of documents in JSON.
    package static func readJSON(_ bytes: [UInt8]) throws -> [HelmValue] {
        let lines = String(decoding: bytes, as: UTF8.self).split(separator: "\n", omittingEmptySubsequences: false)
        return try lines.split(whereSeparator: { $0 == "---" }).filter { !$0.allSatisfy(\.isEmpty) }.map { document in
            guard let json = JSON.decode(Array(document.joined(separator: "\n").utf8)) else {
                throw DriverError.unreadable(what: "a document", where: "a file of JSON documents")
            }
            return json
        }
    }

    /// Names of variables that tools may get: places, locale, the tools' own credentials. Nothing of ours.
    package static let passedVariables: Set<String> = [
        "HOME", "LANG", "LC_ALL", "TMPDIR", "USER", "TALOSCONFIG", "SSL_CERT_FILE", "SSL_CERT_DIR", "HTTPS_PROXY", "NO_PROXY",
        "TF_CLI_CONFIG_FILE",
    ]

    /// Tools that find credentials in the admin's home: SSH keys, the sessions of a kubeconfig's exec plugins, registry logins.
    private static let usesAdminsHome: Set<String> = ["ansible-playbook", "ansible", "kubectl", "cilium", "helm"]

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

    /// What is special about one call; the default suits most.
    struct Call: Sendable {
        enum Recording: Sendable {
            case redacted
            /// Standard output holds secrets by its nature: nothing of it is written anywhere.
            case withheld
            /// What is left of each line of standard output; `nil` leaves nothing.
            case lines(@Sendable (String) -> String?)
        }
        var ending = Invocation.Ending.terminate
        var grace = Duration.seconds(5)
        var recording = Recording.redacted
        /// False for a look that changes nothing: done in a dry run, too.
        var changes = true
        var standardInput: [UInt8] = []
        var keepsInputOpen = false
        /// Values that must be seen nowhere.
        var secrets: [String] = []
        /// Hears each line of standard output first.
        var hear: (@Sendable (String) -> Void)?
    }

    /// Runs a tool to its end. Its exit code is returned, not judged. What prints JSON needs a large `outputLimit`: the middle of a longer
    /// output is cut out.
    func run(
        _ tool: String, _ arguments: [String], in directory: String? = nil, step: StepID? = nil, deadline: Duration,
        extra: [String: String] = [:], outputLimit: Int = 4 << 20, call: Call = Call()
    ) async throws -> CommandResult {
        let redactor = Redactor(secrets: call.secrets)
        let shown = ([tool] + arguments).map(redactor.clean)
        if dryRun, call.changes { throw DriverError.dryRun(shown.joined(separator: " ")) }
        let invocation = Invocation(
            tool, arguments, searchPath: searchPath, environment: try environment(for: tool, extra: extra),
            workingDirectory: directory ?? workDirectory, standardInput: call.standardInput, keepsInputOpen: call.keepsInputOpen,
            deadline: deadline, ending: call.ending, grace: call.grace, outputLimit: outputLimit)
        let startedAt = now().wall
        let began = ContinuousClock.now
        let progress = progress
        let result: Result<CommandResult, any Error>
        do {
            result = .success(
                try await runner.run(invocation) { line in
                    if line.stream == .standardOutput { call.hear?(line.text) }
                    if let step, let text = call.recording.shown(line) { progress(step, redactor.clean(text)) }
                })
        } catch {
            result = .failure(error)
        }
        var transcript = ToolTranscript(
            tool: tool, arguments: Array(shown.dropFirst()), directory: invocation.workingDirectory,
            variables: invocation.environment.keys.sorted(), step: step, startedAt: startedAt,
            milliseconds: (ContinuousClock.now - began).inMilliseconds, ending: "", output: "", errorOutput: "", omittedBytes: 0)
        transcript.take(result, call.recording, redactor)
        do {
            try transcripts.write(transcript)
        } catch {
            // The tool has run; what it did counts for more than the account of it.
            if let step { progress(step, "its transcript could not be written: \(error)") }
        }
        return try result.get()
    }

    private func environment(for tool: String, extra: [String: String]) throws -> [String: String] {
        var all = environment
        all["PATH"] = searchPath.joined(separator: ":")
        all["KUBECONFIG"] = kubeconfig
        all["XDG_CACHE_HOME"] = workDirectory + "/cache"
        all["KUBECACHEDIR"] = workDirectory + "/cache/kube"
        let name = String(tool[(tool.lastIndex(of: "/").map(tool.index(after:)) ?? tool.startIndex)...])
        if name == "talosctl", all["TALOSCONFIG"] == nil, let home = all["HOME"] { all["TALOSCONFIG"] = home + "/.talos/config" }
        if !Self.usesAdminsHome.contains(name) || all["HOME"] == nil { all["HOME"] = workDirectory + "/home" }
        // Plugins make their sockets in TMPDIR, and the path of a socket is short (108 bytes).
        let temporary = workDirectory + "/tmp"
        if temporary.utf8.count <= 72 {
            all["TMPDIR"] = temporary
            try claims.once(temporary) { try files.createDirectory(temporary) }
        }
        let home = workDirectory + "/home"
        try claims.once(home) { try files.createDirectory(home) }
        return all.merging(extra) { _, new in new }
    }

    /// An absolute path for a path of the spec.
    func absolute(_ path: String) -> String { path.hasPrefix("/") ? path : baseDirectory + "/" + path }
}

extension Toolbox.Call.Recording {
    /// What may be shown of a line.
    fileprivate func shown(_ line: OutputLine) -> String? {
        switch (self, line.stream) {
        case (.withheld, .standardOutput): nil
        case (.lines(let filter), .standardOutput): filter(line.text)
        case (_, .standardError), (.redacted, _): line.text
        }
    }
}

extension ToolTranscript {
    fileprivate mutating func take(_ result: Result<CommandResult, any Error>, _ recording: Toolbox.Call.Recording, _ redactor: Redactor) {
        switch result {
        case .failure(let error): ending = redactor.clean("\(error)")
        case .success(let result):
            ending = result.exit.description
            let errors = TranscriptBook.bounded(result.standardError)
            errorOutput = redactor.clean(errors.text)
            omittedBytes = result.droppedBytes + errors.omitted
            switch recording {
            case .withheld: omittedBytes += result.standardOutput.count
            case .redacted:
                let bounded = TranscriptBook.bounded(result.standardOutput)
                output = redactor.clean(bounded.text)
                omittedBytes += bounded.omitted
            case .lines(let filter):
                let bounded = TranscriptBook.bounded(result.standardOutput)
                let lines = bounded.text.split(separator: "\n").compactMap { filter(String($0)) }
                output = redactor.clean(lines.map { $0 + "\n" }.joined())
                omittedBytes += bounded.omitted
            }
        }
    }
}
