// SPDX-License-Identifier: Apache-2.0

internal import MeshModel
package import MeshSystem

/// Breaks the wire of one node the way a forgotten VLAN on a switch port does, and repairs it.
///
/// Every frame on the node's port of the cluster's network is dropped, in both directions, by nftables in the fabric's namespace; link and
/// addresses stay up, as they would. The management wire is not touched: the agent stays connected and can say what it no longer reaches.
package struct LabFault: Sendable {
    let topology: LabTopology
    let tools: LabTools

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

    /// Pulls the cable of the node's NIC at its other end: it stays up and has no carrier. The kernel keeps routes of such a link.
    package func pullCable(of node: LabTopology.Node) async throws { try await setPort(of: node, "down") }

    /// Plugs it in again.
    package func plugCable(of node: LabTopology.Node) async throws { try await setPort(of: node, "up") }

    private func setPort(of node: LabTopology.Node, _ state: String) async throws {
        try await tools.run("ip", ["-n", topology.fabric, "link", "set", "dev", node.fabricPort, state])
    }

    /// A program with its arguments, as a person would type it.
    func run(_ command: [String]) async throws { try await tools.run(command[0], Array(command.dropFirst())) }

    /// Gives the node a second default route, by the management network, as a second DHCP server would.
    package func addSecondRoute(to node: LabTopology.Node) async throws {
        try await tools.run("ip", ["-n", node.namespace] + secondRoute("replace"))
    }

    /// Takes the node's only default route away.
    package func removeRoute(of node: LabTopology.Node) async throws {
        try await tools.run("ip", ["-n", node.namespace, "route", "delete", "default", "dev", LabTopology.nic])
    }

    /// One default route, by the gateway of the node's cluster, whatever there was before.
    package func repairRoutes(of node: LabTopology.Node) async throws {
        let gateway = try topology.cluster(of: node).gateway.description
        // There is none to delete on a node that had lost its own.
        _ = try await tools.attempt("ip", ["-n", node.namespace] + secondRoute("delete"))
        try await tools.run("ip", ["-n", node.namespace, "route", "replace", "default", "via", gateway, "dev", LabTopology.nic])
    }

    private func secondRoute(_ verb: String) -> [String] {
        ["route", verb, "default", "via", topology.coordinator.description, "dev", LabTopology.managementNIC, "metric", "100"]
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
