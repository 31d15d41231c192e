// SPDX-License-Identifier: Apache-2.0

internal import MeshModel
internal import MeshSystem

/// The hands of a story: everything that acts on a lab that is up, each act told as it happens.
struct LabCrew: Sendable {
    let product: any LabProduct
    let topology: LabTopology
    private let plan: LabPlan
    let paths: LabPaths
    private let agents: LabAgents
    let clusters: LabStandInClusters
    let processes: LabProcesses
    let program: String
    private let approver: LabApprover
    private let proxmox: LabProxmox
    let guests: LabHypervisor
    let fault: LabFault
    let runner: any CommandRunner

    init(_ builder: LabBuilder, ledger: LabLedger, meshgate: String, runner: any CommandRunner) throws {
        topology = builder.topology
        self.runner = runner
        plan = builder.plan
        paths = builder.paths
        processes = LabProcesses(paths: paths, marker: ledger.marker)
        program = meshgate
        let beside = meshgate.split(separator: "/").dropLast().map { "/" + $0 }.joined()
        let endpoint =
            plan.mode == .full ? "\(topology.coordinator):\(LabCommandLine.agentPort)" : "127.0.0.1:\(try LabPort.free())"
        agents = LabAgents(topology, paths: paths, processes: processes, program: beside + "/meshgate-agent", coordinator: endpoint)
        clusters = LabStandInClusters(topology, paths: paths, processes: processes, program: meshgate)
        proxmox = LabProxmox(paths: paths, processes: processes, program: meshgate)
        guests = LabHypervisor(topology: topology, paths: paths)
        approver = LabApprover(paths: paths, tools: LabTools(runner: runner))
        fault = LabFault(topology, runner: runner)
        product = LabCommandLine(program: meshgate, paths: paths, processes: processes, runner: runner, listen: endpoint)
    }

    /// From wires and disks to agents that are connected, with what is wrong in this story already wrong.
    func open(_ scenario: LabScenario, _ story: LabStory) async throws {
        story.chapter("coordinator, stand-in clusters and agents")
        try await approver.prepare()
        if scenario.hasWrongGuest, plan.mode == .full { try spoilGuest(story) } else { try guests.write() }
        try writeMesh(scenario, api: scenario.asksProxmox ? try await proxmox.start() : nil)
        let foreign = scenario.hasForeignCA ? topology.clusters.last.map { [$0.name] } ?? [] : []
        let stale = scenario.hasStaleServer ? topology.clusters.last.map { [$0.name] } ?? [] : []
        try await clusters.start(
            foreignCAs: Set(foreign), staleServers: Set(stale), toolDelay: scenario.hasSlowTools ? .milliseconds(600) : .zero)
        story.tell(
            "\(topology.clusters.count) stand-in clusters answer; tools are stand-ins too: \(LabStandInClusters.tools.joined(separator: ", "))"
        )
        if scenario.migratesCA { try await installByHand(story) }
        try await product.startCoordinator()
        story.tell("the coordinator serves, with its own CA and journal")
        for node in topology.nodes {
            try agents.install(on: node, token: try await product.invite(node.name))
            if plan.mode == .full, node != scenario.silent(topology) { try agents.startTracer(on: node) }
        }
        if plan.mode == .full { try await tellOfTracers(scenario, story) }
        for node in topology.nodes {
            let skew = plan.skews.first { $0.node == node.name }?.seconds ?? 0
            try agents.start(on: node, skewSeconds: skew, isAlone: plan.mode == .loopback)
        }
        var wanted = Set(topology.nodes.map(\.name.text))
        if plan.mode == .full, let hypervisor = NodeID(LabTopology.hypervisor) {
            try agents.installHypervisor(token: try await product.invite(hypervisor))
            try agents.startHypervisor()
            wanted.insert(hypervisor.text)
        }
        _ = try await LabPatience.value(
            "see every agent connected", for: .seconds(60),
            remedy: "see \(paths.logs); a firewall of this machine must let \(topology.managementBridge) in"
        ) {
            try await product.connectedNodes().isSuperset(of: wanted) ? true : nil
        }
        story.tell("\(wanted.count) agents joined with one-time tokens and are connected over mutual TLS", .good)
        for skew in plan.skews { story.tell("the clock of \(skew.node) is \(skew.seconds) s ahead", .bad) }
        if plan.mode == .full, let victim = scenario.victim(topology) {
            try await fault.dropVLAN(of: victim)
            story.tell("the switch port of \(victim.name) has lost its VLAN", .bad)
        }
        for name in stale {
            story.tell("the clustermesh API server of \(name) will show a certificate of a CA that was there before", .bad)
        }
        if plan.mode == .full, scenario.lacksOption, let victim = topology.nodes.last {
            try kernel(of: victim).hide()
            story.tell("the kernel of \(victim.name) comes without CONFIG_\(LabKernel.option)", .bad)
        }
        if plan.mode == .full, scenario.dropsPackets { try await installFirewall(story) }
        if plan.mode == .full, scenario.losesRoutes { try await spoilRoutes(story) }
        if plan.mode == .full, let fault = scenario.wayFault { try await spoilWay(fault, story) }
        if plan.mode == .full, scenario.hasLeftovers { try await leaveBehind(story) }
        if plan.mode == .full, scenario.hasWrongPorts { try await spoilPorts(story) }
    }

