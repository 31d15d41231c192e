// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import MeshModel
import MeshSystem
import MeshTrust
import Running

/// The contexts of a talosconfig.
package struct TalosContexts: Sendable {
    package var file: String
    /// The CA of each context as it is written there, by the context's name.
    package var authorities: [String: String]
    package init(file: String, authorities: [String: String]) {
        self.file = file
        self.authorities = authorities
    }
}

/// Finds the contexts of a mesh's clusters in kubeconfig and talosconfig and takes them out, once their machines are gone. A context is a cluster's
/// only by its name, its server and its CA together (in a talosconfig by name and CA), as they were when the cluster answered last: a name may
/// mean another cluster by now.
struct ContextsDriver: Sendable {
    let tools: Toolbox
    let spec: MeshSpec

    /// What the context of a cluster was when its server answered to it.
    struct Identity: Hashable, Codable {
        var context: String
        var server: String
        /// SHA-256 of the CA; absent where there was none.
        var apiCA: String?
    }

    /// Kept for the day on which nobody can ask the cluster any more.
    static func remember(_ access: ClusterAccess, of cluster: ClusterName, _ tools: Toolbox) throws {
        let identity = Identity(access)
        guard try recall(cluster, tools) != identity else { return }
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        try keep(Array(try encoder.encode(identity)), at: path(cluster, tools), tools)
    }

    /// The same of the talosconfig's context, through which machines of the cluster have just answered.
    static func rememberTalos(_ cluster: ClusterName, _ tools: Toolbox) throws {
        guard let authority = try tools.talosconfig()?.authorities[cluster.text] else { return }
        let digest = Array(Digest.sha256(Array(authority.utf8)).hex.utf8)
        guard try tools.files.read(talosPath(cluster, tools), limit: 1 << 10) != digest else { return }
        try keep(digest, at: talosPath(cluster, tools), tools)
    }

    private static func keep(_ bytes: [UInt8], at path: String, _ tools: Toolbox) throws {
        try tools.files.createDirectory(tools.workDirectory + "/contexts")
        try tools.files.write(bytes, to: path)
    }

    private static func recall(_ cluster: ClusterName, _ tools: Toolbox) throws -> Identity? {
        guard let bytes = try tools.files.read(path(cluster, tools), limit: 1 << 16) else { return nil }
        return try? JSONDecoder().decode(Identity.self, from: Data(bytes))
    }

    private static func path(_ cluster: ClusterName, _ tools: Toolbox) -> String { "\(tools.workDirectory)/contexts/\(cluster).json" }

    private static func talosPath(_ cluster: ClusterName, _ tools: Toolbox) -> String { "\(tools.workDirectory)/contexts/\(cluster).talos" }

    func observe() throws -> ContextsFact {
        let all = try tools.contexts()
        var fact = ContextsFact(file: tools.kubeconfig, present: [])
        for cluster in spec.clusters {
            guard let found = all[cluster.context] else { continue }
            if let problem = try stranger(found, cluster) {
                fact.foreign.append("\(cluster.context): \(problem)")
            } else {
                fact.present.append(cluster.name)
            }
        }
        guard let talos = try tools.talosconfig() else { return fact }
        fact.talosconfig = .init(file: talos.file, present: [])
        for cluster in spec.clusters where cluster.kind == .talos {
            guard let authority = talos.authorities[cluster.name.text] else { continue }
            let known = try tools.files.read(Self.talosPath(cluster.name, tools), limit: 1 << 10)
            if known == Array(Digest.sha256(Array(authority.utf8)).hex.utf8) {
                fact.talosconfig?.present.append(cluster.name)
            } else {
                fact.foreign.append(
                    "\(cluster.name) in \(talos.file): "
                        + (known == nil ? "no machine has ever answered through it" : "its CA is another than when machines answered last"))
            }
        }
        return fact
    }

    /// Why a context is not this cluster's; `nil` when it is.
    private func stranger(_ found: Result<ClusterAccess, DriverError>, _ cluster: MeshSpec.Cluster) throws -> String? {
        let access: ClusterAccess
        switch found {
        case .success(let usable): access = usable
        case .failure(let error): return "\(error)"
        }
        let now = Identity(access)
        guard let known = try Self.recall(cluster.name, tools) else {
            // Never seen by this coordinator. A pin says which CA it was fetched with, and mesh.yaml which server it is.
            guard let pin = access.pin, pin.apiCA == now.apiCA, access.server == cluster.endpoint else {
                return "this coordinator has never seen \(cluster.name) answer to it"
            }
            return nil
        }
        if let pin = access.pin, pin.apiCA != now.apiCA { return "its CA is not the one it was pinned to" }
        return known == now ? nil : "it leads to another server, or by another CA, than when \(cluster.name) answered last"
    }

    /// Takes out those that are theirs; all else in the files stays byte for byte, and the old files are kept beside them.
    func remove(_ names: [ClusterName]) async throws -> Outcome {
        let fact = try observe()
        let left = fact.foreign.isEmpty ? "" : "; left alone: \(fact.foreign.joined(separator: "; "))"
        var words: [String] = []
        func take(_ kind: SecretNames.Kind, _ contexts: [String], _ file: String) async throws {
            guard !contexts.isEmpty else { return }
            let kept = try await tools.removeContexts(kind, contexts)
            words.append("removed \(contexts.joined(separator: ", ")) from \(file), whose old content is in \(kept)")
        }
        let kubernetes = spec.clusters.filter { names.contains($0.name) && fact.present.contains($0.name) }
        try await take(.kubeconfig, kubernetes.map(\.context), fact.file)
        if let talos = fact.talosconfig {
            try await take(.talosconfig, talos.present.filter(names.contains).map(\.text), talos.file)
        }
        return .succeeded((words.isEmpty ? "none was there" : words.joined(separator: "; ")) + left)
    }
}

extension ContextsDriver.Identity {
    fileprivate init(_ access: ClusterAccess) {
        self.init(context: access.context, server: access.server, apiCA: access.authority.map { Digest.sha256($0).hex })
    }
}
