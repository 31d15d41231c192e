// SPDX-License-Identifier: Apache-2.0

import Yams

/// The parts of a kubeconfig that lead to API servers. What is in it but cannot be honoured (a proxy, impersonation, switched-off checks)
/// makes that context unusable and says so; it is never left out silently.
package struct Kubeconfig: Sendable {
    /// A PEM block, given in the file (base64) or beside it.
    package enum Source: Hashable, Sendable {
        case data(String)
        case file(String)
    }

    /// `users[].user.exec`.
    package struct Plugin: Hashable, Sendable {
        package var version: String
        package var command: String
        package var arguments: [String]
        package var environment: [String: String]
        package var wantsCluster: Bool
        package var interactiveMode: String?
        package var installHint: String?
    }

    package struct Context: Hashable, Sendable {
        package var name: String
        package var server: String
        /// `tls-server-name`.
        package var serverName: String?
        package var authority: Source?
        package var clientCertificate: Source?
        package var clientKey: Source?
        package var token: String?
        package var tokenFile: String?
        package var plugin: Plugin?
        /// Why it cannot be used; absent for nearly all.
        package var problem: String?
    }

    package struct Fault: Error, Hashable, Sendable, CustomStringConvertible {
        package let file: String
        package let problem: String
        package var description: String { "\(file) is not a usable kubeconfig: \(problem)" }
        package init(file: String, problem: String) {
            self.file = file
            self.problem = problem
        }
    }

    /// In the order of the file; the first of a name counts, as for kubectl.
    package let contexts: [Context]

    /// JSON is YAML, so both forms are read.
    package init(parsing text: String, file: String) throws(Fault) {
        let document: Document
        do {
            document = try YAMLDecoder().decode(Document.self, from: text)
        } catch {
            throw Fault(file: file, problem: Self.brief(error))
        }
        var seen: Set<String> = []
        contexts = (document.contexts ?? []).filter { seen.insert($0.name).inserted }.map { document.resolve($0) }
    }

    /// Yams quotes the text around a mistake, and what stands there may be a key.
    static func brief(_ error: any Error) -> String {
        guard let yaml = error as? YamlError else { return "a required field is missing or of another type" }
        switch yaml {
        case .scanner(_, _, let mark, _), .parser(_, _, let mark, _): return "no YAML at line \(mark.line), column \(mark.column)"
        case .composer(_, _, let mark, _): return "no YAML at line \(mark.line), column \(mark.column)"
        case .duplicatedKeysInMapping(_, let context): return "a key stands twice in the mapping at line \(context.mark.line)"
        default: return "no YAML"
        }
    }
}

/// As kubectl writes it (`clientcmd/api/v1`).
private struct Document: Decodable {
    struct NamedCluster: Decodable {
        var name: String
        var cluster: Cluster
    }
    struct Cluster: Decodable {
        var server: String?
        var serverName: String?
        var authorityData: String?
        var authorityFile: String?
        var insecure: Bool?
        var proxy: String?
        enum CodingKeys: String, CodingKey {
            case server
            case serverName = "tls-server-name"
            case authorityData = "certificate-authority-data"
            case authorityFile = "certificate-authority"
            case insecure = "insecure-skip-tls-verify"
            case proxy = "proxy-url"
        }
    }
    struct NamedUser: Decodable {
        var name: String
        var user: User
    }
    struct User: Decodable {
        var certificateData: String?
        var certificateFile: String?
        var keyData: String?
        var keyFile: String?
        var token: String?
        var tokenFile: String?
        var username: String?
        var impersonate: String?
        var exec: Exec?
        var provider: Provider?
        enum CodingKeys: String, CodingKey {
            case certificateData = "client-certificate-data"
            case certificateFile = "client-certificate"
            case keyData = "client-key-data"
            case keyFile = "client-key"
            case token, tokenFile, username, exec
            case impersonate = "as"
            case provider = "auth-provider"
        }
    }
    struct Provider: Decodable { var name: String? }
    struct Exec: Decodable {
        struct Variable: Decodable {
            var name: String
            var value: String
        }
        var apiVersion: String?
        var command: String
        var args: [String]?
        var env: [Variable]?
        var installHint: String?
        var provideClusterInfo: Bool?
        var interactiveMode: String?
    }
    struct NamedContext: Decodable {
        var name: String
        var context: Reference
    }
    struct Reference: Decodable {
        var cluster: String
        var user: String?
    }
    var clusters: [NamedCluster]?
    var users: [NamedUser]?
    var contexts: [NamedContext]?

    func resolve(_ item: NamedContext) -> Kubeconfig.Context {
        var context = Kubeconfig.Context(name: item.name, server: "")
        guard let cluster = clusters?.first(where: { $0.name == item.context.cluster })?.cluster else {
            context.problem = "it names cluster \"\(item.context.cluster)\", which is not there"
            return context
        }
        context.server = cluster.server ?? ""
        context.serverName = cluster.serverName
        context.authority = source(cluster.authorityData, cluster.authorityFile)
        if let name = item.context.user, !name.isEmpty {
            guard let user = users?.first(where: { $0.name == name })?.user else {
                context.problem = "it names user \"\(name)\", which is not there"
                return context
            }
            context.clientCertificate = source(user.certificateData, user.certificateFile)
            context.clientKey = source(user.keyData, user.keyFile)
            context.token = user.token
            context.tokenFile = user.tokenFile
            context.plugin = user.exec?.plugin
            context.problem = user.problem
        }
        context.problem = cluster.problem(named: item.context.cluster) ?? context.problem
        return context
    }

    /// Empty counts as absent, as in Go.
    private func source(_ data: String?, _ file: String?) -> Kubeconfig.Source? {
        if let data, !data.isEmpty { return .data(data) }
        if let file, !file.isEmpty { return .file(file) }
        return nil
    }
}

extension Document.Cluster {
    fileprivate func problem(named name: String) -> String? {
        if server?.isEmpty ?? true { return "its cluster \"\(name)\" has no server" }
        if insecure == true { return "its cluster \"\(name)\" switches certificate checks off; give it certificate-authority-data" }
        if let proxy, !proxy.isEmpty { return "its cluster \"\(name)\" is reached through a proxy (proxy-url), which is not supported" }
        return nil
    }
}

extension Document.User {
    fileprivate var problem: String? {
        if let impersonate, !impersonate.isEmpty { return "it acts as somebody else (`as`), which is not supported" }
        if let username, !username.isEmpty { return "it uses a password, which API servers no longer accept" }
        if provider != nil { return "it uses an auth-provider, which was removed; use an exec plugin" }
        return nil
    }
}

extension Document.Exec {
    fileprivate var plugin: Kubeconfig.Plugin {
        Kubeconfig.Plugin(
            version: apiVersion ?? "", command: command, arguments: args ?? [],
            environment: Dictionary((env ?? []).map { ($0.name, $0.value) }, uniquingKeysWith: { _, last in last }),
            wantsCluster: provideClusterInfo ?? false, interactiveMode: interactiveMode, installHint: installHint)
    }
}
