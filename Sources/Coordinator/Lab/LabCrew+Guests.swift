// SPDX-License-Identifier: Apache-2.0

internal import MeshModel

/// What goes wrong with machines on the hypervisor, and how a person mends it.
extension LabCrew {
    /// A VLAN of nobody's.
    private static let wrongTag = 999

    /// Of the last node, before anybody has looked.
    func spoilGuest(_ story: LabStory) throws {
        guard let node = topology.nodes.last else { return }
        try guests.write()
        try guests.write(node, tag: Self.wrongTag)
        story.tell("on the hypervisor the card of \(node.name) has VLAN \(Self.wrongTag)", .bad)
    }

    func repairGuest(_ story: LabStory) async throws {
        guard let node = topology.nodes.last, let host = NodeID(LabTopology.hypervisor) else { return }
        story.tell(Self.essence(try await product.checkHost([host])), .quote)
        try guests.write(node)
        story.tell("the card of \(node.name) has no VLAN of its own any more: its bridge is in the right one", .good)
    }
}
