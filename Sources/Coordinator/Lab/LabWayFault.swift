// SPDX-License-Identifier: Apache-2.0

internal import MeshModel
internal import MeshSystem

/// What can be wrong on the way between nodes while every link is up and every port answers a small packet.
enum LabWayFault: Hashable, Sendable {
    /// Large packets of one node vanish; those to it arrive.
    case mtuHole
    /// A firewall drops the tunnel's datagrams of one node, and nothing else.
    case droppedUDP
    /// A router puts its own address in place of those of one cluster.
    case nat

    /// The largest packet that gets through the hole.
    static let hole = 1400
    /// VXLAN, as the lab's mesh.yaml has it.
    static let tunnelPort = 8472

    /// The gate that has to notice; a test compares it with the product's own.
    var gate: String {
        switch self {
        case .mtuHole: "G-NET-06"
        case .droppedUDP: "G-NET-05"
        case .nat: "G-NET-09"
        }
    }

    private static let table = "spoiled_way"

    private var family: String { self == .nat ? "ip" : "netdev" }

    /// Rules for nft in the fabric's namespace. `node`: behind whose port something is wrong.
    func rules(_ node: LabTopology.Node, _ topology: LabTopology) -> [String] {
        let table = "\(family) \(Self.table)"
        func hook(_ name: String, _ direction: String) -> String {
            "add chain \(table) \(name) { type filter hook \(direction) device \"\(node.fabricPort)\" priority 0; }"
        }
        switch self {
        case .mtuHole:
            return ["add table \(table)", hook("from", "ingress"), "add rule \(table) from meta length > \(Self.hole) counter drop"]
        case .droppedUDP:
            return [
                "add table \(table)", hook("from", "ingress"), "add rule \(table) from udp dport \(Self.tunnelPort) counter drop",
                hook("to", "egress"), "add rule \(table) to udp dport \(Self.tunnelPort) counter drop",
            ]
        case .nat:
            guard let first = topology.clusters.first, let last = topology.clusters.last, first.name != last.name else { return [] }
            return [
                "add table \(table)", "add chain \(table) out { type nat hook postrouting priority 100; }",
                "add rule \(table) out ip saddr \(first.cidr) ip daddr \(last.cidr) counter masquerade",
            ]
        }
    }

    /// Doing it twice is doing it once.
    var repair: [String] { ["add table \(family) \(Self.table)", "delete table \(family) \(Self.table)"] }

    func words(_ node: LabTopology.Node, _ topology: LabTopology) -> String {
        switch self {
        case .mtuHole: "packets of more than \(Self.hole) bytes from \(node.name) vanish on their way; those to it arrive"
        case .droppedUDP: "a firewall before \(node.name) drops UDP \(Self.tunnelPort), and lets everything else through"
        case .nat:
            "the router puts its own address in place of those of \(topology.clusters.first?.name.text ?? "") towards "
                + "\(topology.clusters.last?.name.text ?? "")"
        }
    }
}

extension LabFault {
    /// Spoils the way of the node, or of its cluster.
    func spoil(_ fault: LabWayFault, _ node: LabTopology.Node) async throws { try await nft(fault.rules(node, topology)) }

    func repair(_ fault: LabWayFault) async throws { try await nft(fault.repair) }

    private func nft(_ rules: [String]) async throws {
        try await tools.run(
            "ip", ["netns", "exec", topology.fabric, "nft", "-f", "-"], input: rules.map { $0 + "\n" }.joined())
    }
}
