// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import MeshModel
internal import MeshSystem

/// Installs and runs the four roles of the real agent on the nodes of a lab.
package struct LabAgents: Sendable {
    private let topology: LabTopology
    private let paths: LabPaths
    private let processes: LabProcesses
    private let program: String
    private let coordinator: String

    /// `program` is the absolute path of meshgate-agent; `coordinator` is HOST:PORT as seen from the nodes.
    package init(_ topology: LabTopology, paths: LabPaths, processes: LabProcesses, program: String, coordinator: String) {
        self.topology = topology
        self.paths = paths
        self.processes = processes
        self.program = program
        self.coordinator = coordinator
    }

    /// What a node's own configuration would bring: settings, the join token, and who may sign warrants.
    package func install(on node: LabTopology.Node, token: String) throws {
        let home = paths.agentState(of: node)
        try LabFiles.makeDirectory(home)
        let settings = [
            "coordinator": coordinator, "node": node.name.text, "state": home + "/state", "join-token-file": home + "/join-token",
            "wiper-socket": home + "/wiper.sock", "prober-socket": home + "/prober.sock", "wiper-state": home + "/wiper",
            "node-key": home + "/run/node-key",
            "signers": paths.allowedSigners,
        ].merging(Self.tracing(home)) { mine, _ in mine }
        try LabFiles.write(token + "\n", to: home + "/join-token", mode: 0o600)
        try LabFiles.write(settings.sorted { $0.key < $1.key }.map { "\($0.key) = \($0.value)\n" }.joined(), to: configuration(node))
    }

    /// All nodes of a lab share one kernel, so each tracer watches its own network namespace only. What Tetragon may log on this machine is not
    /// a node's.
    private static func tracing(_ home: String) -> [String: String] {
        ["tracer-socket": home + "/tracer.sock", "tracer-scope": "netns", "tetragon-log": home + "/tetragon.log"]
    }

    /// Starts the node's tracer, unless it runs. It comes before the agent, whose own start is then seen.
    package func startTracer(on node: LabTopology.Node) throws {
        guard processes.find(tracerName(node)) == nil else { return }
        try processes.start(
            tracerName(node), program, ["tracer", "serve", "--config", configuration(node)],
            in: .node(try processes.initProcess(of: node)))
    }

    /// How `tracer status` begins the line that says why it has no programs.
    static let noPrograms = "no eBPF"

    /// What the node's tracer says of its work: what it watches, or why it has no programs. `nil` until it works.
    func tracerWork(of node: LabTopology.Node, with tools: LabTools) async throws -> String? {
        let result = try await tools.attempt(program, ["tracer", "status", "--config", configuration(node)])
        guard result.succeeded else { return nil }
        let lines = result.outputText.split(separator: "\n").map(String.init)
        return lines.first { $0.hasPrefix(Self.noPrograms) || $0.hasPrefix("watches ") && $0.count > "watches ".count }
    }

    /// Starts the roles that are not running: the wiper where there is a disk, the prober, and the agent, whose wall clock may be off by some seconds.
    /// With `isAlone` the agent runs as a plain process of this machine, without a node around it and without wiper and prober.
    package func start(on node: LabTopology.Node, skewSeconds: Int = 0, isAlone: Bool = false) throws {
        let place = isAlone ? LabPlace.rootNamespace : .node(try processes.initProcess(of: node))
        if !isAlone, node.disk != nil, processes.find(wiperName(node)) == nil {
            let arming = try LabLauncher.start(
                LabProgram(
                    path: program, arguments: ["wiper", "arm", "--config", configuration(node)], environment: processes.environment,
                    log: paths.log(wiperName(node))), in: place)
            guard arming.waitForEnd(.seconds(10)) else {
                throw LabError.noAnswer(
                    doing: "arm the wiper of \(node.name)", waited: .seconds(10), remedy: "see \(paths.log(wiperName(node)))")
            }
            try processes.start(
                wiperName(node), program, ["wiper", "serve", "--config", configuration(node), "--allow-loop-disks"], in: place)
        }
        if !isAlone, processes.find(proberName(node)) == nil {
            try processes.start(
                proberName(node), program,
                ["prober", "serve", "--config", configuration(node)] + (topology.listsPacketFilter ? ["--packet-filter"] : []), in: place)
        }
        if processes.find(agentName(node)) == nil {
            let skew = skewSeconds == 0 ? [:] : try LabClockSkew.environment(seconds: skewSeconds)
            try processes.start(agentName(node), program, ["run", "--config", configuration(node)], environment: skew, in: place)
        }
    }

    /// The hypervisor's own agent: the same program, on this machine itself, with the fabric as its network and no disk that it could wipe.
    package func installHypervisor(token: String) throws {
        let home = hypervisorHome
        try LabFiles.makeDirectory(home)
        try LabFiles.makeDirectory(home + "/dev")
        let settings = [
            "coordinator": coordinator, "node": LabTopology.hypervisor, "state": home + "/state", "join-token-file": home + "/join-token",
            "wiper-socket": home + "/wiper.sock", "wiper-state": home + "/wiper", "node-key": home + "/run/node-key",
            "signers": paths.allowedSigners,
        ].merging(Self.tracing(home)) { mine, _ in mine }
        try LabFiles.write(token + "\n", to: home + "/join-token", mode: 0o600)
        let text = settings.sorted { $0.key < $1.key }.map { "\($0.key) = \($0.value)\n" }.joined()
        try LabFiles.write(text, to: home + "/agent.conf")
    }

    package func startHypervisor() throws {
        let home = hypervisorHome
        try processes.start(
            "wiper-\(LabTopology.hypervisor)", program,
            [
                "wiper", "serve", "--config", home + "/agent.conf", "--devroot", home + "/dev", "--hypervisor-root", paths.hypervisor,
            ], in: .rootNamespace)
        try processes.start(
            "tracer-\(LabTopology.hypervisor)", program, ["tracer", "serve", "--config", home + "/agent.conf"],
            in: .network(topology.fabric))
        try processes.start(
            "agent-\(LabTopology.hypervisor)", program, ["run", "--config", home + "/agent.conf"], in: .network(topology.fabric))
    }

    private var hypervisorHome: String { paths.agents + "/" + LabTopology.hypervisor }

    /// What the node sees as /, seen from outside.
    func root(of node: LabTopology.Node) throws -> String { "/proc/\(try processes.initProcess(of: node).pid)/root" }

    /// Stops the agent, not the other roles.
    package func stopAgent(on node: LabTopology.Node) throws { try processes.stop(agentName(node)) }

    /// Whether the roles that belong on the node are alive.
    package func isRunning(on node: LabTopology.Node) -> Bool {
        processes.find(agentName(node)) != nil && processes.find(proberName(node)) != nil
            && (node.disk == nil || processes.find(wiperName(node)) != nil)
    }

    package func agentName(_ node: LabTopology.Node) -> String { "agent-\(node.name)" }
    package func proberName(_ node: LabTopology.Node) -> String { "prober-\(node.name)" }
    package func tracerName(_ node: LabTopology.Node) -> String { "tracer-\(node.name)" }
    package func wiperName(_ node: LabTopology.Node) -> String { "wiper-\(node.name)" }

    private func configuration(_ node: LabTopology.Node) -> String { paths.agentState(of: node) + "/agent.conf" }
}
