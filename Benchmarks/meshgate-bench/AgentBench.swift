// SPDX-License-Identifier: Apache-2.0

import FleetGateway
import Glibc
import MeshModel
import MeshSystem
import MeshTrust

/// The real `meshgate-agent run`, enrolled and connected: what it costs a host to have it sit there, and after it has worked.
struct AgentBench {
    let directory: String
    let program: String
    let seconds: Int

    func run() async throws {
        let mesh = try BenchMesh(directory)
        let (opened, answered) = (Turnstile(), Turnstile())
        let gateway = try mesh.gateway(inbox: CountingInbox(opened: opened, answered: answered), sessions: 1)
        let serving = Task { try await gateway.run() }  // cancelled at the end
        let address = try await gateway.boundAddress()
        let state = directory + "/agent-state"
        try Self.prepare(state, mesh, address)
        let agent = try Companion([program, "run", "--state", state, "--node-key", state + "/node-key", "--log-level", "error"])
        await opened.wait(for: 1)
        try await Task.sleep(for: .seconds(2))

        let (load, cpu) = (Machine.load, Machine.cpu(of: agent.process))
        try await Task.sleep(for: .seconds(seconds))
        let idle = (Machine.cpu(of: agent.process) - cpu) / Double(seconds) * 100
        let before = memory(agent.process)
        let working = Machine.cpu(of: agent.process)
        let count = try await work(gateway, answered)
        let spent = (Machine.cpu(of: agent.process) - working) / Double(count) * 1000
        let after = memory(agent.process)
        Machine.row(
            program.split(separator: "/").last.map(String.init) ?? program, before, idle.text(2), Machine.threads(of: agent.process), after,
            spent.text(2), load)
        agent.stop()
        serving.cancel()
        _ = await serving.result
    }

    /// RSS, its private part, and the proportional share, in MB.
    private func memory(_ process: pid_t) -> String {
        var share = 0.0
        for line in Machine.read("/proc/\(process)/smaps_rollup").split(separator: "\n") where line.hasPrefix("Pss:") {
            share = line.split(separator: " ").dropFirst().first.flatMap { Double($0) } ?? 0
        }
        let (all, own) = (Machine.memory("VmRSS", of: process), Machine.memory("RssAnon", of: process))
        return "\((all / 1000).text(1)) / \((own / 1000).text(1)) / \((share / 1000).text(1))"
    }

    /// Four kinds of probe, 25 times each, one after the other.
    private func work(_ gateway: FleetGateway, _ answered: Turnstile) async throws -> Int {
        let node = try BenchReports(size: .small).node(0)
        var count = 0
        for _ in 0..<25 {
            let now = SystemClock.now().wall
            let probes: [NodeTask.Probe] = [.host, .links, .kernel, .clock(asked: now)]
            for probe in probes {
                guard let id = TaskID("bench:\(count)") else { throw BenchError.usage }
                count += 1
                let task = NodeTask(id: id, node: node, epoch: Generation(1), deadline: now + .seconds(60), order: .probe(probe))
                guard await gateway.dispatch(task) == .sent else { throw BenchError.failed("the agent has left") }
                await answered.wait(for: count)
            }
        }
        return count
    }

    /// The identity as `meshgate-agent join` leaves it.
    static func prepare(_ state: String, _ mesh: BenchMesh, _ address: FleetGateway.BoundAddress) throws {
        guard let agent = try mesh.agents(1).first else { throw BenchError.usage }
        for name in ["outbox", "state", "identity.pem"] { unlink("\(state)/\(name)") }
        try LinuxFileStore().createDirectory(state)
        var text = "mesh = \(BenchMesh.name)\nnode = \(try BenchReports(size: .small).node(0))\ncoordinator = \(address)\n"
        text += agent.keyPEM + (try Certificate(der: agent.leaf).pem)
        text += PEM.encode(mesh.root.der, label: "MESHGATE TRUSTED ROOT")
        try LinuxFileStore().write(Array(text.utf8), to: state + "/identity.pem")
    }
}

struct CountingInbox: FleetInbox {
    let opened: Turnstile
    let answered: Turnstile
    func sessionOpened(_ session: SessionStatus) async { opened.pass() }
    func sessionClosed(_ session: SessionStatus, why: SessionEnd) async {}
    func progressed(_ progress: TaskProgress, of node: NodeID) {}
    func alarm(_ alarm: FleetAlarm) async {}
    func reported(_ report: TaskReport, receivedAt: Moment) async throws -> JournalHead {
        answered.pass()
        return .empty
    }
}