    func carry(_ act: LabDirector.Act, in scenario: LabScenario, _ story: LabStory) async throws {
        switch act {
        case .tell(let text, let mood): story.tell(text, mood.tone)
        case .explain(let step): story.tell(Self.essence(try await product.explain(step)), .quote)
        case .approve(let step):
            do {
                try await approve(step, story)
            } catch let error as LabError {
                // Where a coordinator dies now and then, the earlier signature may have counted after all. If not, the run cannot end well.
                story.tell("the signature for \(step) was not taken: \(error)", .held)
            }
        case .repairVLAN: try await repairVLANs(story)
        case .rightClock: try rightClocks(story)
        case .restoreOption:
            guard let victim = topology.nodes.last else { return }
            try kernel(of: victim).restore()
            story.tell("\(victim.name) runs a kernel with CONFIG_\(LabKernel.option)", .good)
        case .startTracer:
            guard let victim = scenario.silent(topology) else { return }
            try agents.startTracer(on: victim)
            story.tell("the tracer of \(victim.name) runs", .good)
        case .removeFirewall: try await removeFirewall(story)
        case .repairRoutes: try await repairRoutes(story)
        case .pullCable(let step): try await pullCable(under: step, story)
        case .plugCable: try await plugCables(story)
        case .repairWay: if let fault = scenario.wayFault { try await repairWay(fault, story) }
        case .repairPort(let fault): try await repairPort(fault, story)
        case .repairGuest: try await repairGuest(story)
        case .removeLeftover(let leftover): try await remove(leftover, story)
        case .removeForeignCA: try await removeForeignCA(story)
        case .reloadServer:
            guard let cluster = topology.clusters.last else { return }
            try clusters.reloadServer(of: cluster)
            story.tell("the clustermesh API server of \(cluster.name) was restarted and shows its own certificate", .good)
        case .killCoordinator:
            try await product.killCoordinator()
            story.tell("the coordinator is killed (SIGKILL) in the middle of a step", .bad)
            try await product.startCoordinator()
            story.tell("the coordinator is back and has replayed its journal", .good)
        }
    }

    /// What holds, without what passes, and not more than fits a screen.
    static func essence(_ explanation: String) -> String {
        let lines = explanation.split(separator: "\n").filter { !$0.hasPrefix("  pass ") }
        let shown = lines.prefix(longestQuote)
        return (shown + (lines.count > shown.count ? ["  ... and \(lines.count - shown.count) lines more"] : [])).joined(separator: "\n")
    }

