// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import Gating
import Lab
import MeshHTTP
import MeshModel
import MeshSystem
import MeshTesting
import Planning
import Running
import StandInTesting
import Synchronization
import Testing

@testable import ToolDrivers

/// Two control planes with a talosctl before them, which may fail, lose its answer or be killed at the moment of the bootstrap.
private final class TwoControlPlanes: CommandRunner {
    enum Fate { case answers, answerLost, neverArrives, killed, hangs, notYet }
    struct Machine {
        var hasData = false
        var isMember = false
        var silent = false
        var lastChange = "5m0s ago"
        var bootstraps = 0
    }
    struct State {
        var machines = ["192.168.15.11": Machine(), "192.168.15.12": Machine()]
        var fate = Fate.answers
        var sent: [String] = []
    }
    struct Killed: Error {}
    let state = Mutex(State())

    var sent: [String] { state.withLock { $0.sent } }
    func change(_ body: (inout State) -> Void) { state.withLock { body(&$0) } }

    func run(_ invocation: Invocation, onOutput: OutputObserver?) async throws -> CommandResult {
        let address = invocation.arguments[3]
        let words = Array(invocation.arguments.dropFirst(4))
        return try state.withLock { state in
            guard let machine = state.machines[address], !machine.silent else {
                return CommandResult(exit: .exited(1), standardError: Array("rpc error: code = Unavailable desc = connection refused".utf8))
            }
            func say(_ text: String) -> CommandResult { CommandResult(exit: .exited(0), standardOutput: Array(text.utf8)) }
            switch words {
            case ["etcd", "members"]:
                guard machine.isMember else { return CommandResult(exit: .exited(1), standardError: Array("etcd is not running".utf8)) }
                return say("NODE            ID   HOSTNAME   LEARNER\n\(address)   1    cp-e-1     false\n")
            case ["etcd", "status"]:
                return say(
                    "MEMBER   LEADER   RAFT INDEX   RAFT TERM   RAFT APPLIED INDEX   LEARNER   ERRORS\n"
                        + "1        1        7            2           7                    false     \n")
            case ["etcd", "alarm", "list"]: return say("")
            case ["service"]:
                return say(
                    "NODE            SERVICE   STATE       HEALTH   LAST CHANGE   LAST EVENT\n"
                        + "\(address)   etcd      Preparing   ?        \(machine.lastChange)      Running pre state\n")
            case ["list", "/var/lib/etcd"]: return say(machine.hasData ? ".\nmember\nNODE   NAME\n" : ".\nNODE   NAME\n")
            case ["bootstrap"]: return try bootstrap(address, &state)
            default:
                Issue.record("\(words)")
                return CommandResult(exit: .exited(1))
            }
        }
    }

    private func bootstrap(_ address: String, _ state: inout State) throws -> CommandResult {
        state.sent.append(address)
        func error(_ text: String) -> CommandResult { CommandResult(exit: .exited(1), standardError: Array(text.utf8)) }
        if state.fate == .notYet {
            state.fate = .answers
            return error("rpc error: code = FailedPrecondition desc = bootstrap is not available yet")
        }
        if state.fate == .neverArrives { return error("rpc error: code = Unavailable desc = connection reset by peer") }
        guard state.machines[address]?.hasData == false else {
            return error("rpc error: code = AlreadyExists desc = etcd data directory is not empty")
        }
        state.machines[address]?.bootstraps += 1
        state.machines[address]?.hasData = true
        state.machines[address]?.isMember = true
        switch state.fate {
        case .killed: throw Killed()
        case .answerLost: return error("rpc error: code = Unavailable desc = error reading from server: EOF")
        case .hangs: return CommandResult(exit: .timedOut)
        case .answers, .neverArrives, .notYet: return CommandResult(exit: .exited(0))
        }
    }
}

