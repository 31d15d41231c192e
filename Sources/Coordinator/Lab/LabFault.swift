// SPDX-License-Identifier: Apache-2.0

package import MeshSystem

/// Breaks the wire of one node the way a forgotten VLAN on a switch port does, and repairs it.
///
/// Every frame on the node's port of the cluster's network is dropped, in both directions, by nftables in the fabric's namespace; link and
/// addresses stay up, as they would. The management wire is not touched: the agent stays connected and can say what it no longer reaches.
package struct LabFault: Sendable {
    private let topology: LabTopology
    private let tools: LabTools

    package init(_ topology: LabTopology, runner: any CommandRunner) {
        self.topology = topology
        tools = LabTools(runner: runner)
    }

    /// Takes the node's port out of its cluster's VLAN. Doing it twice is doing it once.
    package func dropVLAN(of node: LabTopology.Node) async throws {
        let table = Self.table(node)
        let rules = """
            add table netdev \(table)
            delete table netdev \(table)
            add table netdev \(table)
            add chain netdev \(table) from { type filter hook ingress device "\(node.fabricPort)" priority 0; }
            add rule netdev \(table) from counter drop
            add chain netdev \(table) to { type filter hook egress device "\(node.fabricPort)" priority 0; }
            add rule netdev \(table) to counter drop

            """
        try await nft(["-f", "-"], input: rules)
    }

    /// Puts the port back. A port that is not broken is fine.
    package func repairVLAN(of node: LabTopology.Node) async throws {
        try await nft(["-f", "-"], input: "add table netdev \(Self.table(node))\ndelete table netdev \(Self.table(node))\n")
    }

    /// Frames that the broken port has swallowed; `nil` when it is whole.
    package func droppedFrames(of node: LabTopology.Node) async throws -> Int? {
        let listing = try await tools.attempt(
            "ip", ["netns", "exec", topology.fabric, "nft", "list", "table", "netdev", Self.table(node)])
        guard listing.succeeded else { return nil }
        let words = listing.outputText.split { $0 == " " || $0 == "\n" || $0 == "\t" }
        return zip(words, words.dropFirst()).filter { $0.0 == "packets" }.compactMap { Int($0.1) }.reduce(0, +)
    }

    private static func table(_ node: LabTopology.Node) -> String { "lost_vlan_\(node.number)" }

    private func nft(_ arguments: [String], input: String) async throws {
        try await tools.run("ip", ["netns", "exec", topology.fabric, "nft"] + arguments, input: input)
    }
}
