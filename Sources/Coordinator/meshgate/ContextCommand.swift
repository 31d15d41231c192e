// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Glibc
import MeshModel
import MeshSystem
import MeshTrust
import TrustAuthority

/// ~/.config/meshgate/contexts.json: remote coordinators, like kubeconfig's contexts.
struct ContextFile: Codable {
    struct Context: Codable {
        /// `https://HOST:PORT`.
        var server: String
        /// Paths of PEM files.
        var authority: String
        var certificate: String
        var key: String
    }
    var current: String?
    var contexts: [String: Context] = [:]

    static var path: String { (environment("XDG_CONFIG_HOME") ?? absolute("~/.config")) + "/meshgate/contexts.json" }

    static func load() throws -> ContextFile {
        guard let bytes = try LinuxFileStore().read(path, limit: 1 << 20) else { return ContextFile() }
        do {
            return try CanonicalJSON.decode(ContextFile.self, from: bytes)
        } catch {
            throw Failure(.configuration, "\(path) cannot be read (\(error)); correct it or remove it")
        }
    }

    func save() throws {
        let files = LinuxFileStore()
        try files.createDirectory(String(Self.path.dropLast("/contexts.json".count)))
        try files.write(try CanonicalJSON.encode(self), to: Self.path)
    }
}

/// `meshgate context`: who else can be asked.
struct ContextCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "context", abstract: "Remote coordinators: list, add, use, remove, and certificates for operators.",
        discussion: "Example:\n  meshgate context use home",
        subcommands: [List.self, Add.self, Use.self, Remove.self, Issue.self], defaultSubcommand: List.self)

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "List the contexts; the current one is marked.", discussion: "Example:\n  meshgate context list --output json")
        @OptionGroup var output: OutputOption
        func run() async throws {
            try await reporting {
                let file = try ContextFile.load()
                if output.output == .json { return Terminal.say(try CanonicalJSON.text(file)) }
                if file.contexts.isEmpty { return Terminal.say("no contexts; the local socket is used") }
                for (name, context) in file.contexts.sorted(by: { $0.key < $1.key }) {
                    Terminal.say("\(name == file.current ? "*" : " ") \(name)  \(context.server)")
                }
            }
        }
    }

    struct Add: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Add a remote coordinator.",
            discussion: """
                Example:
                  meshgate context add home --server https://coordinator.lan:7444 \\
                    --authority ca.crt --certificate me.crt --key me.key
                """)
        @Argument(help: "A name of your choice.") var name: String
        @Option(help: "https://HOST:PORT of its admin surface.") var server: String
        @Option(help: "The mesh's CA certificate, PEM.", completion: .file()) var authority: String
        @Option(help: "Your operator certificate, PEM.", completion: .file()) var certificate: String
        @Option(help: "Its private key, PEM.", completion: .file()) var key: String
        func run() async throws {
            try await reporting {
                guard server.hasPrefix("https://") else { throw Failure(.usage, "--server must start with https://") }
                var file = try ContextFile.load()
                file.contexts[name] = .init(
                    server: server, authority: absolute(authority), certificate: absolute(certificate), key: absolute(key))
                file.current = file.current ?? name
                try file.save()
                let use = file.current == name ? "commands ask it from now on" : "`meshgate context use \(name)` makes it the current one"
                Terminal.say("context \(name) added; \(use)")
            }
        }
    }

    struct Use: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Make a context the current one; `local` goes back to the socket.",
            discussion: "Examples:\n  meshgate context use home\n  meshgate context use local")
        @Argument(help: "A context, or `local`.") var name: String
        func run() async throws {
            try await reporting {
                var file = try ContextFile.load()
                guard name == "local" || file.contexts[name] != nil else { throw Failure(.no, "there is no context \"\(name)\"") }
                file.current = name == "local" ? nil : name
                try file.save()
                Terminal.say(name == "local" ? "commands ask the coordinator of this machine" : "commands ask \(name)")
            }
        }
    }

    struct Remove: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Forget a context; its files stay.", discussion: "Example:\n  meshgate context remove home")
        @Argument(help: "The context.") var name: String
        func run() async throws {
            try await reporting {
                var file = try ContextFile.load()
                guard file.contexts.removeValue(forKey: name) != nil else { throw Failure(.no, "there is no context \"\(name)\"") }
                if file.current == name { file.current = nil }
                try file.save()
            }
        }
    }

    struct Issue: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "On the coordinator's machine: make a certificate for a remote operator.",
            discussion: """
                Writes NAME.crt and NAME.key (0600) and ca.crt into --out.
                Example:
                  meshgate context issue alice --role admin --out ./alice
                """)
        @Argument(help: "The operator.") var name: String
        @Option(help: "admin or viewer.") var role: String = "viewer"
        @Option(help: "Directory for the files.", completion: .directory) var out: String
        @OptionGroup var connection: ConnectionOptions
        func run() async throws {
            try await reporting {
                guard let name = OperatorName(name) else { throw Failure(.usage, "\"\(name)\" is not \(OperatorName.grammar)") }
                guard let role = OperatorRole(rawValue: role) else { throw Failure(.usage, "--role is admin or viewer") }
                let files = LinuxFileStore()
                let state = StateDirectory(connection.stateDirectory)
                guard let mesh = try files.read(state.authority + "/mesh", limit: 1024) else {
                    throw Failure(.configuration, "\(state.path) holds no coordinator; run this on its machine, with its --state-dir")
                }
                let moment = SystemClock.now().wall
                let authority = try CertificateAuthority.open(
                    directory: state.authority, mesh: String(decoding: mesh, as: UTF8.self), files: files, now: moment)
                let key = try PrivateKey.generate()
                let certificate = try authority.issueOperator(name, role: role, key: key.publicKey, now: moment)
                let directory = absolute(out)
                try files.createDirectory(directory)
                try files.write(Array(try key.pem.utf8), to: "\(directory)/\(name).key")
                try files.write(Array(certificate.pem.utf8), to: "\(directory)/\(name).crt", mode: 0o644)
                try files.write(Array(authority.root.pem.utf8), to: directory + "/ca.crt", mode: 0o644)
                Terminal.say("\(directory)/\(name).crt, valid until \(certificate.notAfter), role \(role.rawValue)")
            }
        }
    }
}

var isRoot: Bool { geteuid() == 0 }
