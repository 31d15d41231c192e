// SPDX-License-Identifier: Apache-2.0

internal import MeshModel
internal import MeshSystem

/// What a switch can make of one port of a tagged network while its link is up and everything else gets through. They are planted together,
/// each on a node of its own.
package enum LabVLANFault: String, Hashable, Sendable, CaseIterable {
    /// The VLAN is not a member of the port: tagged frames of the node vanish.
    case untagged
    /// The switch inspects ARP and does not know the node: it is there, and nobody hears of it.
    case silent
    /// The port puts a tag of its own in front of the node's.
    case doubled
    /// The VLAN is the port's native one: what the node sends without a tag gets into it.
    case leaking

    /// The tag that a port puts in front of another.
    static let outerTag = 4000

    /// How the product tells it from the others; a test compares the words with the product's own.
    package var mark: String {
        switch self {
        case .untagged: "the VLAN is not tagged on this port"
        case .silent: "nor frames without a tag"
        case .doubled: "have two tags"
        case .leaking: "get into VLAN"
        }
    }

    /// The node whose port it is: workers in the order of the lab, so that no fault hides another one.
    func victim(_ topology: LabTopology) -> LabTopology.Node? {
        let workers = topology.nodes.filter { $0.role == .worker }
        guard let place = Self.allCases.firstIndex(of: self), place < workers.count else { return nil }
        return workers[place]
    }

    /// Rules for nft in the fabric's namespace, on the port of the node. A switch drops the same ways out; dropping the ways in is enough, because
    /// no answer comes back.
    func rules(_ node: LabTopology.Node) -> [String] {
        let table = "netdev \(Self.table(node))"
        let drops =
            switch self {
            case .untagged: ["vlan id \(LabTopology.trunkVLAN) counter drop"]
            // The kernel has taken the tag off by here: ARP is both the tagged and the plain.
            case .silent: ["meta protocol arp counter drop"]
            // Those that `LabTagPort` sends on in another form.
            case .doubled: ["vlan id \(LabTopology.trunkVLAN) counter drop"]
            case .leaking: ["vlan id \(LabTopology.trunkVLAN) accept", "meta protocol arp counter drop"]
            }
        return Self.repair(node) + [
            "add table \(table)", "add chain \(table) from { type filter hook ingress device \"\(node.trunkPort)\" priority 0; }",
        ] + drops.map { "add rule \(table) from \($0)" }
    }

    /// Doing it twice is doing it once.
    static func repair(_ node: LabTopology.Node) -> [String] {
        ["add table netdev \(table(node))", "delete table netdev \(table(node))"]
    }

    private static func table(_ node: LabTopology.Node) -> String { "vlan_fault_\(node.number)" }

    /// What the switch's port makes of frames that are not dropped for good; absent where it makes nothing.
    var tagging: LabTagging? {
        switch self {
        case .untagged, .silent: nil
        case .doubled: LabTagging(vlan: LabTopology.trunkVLAN, outer: Self.outerTag)
        case .leaking: LabTagging(vlan: LabTopology.trunkVLAN, outer: nil)
        }
    }

    func words(_ node: LabTopology.Node) -> String {
        let vlan = LabTopology.trunkVLAN
        return switch self {
        case .untagged: "the switch port of \(node.name) does not carry VLAN \(vlan)"
        case .silent: "the switch inspects ARP on the port of \(node.name), and drops it: nobody hears it any more"
        case .doubled: "the switch port of \(node.name) tags with VLAN \(Self.outerTag) what is tagged with \(vlan) already"
        case .leaking: "VLAN \(vlan) is the native one of the switch port of \(node.name)"
        }
    }
}

extension LabFault {
    func plant(_ fault: LabVLANFault, _ node: LabTopology.Node) async throws { try await apply(fault.rules(node)) }

    func repairTrunk(of node: LabTopology.Node) async throws { try await apply(LabVLANFault.repair(node)) }

    private func apply(_ rules: [String]) async throws {
        try await tools.run(
            "ip", ["netns", "exec", topology.fabric, "nft", "-f", "-"], input: rules.map { $0 + "\n" }.joined())
    }
}
