// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import MeshModel
package import MeshSystem

/// Makes and removes the machine side of a lab: directories, disks, wires and the first process of every node.
///
/// Everything made outside the lab's directory is noted first (`LabLedger`), so `down` works after a kill at any moment, any number of
/// times, and touches nothing else.
package struct LabBuilder: Sendable {
    package let plan: LabPlan
    package let topology: LabTopology
    package let paths: LabPaths
    private let program: String
    private let tools: LabTools
    private let entropy: any Entropy
    private let now: NowSource

    /// `program` is the absolute path of the meshgate binary, which also plays the nodes' first process.
    package init(
        _ plan: LabPlan, program: String, runner: any CommandRunner = ProcessCommandRunner(), entropy: any Entropy = KernelEntropy(),
        now: @escaping NowSource = SystemClock.now
    ) throws {
        self.plan = plan
        topology = try LabTopology(plan)
        paths = LabPaths(plan.directory)
        self.program = program
        tools = LabTools(runner: runner)
        self.entropy = entropy
        self.now = now
    }

    /// The absolute path of the program that is running now.
    package static func ownProgram() throws -> String {
        guard let path = LabFiles.link("/proc/self/exe") else {
            throw LabError.system(doing: "find our own program", on: "/proc/self/exe", errno: errno)
        }
        return path
    }

    /// Builds it all, or nothing: a failure takes down what was made so far. `say` hears one short sentence per stage.
    @discardableResult
    package func up(say: @Sendable (String) -> Void = { _ in }) async throws -> LabLedger {
        let findings = LabPreflight(plan: plan).findings
        guard findings.isEmpty else { throw LabError.missing(findings) }
        let lock = try LabLedger.lock(plan.prefix)
        defer { lock.release() }
        if let earlier = LabLedger.current(plan.prefix) { throw LabError.alreadyUp(directory: earlier.directory) }
        do {
            try refuseWhatIsNotOurs()
        } catch {
            try LabLedger.forget(plan.prefix)
            throw error
        }
        var ledger = try LabLedger.begin(prefix: plan.prefix, labID: try entropy.hexID(byteCount: 8), directory: paths.directory)
        do {
            try makeDirectories()
            guard plan.mode == .full else { return ledger }
            try await LabDisks(paths: paths, tools: tools, entropy: entropy, now: now).make(topology.nodes)
            say("\(topology.nodes.compactMap(\.disk).count) sparse disks behind loop devices")
            try await layWires(&ledger)
            say("\(topology.namespaces.count) network namespaces, \(topology.clusters.count) bridges, \(topology.nodes.count * 2) wires")
            try startNodes(ledger)
            say("\(topology.nodes.count) nodes with their own mounts, processes and /dev")
            return ledger
        } catch {
            try await LabDemolition(ledger, tools: tools).run()
            throw error
        }
    }

    /// Removes the lab of this prefix wholly. Says whether there was one.
    @discardableResult
    package static func down(prefix: String, runner: any CommandRunner = ProcessCommandRunner()) async throws -> Bool {
        guard LabLedger.current(prefix) != nil else { return false }
        let lock = try LabLedger.lock(prefix)
        defer { lock.release() }
        guard let ledger = LabLedger.current(prefix) else { return false }
        try await LabDemolition(ledger, tools: LabTools(runner: runner)).run()
        return true
    }

    private func refuseWhatIsNotOurs() throws {
        for name in topology.namespaces where LabFiles.exists("/run/netns/\(name)") {
            throw LabError.notOurs(what: "the network namespace \(name)")
        }
        for name in topology.rootLinks where LabFiles.exists("/sys/class/net/\(name)") {
            throw LabError.notOurs(what: "the network link \(name)")
        }
        try LabGround(paths.directory).check()
        if LabFiles.exists(paths.directory), !LabFiles.names(in: paths.directory).isEmpty {
            throw LabError.directoryInUse(path: paths.directory)
        }
    }

    private func makeDirectories() throws {
        try LabGround(paths.directory).make()
        guard chmod(paths.directory, 0o755) == 0 else {
            throw LabError.system(doing: "set the mode of a directory", on: paths.directory, errno: errno)
        }
        // The plan comes first: it is what makes the directory recognisably ours.
        try plan.save(paths)
        for directory in paths.all { try LabFiles.makeDirectory(directory) }
    }

    private func layWires(_ ledger: inout LabLedger) async throws {
        for name in topology.namespaces {
            try ledger.willMake(namespace: name)
            try await tools.run("ip", ["netns", "add", name])
        }
        let script = LabNetworkScript(topology, labID: ledger.labID)
        for link in script.rootLinks { try ledger.willMake(link: link) }
        for part in script.parts { try await tools.ip(part) }
        // The fabric is the router between the clusters' networks.
        try await tools.run("ip", ["netns", "exec", topology.fabric, "tee", "/proc/sys/net/ipv4/ip_forward"], input: "1\n")
    }

    private func startNodes(_ ledger: LabLedger) throws {
        let processes = LabProcesses(paths: paths, marker: ledger.marker)
        for node in topology.nodes {
            try processes.start(
                LabProcesses.initName(node), program, ["lab", "node-services", "--directory", paths.directory, "--node", node.name.text],
                in: .newNode(network: node.namespace))
        }
    }
}
