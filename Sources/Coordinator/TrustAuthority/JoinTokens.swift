// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
package import MeshModel
package import MeshSystem
import MeshTrust
import Synchronization

/// One-time join tokens. Only their hashes are kept; spending one is a single durable write, under one lock, before anything is issued.
package final class JoinTokens: Sendable {
    /// One invitation, as it is stored.
    private struct Record: Codable {
        var hash: Digest
        var node: NodeID
        var until: Timestamp
        var by: String
        /// The key that spent it. That very key may come again until the end: its first answer may have been lost.
        var spentBy: Digest?
    }

    private let path: String
    private let files: any FileStore
    private let records: Mutex<[Record]>

    package static let longestLife = Duration.seconds(24 * 3600)

    package init(directory: String, files: any FileStore) throws {
        path = directory + "/join-tokens.json"
        self.files = files
        do {
            guard let bytes = try files.read(path, limit: 16 << 20) else {
                records = Mutex([])
                return
            }
            records = Mutex(try JSONDecoder().decode([Record].self, from: Data(bytes)))
        } catch let error as DecodingError {
            throw AuthorityError.damaged(path: path, problem: "\(error)")
        } catch {
            throw AuthorityError.unreadable(path: path, cause: error)
        }
    }

    /// A new token for one node. It is shown once and cannot be read again.
    package func invite(_ node: NodeID, life: Duration, by: String, pin: Digest, entropy: some Entropy, now: Timestamp) throws -> String {
        let secret = try entropy.hexID(byteCount: 32)
        let record = Record(hash: Self.hash(secret), node: node, until: now + min(life, Self.longestLife), by: by)
        try records.withLock { records in
            let kept = records.filter { $0.until > now } + [record]
            try save(kept)
            records = kept
        }
        return "mgj1.\(secret).\(pin.hex)"
    }

    /// Spends a token for `key`. Exactly one key ever gets through, whatever races.
    package func spend(_ token: String, node: NodeID, key: Digest, now: Timestamp) throws(EnrolmentProblem) {
        let parts = token.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 3, parts[0] == "mgj1", parts[1].utf8.count == 64 else { throw .unknownToken }
        let hash = Self.hash(String(parts[1]))
        let problem: EnrolmentProblem? = records.withLock { records in
            guard let index = records.firstIndex(where: { $0.hash == hash }) else { return .unknownToken }
            let record = records[index]
            guard record.until > now else { return .expiredToken(record.until) }
            guard record.node == node else { return .otherNode(node) }
            if let spentBy = record.spentBy { return spentBy == key ? nil : .spentToken }
            var changed = records
            changed[index].spentBy = key
            do {
                try save(changed)
            } catch {
                return .badRequest("the coordinator could not record the token: \(error)")
            }
            records = changed
            return nil
        }
        if let problem { throw problem }
    }

    /// Forgets every token of a node, spent or not: whoever is put out must not come back with one.
    package func void(_ node: NodeID) throws {
        try records.withLock { records in
            let kept = records.filter { $0.node != node }
            if kept.count == records.count { return }
            try save(kept)
            records = kept
        }
    }

    private static func hash(_ secret: String) -> Digest { Digest.sha256(Array("meshgate-join-token:\(secret)".utf8)) }

    private func save(_ records: [Record]) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys]
        try files.write(Array(try encoder.encode(records)), to: path)
    }
}