    private static let longestQuote = 14

    private func approve(_ step: StepID, _ story: LabStory) async throws {
        let text = try await product.requestWarrant(step)
        story.tell(
            text.split(separator: "\n").filter { Self.shownFields.contains($0.prefix { $0 != ":" }) }.joined(separator: "\n"), .quote)
        try await product.submitWarrant(step, text: text, signature: try await approver.sign(text))
        story.tell("\(LabApprover.principal) signed the warrant for \(step) with ssh-keygen and handed it in", .good)
    }

    /// What a person looks at before signing.
    private static let shownFields: Set<Substring> = [
        "node", "disk-serial", "disk-size", "holds-1", "method", "destroys", "destroys-1", "not-after",
    ]

    private func repairVLANs(_ story: LabStory) async throws {
        for node in topology.nodes {
            guard let frames = try await fault.droppedFrames(of: node) else { continue }
            try await fault.repairVLAN(of: node)
            story.tell("the VLAN on the port of \(node.name) is repaired; it had swallowed \(frames) frames", .good)
        }
    }

    private func kernel(of node: LabTopology.Node) throws -> LabKernel { LabKernel(root: try agents.root(of: node)) }

    private func rightClocks(_ story: LabStory) throws {
        for skew in plan.skews {
            let node = try topology.node(skew.node.text)
            try agents.stopAgent(on: node)
            try agents.start(on: node)
            story.tell("the clock of \(node.name) is right again", .good)
        }
    }

    private func removeForeignCA(_ story: LabStory) async throws {
        guard let cluster = topology.clusters.last else { return }
        try await clusters.tool(
            "kubectl", ["--context", cluster.context, "--namespace", "kube-system", "delete", "secret", "cilium-ca"], with: runner)
        story.tell("the admin removed the foreign Secret cilium-ca of \(cluster.name); nothing used it yet", .good)
    }

    /// Their programs are in the kernel before agents start, whose own beginning is then seen. A machine that takes no programs has a lab all
    /// the same, and is told of it.
    private func tellOfTracers(_ scenario: LabScenario, _ story: LabStory) async throws {
        let silent = scenario.silent(topology)
        let tools = LabTools(runner: runner)
        var without: String?
        for node in topology.nodes where node != silent {
            without = try await LabPatience.value(
                "see the tracer of \(node.name) at work", for: .seconds(20), remedy: "see \(paths.log(agents.tracerName(node)))"
            ) { try await agents.tracerWork(of: node, with: tools) }
        }
        if let without, without.hasPrefix(LabAgents.noPrograms) {
            story.tell("each node has a tracer, but \(without)", .held)
        } else {
            story.tell("each node has a tracer, whose eBPF programs watch that node alone", .good)
        }
        if let silent { story.tell("the tracer of \(silent.name) does not run", .bad) }
    }

    private func writeMesh(_ scenario: LabScenario, api: LabMeshFile.API?) throws {
        let file = LabMeshFile(
            topology, services: plan.services, api: api, watchesAfterRun: scenario.losesLinkAfterwards, migratesCA: scenario.migratesCA,
            wantsTelemetry: scenario.wantsTelemetry, drops: scenario.dropsPackets ? [LabDirector.dropReason] : [])
        try LabFiles.write(file.mesh, to: paths.mesh)
        try LabFiles.write(file.terraform, to: paths.terraform + "/main.tf")
        for (path, text) in file.manifests { try LabFiles.write(text, to: paths.directory + "/" + path) }
        try LabGatewayAPI.write(LabMeshFile.gatewayAPI, beside: paths.directory)
    }
}

extension LabDirector.Mood {
    fileprivate var tone: LabStory.Tone {
        switch self {
        case .plain: .plain
        case .good: .good
        case .held: .held
        case .bad: .bad
        }
    }
}
