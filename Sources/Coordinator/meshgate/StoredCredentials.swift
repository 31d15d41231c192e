// SPDX-License-Identifier: Apache-2.0

import MeshConfig
import MeshHTTP
import MeshModel
import MeshSystem
import ToolDrivers

/// What the plan's step `mesh/secrets` stores, and where.
enum StoredCredentials {
    /// The context that the coordinator uses for a cluster, cut out of its own files.
    static func read(_ kind: SecretNames.Kind, of cluster: MeshSpec.Cluster, kubeconfig: String, files: some FileStore) throws -> Secret {
        switch kind {
        case .kubeconfig:
            let text = try load(kubeconfig, files)
            guard let alone = try KubeconfigDocument(parsing: text, file: kubeconfig).alone(cluster.context, file: kubeconfig) else {
                throw Failure(.configuration, "\(kubeconfig) has no context \(cluster.context)")
            }
            return Secret(alone)
        case .talosconfig:
            let path = talosconfig
            guard let alone = try TalosconfigDocument(parsing: try load(path, files), file: path).alone(cluster.name.text) else {
                throw Failure(.configuration, "\(path) has no context \(cluster.name)")
            }
            return Secret(alone)
        }
    }

    /// As talosctl itself looks for it.
    private static var talosconfig: String { environment("TALOSCONFIG") ?? absolute("~/.talos/config") }

    /// `nil` where there is no such file.
    static func talosContexts(_ files: some FileStore) throws -> TalosContexts? {
        let path = resolved(talosconfig)
        guard let bytes = try files.read(path, limit: CredentialFile.longest) else { return nil }
        let document = try TalosconfigDocument(parsing: String(decoding: bytes, as: UTF8.self), file: path)
        return TalosContexts(
            file: path,
            authorities: Dictionary(
                document.contextNames.map { ($0, document.authority(of: $0) ?? "") }, uniquingKeysWith: { first, _ in first }))
    }

    private static func load(_ path: String, _ files: some FileStore) throws -> String {
        guard let bytes = try files.read(resolved(path), limit: CredentialFile.longest) else {
            throw Failure(.configuration, "there is no file \(path)")
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// The store that mesh.yaml names; its token is the coordinator's own.
    static func store(_ place: MeshSpec.Secrets, http: any HTTPClient) throws -> any SecretStore {
        guard let token = environment("DOPPLER_TOKEN") else { throw SecretError.noToken(variable: "DOPPLER_TOKEN") }
        return try DopplerStore(http: http, token: Secret(token), project: place.dopplerProject, config: place.dopplerConfig)
    }

    /// Takes contexts out of a file, all or none; the old content stays in a file of its own, whose path is returned.
    static func remove(_ kind: SecretNames.Kind, _ contexts: [String], kubeconfig: String, files: some FileStore) async throws -> String {
        let path = resolved(kind == .kubeconfig ? kubeconfig : talosconfig)
        return try await CredentialTools.locked(path) {
            let file = CredentialFile(path, files: files)
            guard let old = try file.read() else { throw Failure(.configuration, "there is no file \(path)") }
            var text = String(decoding: old, as: UTF8.self)
            for context in contexts {
                switch kind {
                case .kubeconfig: text = try KubeconfigSurgery.removing(context, from: text, file: path)
                case .talosconfig: text = try TalosconfigSurgery.removing(context, from: text, file: path)
                }
            }
            let kept = path + ".before-teardown"
            try files.write(old, to: kept)
            try await file.replace(with: Array(text.utf8)) { written in
                let text = String(decoding: written, as: UTF8.self)
                let left =
                    switch kind {
                    case .kubeconfig: try KubeconfigDocument(parsing: text, file: path).contextNames
                    case .talosconfig: try TalosconfigDocument(parsing: text, file: path).contextNames
                    }
                guard Set(left).isDisjoint(with: contexts) else {
                    throw Failure(.io, "\(path) still has what was taken out")
                }
            }
            return kept
        }
    }
}