@Suite("The bootstrap of etcd")
struct BootstrapTests {
    private struct Stage {
        let machines = TwoControlPlanes()
        let directory: String
        let cluster: MeshSpec.Cluster
        let tools: Toolbox

        init(dryRun: Bool = false) throws {
            directory = "/tmp/meshgate-bootstrap-\(try KernelEntropy().hexID(byteCount: 6))"
            try LinuxFileStore().createDirectory(directory)
            var cluster = try SmallMesh.spec().clusters[0]
            cluster.nodes.insert(
                .init(
                    name: try SmallMesh.need(NodeID("cp-e-2")), role: .controlPlane, address: try SmallMesh.need(IPAddress("192.168.15.12"))
                ),
                at: 1)
            self.cluster = cluster
            tools = Toolbox(
                runner: machines, http: try CurlHTTPClient(), files: LinuxFileStore(), now: SystemClock.now, searchPath: ["/nowhere"],
                kubeconfig: "/nowhere", baseDirectory: directory, workDirectory: directory, environment: [:], dryRun: dryRun,
                contexts: { [:] }, meshCA: { ("", "") }, progress: { _, _ in })
        }

        func carryOut() async throws -> Outcome {
            try await BootstrapDriver(tools: tools, cluster: cluster, pause: .milliseconds(1))
                .carryOut(step: StepID("east", "bootstrap"), deadline: .seconds(20))
        }

        var record: BootstrapDriver.Record? {
            get throws {
                try LinuxFileStore().read(directory + "/bootstrap/east.json", limit: 4096).map {
                    try JSONDecoder().decode(BootstrapDriver.Record.self, from: Data($0))
                }
            }
        }

        /// How many clusters etcd was made into; more than one is the accident.
        var bootstraps: Int { machines.state.withLock { $0.machines.values.reduce(0) { $0 + $1.bootstraps } } }
    }

    private func word(_ outcome: Outcome) -> String {
        switch outcome {
        case .succeeded: "succeeded"
        case .failed: "failed"
        case .refused: "refused"
        case .unknown: "unknown"
        }
    }

    @Test("goes to one control plane, is on record before it leaves, and is not sent again")
    func once() async throws {
        let stage = try Stage()
        #expect(word(try await stage.carryOut()) == "succeeded")
        #expect(stage.machines.sent == ["192.168.15.11"])
        #expect(try stage.record?.node.text == "cp-e-1")
        let again = try await stage.carryOut()
        #expect(again == .succeeded("etcd on cp-e-1 has members already; nothing was sent"))
        #expect(stage.machines.sent.count == 1)
    }

    @Test("is not sent where a person began etcd already, on whichever control plane, even if the others are down")
    func byAPerson() async throws {
        let stage = try Stage()
        stage.machines.change {
            $0.machines["192.168.15.12"]?.hasData = true
            $0.machines["192.168.15.12"]?.isMember = true
            $0.machines["192.168.15.11"]?.silent = true
        }
        #expect(word(try await stage.carryOut()) == "succeeded")
        #expect(stage.machines.sent.isEmpty)
        #expect(try stage.record == nil)
    }

    @Test("is refused while one control plane cannot be seen, has data, or began just now")
    func refused() async throws {
        let changes: [(String, (inout TwoControlPlanes.Machine) -> Void)] = [
            ("cp-e-2 does not answer, so it may have an etcd already", { $0.silent = true }),
            ("etcd on cp-e-2 does not wait to be bootstrapped: its service is Preparing, with data", { $0.hasData = true }),
            ("etcd on cp-e-2 does not wait to be bootstrapped", { $0.lastChange = "3s ago  " }),
        ]
        for (text, change) in changes {
            let stage = try Stage()
            stage.machines.change { state in
                var machine = state.machines["192.168.15.12"] ?? .init()
                change(&machine)
                state.machines["192.168.15.12"] = machine
            }
            let outcome = try await stage.carryOut()
            #expect(word(outcome) == "refused" && outcome.words.contains(text), "\(text): \(outcome)")
            #expect(stage.machines.sent.isEmpty)
            #expect(try stage.record == nil)
        }
    }

