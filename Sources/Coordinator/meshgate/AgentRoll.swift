// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import MeshModel
import MeshSystem
import Synchronization

/// Which certificates were issued to which agents: what `revoke` needs, and the key that a warrant names.
final class AgentRoll: Sendable {
    struct Entry: Codable, Hashable, Sendable {
        var node: NodeID
        var serial: String
        var key: Digest
        var issued: Timestamp
        var ends: Timestamp
    }

    private let path: String
    private let files: any FileStore
    private let entries: Mutex<[Entry]>

    init(directory: String, files: any FileStore) throws {
        path = directory + "/agents.json"
        self.files = files
        guard let bytes = try files.read(path, limit: 64 << 20) else {
            entries = Mutex([])
            return
        }
        do {
            entries = Mutex(try CanonicalJSON.decode([Entry].self, from: bytes))
        } catch {
            throw Failure(.configuration, "\(path) is damaged (\(error)); restore it from a backup of the state directory")
        }
    }

    /// Durable before the certificate leaves.
    func add(_ entry: Entry) throws {
        try entries.withLock { entries in
            let grown = entries + [entry]
            try files.write(try CanonicalJSON.encode(grown), to: path)
            entries = grown
        }
    }

    var nodes: Set<NodeID> { entries.withLock { Set($0.map(\.node)) } }
    func serials(of node: NodeID) -> [String] { entries.withLock { $0.filter { $0.node == node }.map(\.serial) } }
    func serials(of key: Digest) -> [String] { entries.withLock { $0.filter { $0.key == key }.map(\.serial) } }
    /// Of the newest certificate.
    func key(of node: NodeID) -> Digest? { entries.withLock { $0.last { $0.node == node }?.key } }
}
