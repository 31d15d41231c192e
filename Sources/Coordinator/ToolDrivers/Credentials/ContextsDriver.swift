// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import MeshModel
import MeshSystem
import MeshTrust
import Running

/// Finds the contexts of a mesh's clusters in the kubeconfig and takes them out, once their machines are gone. A context is a cluster's only by its
/// name, its server and its CA together, as they were when the cluster answered last: a name may mean another cluster by now.
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
        try tools.files.createDirectory(tools.workDirectory + "/contexts")
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        try tools.files.write(Array(try encoder.encode(identity)), to: path(cluster, tools))
    }

    private static func recall(_ cluster: ClusterName, _ tools: Toolbox) throws -> Identity? {
        guard let bytes = try tools.files.read(path(cluster, tools), limit: 1 << 16) else { return nil }
        return try? JSONDecoder().decode(Identity.self, from: Data(bytes))
    }

    private static func path(_ cluster: ClusterName, _ tools: Toolbox) -> String { "\(tools.workDirectory)/contexts/\(cluster).json" }

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

    /// Takes out those that are theirs; all else in the file stays byte for byte, and the old file is kept beside it.
    func remove(_ names: [ClusterName]) async throws -> Outcome {
        let fact = try observe()
        let leaving = spec.clusters.filter { names.contains($0.name) && fact.present.contains($0.name) }.map(\.context)
        let left = fact.foreign.isEmpty ? "" : "; left alone: \(fact.foreign.joined(separator: "; "))"
        guard !leaving.isEmpty else { return .succeeded("none was there" + left) }
        let kept = try await tools.removeContexts(leaving)
        return .succeeded("removed \(leaving.joined(separator: ", ")) from \(fact.file), whose old content is in \(kept)" + left)
    }
}

extension ContextsDriver.Identity {
    fileprivate init(_ access: ClusterAccess) {
        self.init(context: access.context, server: access.server, apiCA: access.authority.map { Digest.sha256($0).hex })
    }
}
