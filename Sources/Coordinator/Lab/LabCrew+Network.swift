// SPDX-License-Identifier: Apache-2.0

internal import MeshModel
internal import MeshSystem

/// What goes wrong on nodes' own networks, and how a person mends it.
extension LabCrew {
    /// The last two nodes of the last cluster.
    private var victims: ArraySlice<LabTopology.Node> { topology.nodes.suffix(2) }

    func spoilRoutes(_ story: LabStory) async throws {
        guard let first = victims.first, let last = victims.last else { return }
        try await fault.addSecondRoute(to: first)
        story.tell("\(first.name) has got a second default route, by its management network", .bad)
        try await fault.removeRoute(of: last)
        story.tell("\(last.name) has lost its default route", .bad)
    }

    func repairRoutes(_ story: LabStory) async throws {
        story.tell(Self.essence(try await product.checkNetwork(victims.map(\.name))), .quote)
        for node in victims {
            try await fault.repairRoutes(of: node)
            story.tell("\(node.name) has its one default route again", .good)
        }
    }

    /// From the cable to the entry in the journal, as the coordinator's own clock tells it: both are this machine's.
    func pullCable(under step: StepID, _ story: LabStory) async throws {
        guard let node = victim(of: step) else { return }
        let began = SystemClock.now().wall
        try await fault.pullCable(of: node)
        story.tell("the cable of \(node.name) is pulled", .bad)
        let heard = try await LabPatience.value(
            "hear that the link of \(node.name) is lost", for: .seconds(10), remedy: "see the log of its agent"
        ) { try await product.timeOfEvent("stepRegressed") }
        let took = (heard - began).inMilliseconds
        story.tell("the gate has closed \(took) ms after the cable was pulled, told by the agent unasked", .good)
    }

    func plugCables(_ story: LabStory) async throws {
        for cluster in topology.clusters {
            guard let node = cluster.nodes.last else { continue }
            try await fault.plugCable(of: node)
        }
        story.tell("the cable is plugged in again", .good)
    }

    func spoilWay(_ wrong: LabWayFault, _ story: LabStory) async throws {
        guard let node = topology.nodes.last else { return }
        try await fault.spoil(wrong, node)
        story.tell(wrong.words(node, topology), .bad)
    }

    func repairWay(_ wrong: LabWayFault, _ story: LabStory) async throws {
        guard let node = wrong == .nat ? topology.nodes.first : topology.nodes.last else { return }
        story.tell(Self.essence(try await product.checkNetwork([node.name])), .quote)
        try await fault.repair(wrong)
        story.tell("the way is as it should be", .good)
    }

    func installFirewall(_ story: LabStory) async throws {
        guard let firewall = LabLossyFirewall(topology) else { return }
        try await fault.install(firewall)
        story.tell(firewall.words, .bad)
    }

    /// The person reads which packets the kernel dropped before they look for the rule.
    func removeFirewall(_ story: LabStory) async throws {
        guard let firewall = LabLossyFirewall(topology) else { return }
        let seen = try await product.feed(["--node", firewall.node.name.text, "--kind", "packet_drop", "--reason", LabDirector.dropReason])
        guard let line = seen.split(separator: "\n").last(where: { $0.contains(LabDirector.dropReason) }) else {
            throw LabError.unexpected(doing: "read which packets \(firewall.node.name) dropped", found: seen)
        }
        story.tell(String(line), .quote)
        try await fault.remove(firewall)
        story.tell("the rule is gone from \(firewall.node.name); a minute without a drop opens the gate", .good)
    }

    /// All of them before anybody has looked.
    func spoilPorts(_ story: LabStory) async throws {
        for wrong in LabVLANFault.allCases {
            guard let node = wrong.victim(topology) else { continue }
            try await fault.plant(wrong, node)
            if let tagging = wrong.tagging {
                let others = topology.nodes.filter { $0.name != node.name }.map(\.trunkPort)
                try processes.start(
                    Self.portName(node), program, LabTagPort.arguments(tagging, from: node.trunkPort, to: others),
                    in: .network(topology.fabric))
            }
            story.tell(wrong.words(node), .bad)
        }
    }

    /// The person reads what the product says of that node before they touch its port; it has to name the fault, the node and its link.
    func repairPort(_ wrong: LabVLANFault, _ story: LabStory) async throws {
        guard let node = wrong.victim(topology) else { return }
        let lines = try await product.checkNetwork([node.name]).split(separator: "\n")
        guard let line = lines.first(where: { $0.contains(wrong.mark) && $0.contains("\(LabTopology.trunkNIC) of \(node.name)") }) else {
            throw LabError.unexpected(
                doing: "read what is wrong with the port of \(node.name)", found: lines.joined(separator: "; "))
        }
        story.tell(String(line), .quote)
        try processes.stop(Self.portName(node))
        try await fault.repairTrunk(of: node)
        story.tell("the switch port of \(node.name) is set as the others are", .good)
    }

    private static func portName(_ node: LabTopology.Node) -> String { "switch-port-\(node.number)" }

    /// Both before anybody has looked.
    func leaveBehind(_ story: LabStory) async throws {
        for leftover in LabLeftover.allCases {
            guard let node = leftover.victim(topology) else { continue }
            try await fault.run(leftover.plant(node))
            story.tell(leftover.words(node), .bad)
        }
    }

    func remove(_ leftover: LabLeftover, _ story: LabStory) async throws {
        guard let node = leftover.victim(topology) else { return }
        let said = leftover == .links ? try await product.checkNetwork([node.name]) : try await product.checkHost([node.name])
        story.tell(Self.essence(said), .quote)
        try await fault.run(leftover.remove(node))
        story.tell("\(node.name) is rid of its \(leftover.rawValue)", .good)
    }

    /// Nobody runs anything any more: what the watching coordinator says, and when.
    func loseLinkAfterwards(_ story: LabStory) async throws {
        guard let node = topology.nodes.last else { return }
        try await fault.pullCable(of: node)
        story.tell("the run is over, and the cable of \(node.name) is pulled", .bad)
        _ = try await LabPatience.value(
            "read in the feed that ground was lost", for: .seconds(20), remedy: "see the log of its agent"
        ) { try await product.timeOfEvent("stepRegressed") }
        let lines = try await product.statusText().split(separator: "\n").filter { $0.contains(node.name.text) || $0.contains("ground") }
        guard lines.contains(where: { $0.contains(LabTopology.nic) }) else {
            throw LabError.unexpected(doing: "read in the status that a link is lost", found: lines.joined(separator: "; "))
        }
        story.tell(lines.joined(separator: "\n"), .quote)
        try await fault.plugCable(of: node)
        story.tell("the cable is plugged in again", .good)
        _ = try await LabPatience.value(
            "read in the feed that the ground is good again", for: .seconds(60), remedy: "see the log of its agent"
        ) { try await product.timeOfEvent("stepRecovered") }
        story.tell("the feed says that the ground is good again", .good)
    }

    private func victim(of step: StepID) -> LabTopology.Node? {
        topology.clusters.first { step.text.hasPrefix($0.name.text + "/") }?.nodes.last
    }
}
