// SPDX-License-Identifier: Apache-2.0

internal import MeshModel
internal import MeshSystem

/// A firewall on a node that now and then drops the first packet of a connection from another cluster. TCP sends it again a second later, so
/// everything works and every port answers; only the kernel knows.
struct LabLossyFirewall: Hashable, Sendable {
    private static let table = "ip lossy_firewall"
    /// The last node of the last cluster.
    let node: LabTopology.Node
    private let from: String
    private let port: Int

    init?(_ topology: LabTopology) {
        guard let first = topology.clusters.first, let last = topology.clusters.last, first.name != last.name,
            let node = last.nodes.last
        else { return nil }
        (self.node, from, port) = (node, "\(first.cidr)", last.nodePort)
    }

    /// For nft in the node's namespace. The limit lets through what is sent again.
    var rules: [String] {
        [
            "add table \(Self.table)", "add chain \(Self.table) in { type filter hook input priority 0; }",
            "add rule \(Self.table) in ip saddr \(from) tcp dport \(port) tcp flags & (syn | ack) == syn limit rate 10/minute burst 1 packets counter drop",
        ]
    }

    /// Doing it twice is doing it once.
    static let repair = ["add table \(table)", "delete table \(table)"]

    var words: String { "a firewall on \(node.name) drops the first packet of a connection from \(from) now and then" }
}

extension LabFault {
    func install(_ firewall: LabLossyFirewall) async throws { try await nft(firewall.rules, on: firewall.node) }

    func remove(_ firewall: LabLossyFirewall) async throws { try await nft(LabLossyFirewall.repair, on: firewall.node) }

    private func nft(_ rules: [String], on node: LabTopology.Node) async throws {
        try await tools.run("ip", ["netns", "exec", node.namespace, "nft", "-f", "-"], input: rules.map { $0 + "\n" }.joined())
    }
}
