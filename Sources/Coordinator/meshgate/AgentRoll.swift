// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import MeshModel
import MeshSystem
import MeshTrust
import Synchronization

/// Which certificates were issued to which agents: what `revoke` needs, and the key that a warrant names.
final class AgentRoll: Sendable {
    struct Entry: Codable, Hashable, Sendable {
        var node: NodeID
        var serial: String
        var key: Digest
        var issued: Timestamp
        var ends: Timestamp
        /// The certificate itself, DER in base64, once the journal has it: what its key is answered that comes with its token again.
        var answer: String?
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
    func add(_ entry: Entry) throws { try change { $0.append(entry) } }

    /// Of a certificate that never left.
    func forget(_ serial: String) throws { try change { $0.removeAll { $0.serial == serial } } }

    func keepAnswer(_ certificate: Certificate) throws {
        try change { entries in
            for index in entries.indices where entries[index].serial == certificate.serial {
                entries[index].answer = Data(certificate.der).base64EncodedString()
            }
        }
    }

    /// The certificate that this key has as this node, while it is good: whoever asks again gets the same, and not one more.
    func answer(to key: Digest, as node: NodeID, at moment: Timestamp) -> Certificate? {
        let entry = entries.withLock { $0.last { $0.key == key && $0.node == node && $0.ends > moment && $0.answer != nil } }
        return entry?.answer.flatMap { Data(base64Encoded: $0) }.flatMap { try? Certificate(der: Array($0)) }
    }

    private func change(_ body: (inout [Entry]) -> Void) throws {
        try entries.withLock { entries in
            var changed = entries
            body(&changed)
            try files.write(try CanonicalJSON.encode(changed), to: path)
            entries = changed
        }
    }

    var nodes: Set<NodeID> { entries.withLock { Set($0.map(\.node)) } }
    func serials(of node: NodeID) -> [String] { entries.withLock { $0.filter { $0.node == node }.map(\.serial) } }
    func serials(of key: Digest) -> [String] { entries.withLock { $0.filter { $0.key == key }.map(\.serial) } }
    /// Of the newest certificate.
    func key(of node: NodeID) -> Digest? { entries.withLock { $0.last { $0.node == node }?.key } }
}