    @Test("killed between the record and the answer, it is sent again to the same machine, and only after all were seen to wait")
    func killed() async throws {
        let stage = try Stage()
        stage.machines.change { $0.fate = .neverArrives }
        #expect(word(try await stage.carryOut()) == "unknown")
        #expect(try stage.record?.node.text == "cp-e-1")
        // The other one is down now: nobody knows what it has.
        stage.machines.change { $0.machines["192.168.15.12"]?.silent = true }
        #expect(word(try await stage.carryOut()) == "refused")
        #expect(stage.machines.sent.count == 1)
        stage.machines.change {
            $0.machines["192.168.15.12"]?.silent = false
            $0.fate = .answers
        }
        // Another order of the file does not choose another machine.
        var turned = stage.cluster
        turned.nodes.swapAt(0, 1)
        let outcome = try await BootstrapDriver(tools: stage.tools, cluster: turned).carryOut(
            step: StepID("east", "bootstrap"), deadline: .seconds(20))
        #expect(word(outcome) == "succeeded")
        #expect(stage.machines.sent == ["192.168.15.11", "192.168.15.11"])
        #expect(stage.bootstraps == 1)
    }

    @Test("whose answer is lost is unknown, and the next look finds it done", arguments: ["lost", "hangs", "killed"])
    func answerLost(how: String) async throws {
        let stage = try Stage()
        stage.machines.change { $0.fate = how == "lost" ? .answerLost : how == "hangs" ? .hangs : .killed }
        if how == "killed" {
            await #expect(throws: TwoControlPlanes.Killed.self) { _ = try await stage.carryOut() }
        } else {
            #expect(word(try await stage.carryOut()) == "unknown")
        }
        #expect(word(try await stage.carryOut()) == "succeeded")
        #expect(stage.machines.sent.count == 1 && stage.bootstraps == 1)
    }

    @Test("that took effect while no member is listed yet is not sent to the other one")
    func inBetween() async throws {
        let stage = try Stage()
        stage.machines.change { $0.fate = .answerLost }
        _ = try await stage.carryOut()
        stage.machines.change { $0.machines["192.168.15.11"]?.isMember = false }
        #expect(word(try await stage.carryOut()) == "refused")
        #expect(stage.machines.sent.count == 1)
    }

    @Test("on record for a machine that left the plan is never sent to another")
    func recordOfAnother() async throws {
        let stage = try Stage()
        stage.machines.change { $0.fate = .neverArrives }
        _ = try await stage.carryOut()
        var smaller = stage.cluster
        smaller.nodes.remove(at: 0)
        let outcome = try await BootstrapDriver(tools: stage.tools, cluster: smaller).carryOut(
            step: StepID("east", "bootstrap"), deadline: .seconds(20))
        #expect(word(outcome) == "refused" && outcome.words.contains("remove \(stage.directory)/bootstrap/east.json"))
        #expect(stage.machines.sent.count == 1)
    }

    @Test("a record that cannot be read sends nothing")
    func brokenRecord() async throws {
        let stage = try Stage()
        try LinuxFileStore().createDirectory(stage.directory + "/bootstrap")
        try LinuxFileStore().write(Array("{".utf8), to: stage.directory + "/bootstrap/east.json")
        await #expect(throws: DriverError.self) { _ = try await stage.carryOut() }
        #expect(stage.machines.sent.isEmpty)
    }

    @Test("is tried again by itself only where Talos says that it has not begun")
    func notYet() async throws {
        let stage = try Stage()
        stage.machines.change { $0.fate = .notYet }
        #expect(word(try await stage.carryOut()) == "succeeded")
        #expect(stage.machines.sent == ["192.168.15.11", "192.168.15.11"] && stage.bootstraps == 1)
    }

