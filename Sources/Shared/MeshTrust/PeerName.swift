// SPDX-License-Identifier: Apache-2.0

package import MeshModel

/// The name of a person at the command line.
package struct OperatorName: Identifier {
    package let text: String
    package init?(_ text: String) {
        guard (1...63).contains(text.utf8.count), text.utf8.first.map(Self.isPlain) == true,
            text.utf8.allSatisfy({ Self.isPlain($0) || ".@-_".utf8.contains($0) })
        else { return nil }
        self.text = text
    }
    package static var grammar: String { "an operator name (a-z, 0-9, '.', '@', '_' and '-', at most 63, starting with a letter or digit)" }

    private static func isPlain(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte) || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
    }
}

/// What a person may do: `viewer` reads, `admin` also starts, stops and overrides.
package enum OperatorRole: String, Hashable, Sendable, Codable, CaseIterable { case admin, viewer }

/// Who a certificate names. There is exactly one URI for each name in a mesh.
package enum PeerName: Hashable, Sendable, CustomStringConvertible {
    case agent(NodeID)
    case coordinator
    case `operator`(OperatorName, OperatorRole)

    /// `meshgate://MESH/agent/NODE`, `meshgate://MESH/coordinator`, `meshgate://MESH/operator/ROLE/NAME`.
    package func uri(mesh: String) -> String { "meshgate://\(mesh)/\(description)" }

    package var description: String {
        switch self {
        case .agent(let node): "agent/\(node)"
        case .coordinator: "coordinator"
        case .operator(let name, let role): "operator/\(role.rawValue)/\(name)"
        }
    }

    /// What the name is a name of.
    package var kind: PeerKind {
        switch self {
        case .agent: .agent
        case .coordinator: .coordinator
        case .operator: .operator
        }
    }

    /// The mesh and the name in a URI; `nil` unless it is written exactly as `uri(mesh:)` writes it.
    package static func parse(_ uri: String) -> (mesh: String, name: PeerName)? {
        let parts = uri.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
        guard parts.count >= 4, let name = name(Array(parts[3...])), isMeshName(parts[2]),
            uri.utf8.elementsEqual(name.uri(mesh: parts[2]).utf8)
        else { return nil }
        return (parts[2], name)
    }

    private static func name(_ parts: [String]) -> PeerName? {
        switch (parts.first, parts.count) {
        case ("agent", 2): NodeID(parts[1]).map(PeerName.agent)
        case ("coordinator", 1): .coordinator
        case ("operator", 3):
            if let role = OperatorRole(rawValue: parts[1]), let name = OperatorName(parts[2]) { .operator(name, role) } else { nil }
        default: nil
        }
    }
}

/// What a peer must be at this door.
package enum PeerKind: String, Hashable, Sendable, CaseIterable { case agent, coordinator, `operator` }

/// A mesh is named by the grammar of a cluster.
func isMeshName(_ text: String) -> Bool { ClusterName(text) != nil }
