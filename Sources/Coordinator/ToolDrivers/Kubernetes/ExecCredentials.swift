// SPDX-License-Identifier: Apache-2.0

import MeshHTTP
import MeshModel
package import MeshSystem

/// Asks credential plugins, and remembers what they answered until it expires or a server no longer takes it. One for a process: a
/// plugin may open a browser session or count against a quota, so it is asked once however many calls wait for it.
package actor ExecCredentials {
    /// What a plugin answered.
    struct Answer: Sendable, CustomReflectable {
        var token: String?
        var certificate: HTTPTLS.Identity?
        /// From when on it is not to be used; absent when only a refusal by the server tells.
        var expires: Timestamp?
        var customMirror: Mirror { Mirror(self, children: []) }
    }

    private struct Question: Hashable {
        var plugin: ExecPlugin
        var server: String
    }

    /// An answer is renewed this long before it expires, so that a call under way does not lose it.
    private static let margin = Duration.seconds(10)
    private static let deadline = Duration.seconds(60)
    private static let longestAnswer = 1 << 20
    /// More contexts than anybody has; beyond, all is forgotten rather than kept for ever.
    private static let capacity = 256

    private let runner: any CommandRunner
    private let environment: [String: String]
    private let searchPath: [String]
    private let now: NowSource
    private var held: [Question: Answer] = [:]
    private var underway: [Question: Task<Answer, any Error>] = [:]

    /// - Parameter environment: all that a plugin gets besides what its kubeconfig entry names.
    package init(runner: any CommandRunner, environment: [String: String], searchPath: [String], now: @escaping NowSource) {
        self.runner = runner
        self.environment = environment
        self.searchPath = searchPath
        self.now = now
    }

    /// The remembered answer while it is good, else a new one.
    func answer(of plugin: ExecPlugin, for access: ClusterAccess) async throws -> Answer {
        let question = Question(plugin: plugin, server: access.server)
        if let known = held[question], isGood(known) { return known }
        if let task = underway[question] { return try await task.value }
        // Ended by the plugin's own deadline. Not a child of this call: others wait for the same answer.
        let task = Task { try await ask(plugin, access) }
        underway[question] = task
        defer { underway[question] = nil }
        let answer = try await task.value
        if held.count >= Self.capacity { held = [:] }
        held[question] = answer
        return answer
    }

    /// After a server refused what `plugin` answered.
    func forget(_ plugin: ExecPlugin, for access: ClusterAccess) {
        held[Question(plugin: plugin, server: access.server)] = nil
    }

    private func isGood(_ answer: Answer) -> Bool {
        guard let expires = answer.expires else { return true }
        return now().wall + Self.margin < expires
    }

    private nonisolated func ask(_ plugin: ExecPlugin, _ access: ClusterAccess) async throws -> Answer {
        func refuse(_ problem: String) -> KubernetesError { .credential(context: access.context, problem: problem) }
        guard plugin.interaction != .always else {
            throw refuse(
                "its plugin \(plugin.command) always wants to talk to a person, and there is none here; use a token or a certificate")
        }
        var environment = environment
        environment["PATH"] = searchPath.joined(separator: ":")
        environment.merge(plugin.environment) { _, own in own }
        environment["KUBERNETES_EXEC_INFO"] = String(decoding: try JSON.encode(Self.request(plugin, access)), as: UTF8.self)
        let result: CommandResult
        do {
            result = try await runner.run(
                Invocation(
                    plugin.command, plugin.arguments, searchPath: searchPath, environment: environment, deadline: Self.deadline,
                    outputLimit: Self.longestAnswer))
        } catch let error as SystemError {
            throw refuse("\(error)" + (plugin.installHint.map { "; the kubeconfig says: \($0.prefix(400))" } ?? ""))
        }
        guard result.succeeded else {
            // Its standard output may hold a credential and is never shown.
            throw refuse("its plugin \(plugin.command) ended with \(result.exit): \(CommandResult.lastWords(of: result.errorText))")
        }
        guard result.droppedBytes == 0 else {
            throw refuse("its plugin \(plugin.command) printed more than \(Self.longestAnswer) bytes")
        }
        guard let json = JSON.decode(result.standardOutput), let answer = Self.read(json, of: plugin) else {
            throw refuse("what its plugin \(plugin.command) printed is not an ExecCredential of \(plugin.version.rawValue) with a status")
        }
        return answer
    }

    /// `KUBERNETES_EXEC_INFO`.
    private static func request(_ plugin: ExecPlugin, _ access: ClusterAccess) -> HelmValue {
        var spec: [String: HelmValue] = ["interactive": .bool(false)]
        if plugin.wantsCluster {
            var cluster: [String: HelmValue] = ["server": .string(access.server)]
            if let name = access.serverName { cluster["tls-server-name"] = .string(name) }
            if let authority = access.authority { cluster["certificate-authority-data"] = .string(JSON.base64(authority)) }
            spec["cluster"] = .map(cluster)
        }
        return .map(["apiVersion": .string(plugin.version.rawValue), "kind": .string("ExecCredential"), "spec": .map(spec)])
    }

    /// `nil` for anything but a complete answer in the protocol's version that was asked for.
    static func read(_ json: HelmValue, of plugin: ExecPlugin) -> Answer? {
        guard json["kind"]?.string == "ExecCredential", json["apiVersion"]?.string == plugin.version.rawValue, let status = json["status"]
        else { return nil }
        var answer = Answer()
        if let text = status["expirationTimestamp"]?.string {
            // One that cannot be read would be taken for "never expires".
            guard let moment = Timestamp(rfc3339: text) else { return nil }
            answer.expires = moment
        }
        answer.token = status["token"]?.string.flatMap { $0.isEmpty ? nil : $0 }
        let certificate = status["clientCertificateData"]?.string
        let key = status["clientKeyData"]?.string
        guard (certificate == nil) == (key == nil) else { return nil }
        if let certificate, let key {
            answer.certificate = HTTPTLS.Identity(certificate: Array(certificate.utf8), key: Array(key.utf8))
        }
        guard answer.token != nil || answer.certificate != nil else { return nil }
        return answer
    }
}

extension Timestamp {
    /// As Go writes times: any number of digits after the second, `Z` or an offset. Fractions are cut.
    init?(rfc3339 text: String) {
        let whole = text.prefix(19)
        var rest = text.dropFirst(19)
        guard let base = Timestamp(whole + "Z") else { return nil }
        if rest.first == "." {
            let digits = rest.dropFirst().prefix { $0.isASCII && $0.isNumber }
            guard !digits.isEmpty else { return nil }
            rest = rest.dropFirst(digits.count + 1)
        }
        if rest == "Z" || rest == "z" {
            self = base
            return
        }
        let parts = rest.dropFirst().split(separator: ":", omittingEmptySubsequences: false)
        guard let sign = rest.first, sign == "+" || sign == "-", parts.count == 2, parts.allSatisfy({ $0.count == 2 }),
            let hours = UInt8(parts[0]), let minutes = UInt8(parts[1]), hours < 24, minutes < 60
        else { return nil }
        let offset = Duration.seconds(Int64(hours) * 3600 + Int64(minutes) * 60)
        self = base + (sign == "+" ? .zero - offset : offset)
    }
}