    @Test("in a dry run nothing is sent and nothing is on record")
    func dryRun() async throws {
        let stage = try Stage(dryRun: true)
        await #expect(throws: DriverError.self) { _ = try await stage.carryOut() }
        #expect(stage.machines.sent.isEmpty)
        #expect(try stage.record == nil)
    }
}

@Suite("Talos machines, seen through the stand-in talosctl")
struct TalosObserverTests {
    private func facts(_ bench: Bench) async throws -> [NodeID: TalosFact] {
        let key = EvidenceKey(.cluster(bench.cluster(0).name), .talos)
        let facts = await bench.driver.observe(key, plan: bench.plan).facts.compactMap {
            if case .talos(let fact) = $0 { fact } else { nil }
        }
        return Dictionary(facts.map { ($0.node, $0) }, uniquingKeysWith: { first, _ in first })
    }

    @Test("every machine is told with its release, schematic, extensions and stage; a silent one hides no other")
    func machines() async throws {
        let spec = try SmallMesh.spec()
        try await StandInWorld.with(spec) { world in
            let bench = try Bench(world, spec)
            let before = try await facts(bench)
            #expect(before.count == 3)
            let machine = try #require(try before[SmallMesh.need(NodeID("cp-e-1"))]?.machine)
            #expect(machine.version == "v1.11.3" && machine.schematic?.count == 64 && machine.extensions.map(\.name) == ["meshgate-agent"])
            #expect(machine.stage == "running" && !machine.ready && machine.unmet.map(\.name) == ["nodeReady"])
            #expect(machine.kubePrism?.endpoint == "127.0.0.1:7445" && machine.manifests?.proxyEnabled == false)
            #expect(machine.etcd?.members.isEmpty == true && machine.etcd?.service?.awaitsBootstrap == true)
            let worker = try #require(try before[SmallMesh.need(NodeID("wrk-e-1"))]?.machine)
            #expect(worker.etcd == nil && worker.manifests == nil)

            try world.set(StandInWorld.quick { $0.silentMachines = ["wrk-e-1"] }, on: "east")
            let after = try await facts(bench)
            guard case .silent(let why)? = try after[SmallMesh.need(NodeID("wrk-e-1"))]?.answer else { return #expect(Bool(false)) }
            #expect(why.contains("connection refused"))
            #expect(try after[SmallMesh.need(NodeID("cp-e-1"))]?.machine == machine)
            // Of the machine configuration, where the secrets are, nothing was asked for.
            let asked = world.runner.invocations.filter { $0.executable == "talosctl" }.map { $0.arguments.joined(separator: " ") }
            #expect(!asked.isEmpty && asked.allSatisfy { !$0.contains("machineconfig") && !$0.contains("config ") })
        }
    }

    @Test("a plan bootstraps a cluster once; where Terraform did it there is nothing to do")
    func plan() async throws {
        let spec = try SmallMesh.spec()
        let faults = ["west": StandInWorld.quick { $0.bootstrapped = true }, "east": StandInWorld.quick { $0.bootstrapAnswerLost = true }]
        try await StandInWorld.with(spec, faults: faults) { world in
            let bench = try Bench(world, spec)
            let (east, west) = (try bench.step("east", "bootstrap"), try bench.step("west", "bootstrap"))
            #expect(await bench.verdict(on: west).passes)
            #expect(!(await bench.verdict(on: east).passes))
            #expect(await bench.judge(east.gates).passes)
            guard case .unknown = await bench.driver.carryOut(east, plan: bench.plan) else { return #expect(Bool(false)) }
            #expect(await bench.settle(east).passes)
            #expect(!(await bench.judge(east.gates).passes))
            #expect(await bench.settle(try bench.step("east", "nodes")).passes)
            try await bench.run("west", "bootstrap")
            #expect(world.runner.invocations.count { $0.arguments.contains("bootstrap") } == 1)
        }
    }
}
