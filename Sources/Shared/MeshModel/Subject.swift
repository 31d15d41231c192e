// SPDX-License-Identifier: Apache-2.0

/// What evidence speaks of: a machine, or a cluster (or the mesh) as the coordinator's drivers saw it.
package enum Subject: Hashable, Sendable, Codable, Comparable, CustomStringConvertible {
    case mesh
    case cluster(ClusterName)
    case node(NodeID)
    /// A service of the mesh as a whole, on however many clusters.
    case service(String)

    package var description: String {
        switch self {
        case .mesh: "mesh"
        case .cluster(let name): "cluster \(name)"
        case .node(let id): "node \(id)"
        case .service(let name): "service \(name)"
        }
    }

    /// From what `description` gives.
    package init?(_ text: String) {
        let words = text.split(separator: " ", omittingEmptySubsequences: false).map(String.init)
        switch (words.first, words.count) {
        case ("mesh", 1): self = .mesh
        case ("cluster", 2):
            guard let name = ClusterName(words[1]) else { return nil }
            self = .cluster(name)
        case ("node", 2):
            guard let node = NodeID(words[1]) else { return nil }
            self = .node(node)
        case ("service", 2):
            // As mesh.yaml names it.
            guard let name = NodeID(words[1]) else { return nil }
            self = .service(name.text)
        default: return nil
        }
    }

    package init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        let text = try container.decode(String.self)
        guard let value = Subject(text) else {
            throw DecodingError.dataCorruptedError(
                in: container, debugDescription: "\"\(text)\" is not `mesh`, `cluster NAME`, `node NAME` or `service NAME`")
        }
        self = value
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }
}
