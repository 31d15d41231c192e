// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import MeshConfig
import MeshHTTP
import MeshModel
import MeshSystem
import ToolDrivers

/// `meshgate secrets`: the clusters' credentials in a store of secrets.
struct SecretsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "secrets",
        abstract: "Keep the clusters' credentials in Doppler or in files, and sweep out those of clusters that are gone.",
        discussion: """
            Values are never printed. Doppler's project and config come from `secrets.doppler` of mesh.yaml, its token from DOPPLER_TOKEN.

            Examples:
              meshgate secrets put talos-east --kubeconfig east.kubeconfig --talosconfig talosconfig
              meshgate secrets check
              meshgate secrets sweep
              meshgate secrets sweep --delete
              meshgate secrets check --directory /srv/meshgate/secrets
            """,
        subcommands: [SecretsPutCommand.self, SecretsCheckCommand.self, SecretsSweepCommand.self])
}

/// Which mesh, and which store.
struct SecretStoreOptions: ParsableArguments {
    @OptionGroup var mesh: MeshOption
    @Option(help: "A directory with a file for each secret, instead of Doppler.", completion: .directory) var directory: String?

    func open(_ spec: MeshSpec) throws -> any SecretStore {
        if let directory { return FileSecretStore(directory: absolute(directory), files: LinuxFileStore()) }
        guard let doppler = spec.secrets else {
            throw Failure(.configuration, "\(mesh.mesh) has no `secrets: { doppler: { project, config } }`; add it, or give --directory")
        }
        guard let token = environment("DOPPLER_TOKEN") else {
            throw Failure(.configuration, "\(SecretError.noToken(variable: "DOPPLER_TOKEN"))")
        }
        return try DopplerStore(
            http: try CurlHTTPClient(), token: Secret(token), project: doppler.dopplerProject, config: doppler.dopplerConfig)
    }

    /// An error of the store as the command line tells it.
    func telling<Value>(_ body: () async throws -> Value) async throws -> Value {
        do {
            return try await body()
        } catch let error as SecretError {
            throw Failure(error.isAboutPermission ? .notPermitted : .unavailable, "\(error)")
        } catch let error as HTTPClientError {
            throw Failure(.unavailable, "the store of secrets does not answer: \(error)")
        }
    }
}

extension SecretError {
    fileprivate var isAboutPermission: Bool {
        switch self {
        case .uselessToken, .unauthorised, .forbidden, .restricted, .readOnly, .noToken: true
        case .badName, .limited, .answered, .unreadable: false
        }
    }
}

/// `meshgate secrets put`.
struct SecretsPutCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "put", abstract: "Store a cluster's kubeconfig and talosconfig, and read them back.",
        discussion: "Example:\n  meshgate secrets put talos-east --kubeconfig east.kubeconfig")
    @OptionGroup var store: SecretStoreOptions
    @Argument(help: "The cluster.") var cluster: String
    @Option(help: "The cluster's kubeconfig.", completion: .file()) var kubeconfig: String?
    @Option(help: "The cluster's talosconfig.", completion: .file()) var talosconfig: String?

    func run() async throws {
        try await reporting {
            let spec = try store.mesh.read().spec
            guard let name = ClusterName(cluster), spec.cluster(name) != nil else {
                throw Failure(.usage, "\(store.mesh.mesh) has no cluster \"\(cluster)\"")
            }
            var wanted: [String: Secret] = [:]
            for (kind, path) in [(SecretNames.Kind.kubeconfig, kubeconfig), (.talosconfig, talosconfig)] {
                guard let path else { continue }
                wanted[SecretNames.name(kind, of: name, mesh: spec.name)] = Secret(try readText(path))
            }
            guard !wanted.isEmpty else { throw Failure(.usage, "name a file with --kubeconfig or --talosconfig") }
            let left = try await store.telling { try await store.open(spec).settle(wanted) }
            guard left.isEmpty else {
                throw Failure(.no, "read back, and not what was written: \(left.sorted().joined(separator: ", "))")
            }
            for name in wanted.keys.sorted() { Terminal.say("\(name): stored and read back") }
        }
    }
}

/// `meshgate secrets check`.
struct SecretsCheckCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check", abstract: "Say of each cluster's credentials whether they are stored and can be read.",
        discussion: "Example:\n  meshgate secrets check\n\nExit code 1 when one is missing.")
    @OptionGroup var store: SecretStoreOptions

    func run() async throws {
        try await reporting {
            let spec = try store.mesh.read().spec
            let names = spec.clusters.flatMap { cluster in
                SecretNames.Kind.allCases.map { SecretNames.name($0, of: cluster.name, mesh: spec.name) }
            }
            let found = try await store.telling { try await store.open(spec).read(Set(names)) }
            for name in names {
                // A digest's beginning, to compare two machines by; the value is never shown.
                Terminal.say("\(name): \(found[name].map { "stored, sha256 \($0.digest.hex.prefix(12))" } ?? "missing")")
            }
            if found.count < names.count { throw Exit.no.code }
        }
    }
}

/// `meshgate secrets sweep`.
struct SecretsSweepCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sweep", abstract: "Name the stored credentials of clusters that mesh.yaml no longer has.",
        discussion: """
            Only names of the form that `put` gives, and of this mesh, are ever touched. Nothing is deleted without --delete.

            Example:
              meshgate secrets sweep --delete
            """)
    @OptionGroup var store: SecretStoreOptions
    @Flag(help: "Delete them.") var delete = false

    func run() async throws {
        try await reporting {
            let spec = try store.mesh.read().spec
            let store = try await self.store.telling { try self.store.open(spec) }
            let stale = SecretNames.stale(
                in: try await self.store.telling { try await store.names() }, mesh: spec.name, clusters: spec.clusters.map(\.name))
            guard !stale.isEmpty else { return Terminal.say("nothing is stale") }
            if delete {
                try await self.store.telling { try await store.delete(stale) }
                let left = try await self.store.telling { try await store.names() }.intersection(stale)
                guard left.isEmpty else { throw Failure(.no, "still there: \(left.sorted().joined(separator: ", "))") }
            }
            for name in stale.sorted() { Terminal.say("\(name): \(delete ? "deleted" : "stale")") }
        }
    }
}
