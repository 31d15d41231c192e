// SPDX-License-Identifier: Apache-2.0

import Gating
import MeshHTTP
import MeshModel
import MeshSystem
import MeshTesting
import MeshTrust
import Planning
import Running
import Synchronization
import Testing

@testable import ToolDrivers

/// A talosctl with a machine behind it: its disks, its boot, and what was wiped. Says what the real one says, in its form.
private final class StandInTalos: CommandRunner {
    struct Disk {
        var name: String
        var serial: String
        var size = 12 << 30
        var readOnly = false
        var secondaries: [String] = []
    }
    struct State {
        var boot = "aaaaaaaa-0000-4000-8000-000000000001"
        var disks = [Disk(name: "vda", serial: "system"), Disk(name: "vdb", serial: "wrk-e-1-data")]
        var asked: [[String]] = []
        var wiped: [String] = []
        var exit = CommandResult.Exit.exited(0)
        /// What happens to the machine while Talos writes.
        var during: (@Sendable (inout State) -> Void)?
        var cut = false
    }
    let state = Mutex(State())

    func run(_ invocation: Invocation, onOutput: OutputObserver?) async throws -> CommandResult {
        #expect(
            invocation.executable == "talosctl" && invocation.arguments.starts(with: ["--context", "east", "--nodes", "192.168.15.21"]))
        return state.withLock { state in
            let words = Array(invocation.arguments.dropFirst(4))
            state.asked.append(words)
            var output = ""
            switch words.first {
            case "read": output = state.boot + "\n"
            case "get": output = Self.resources(words[1], state)
            case "wipe":
                state.wiped.append(words[2])
                #expect(words == ["wipe", "disk", words[2], "--method", "ZEROES"])
                if let during = state.during { during(&state) }
                return CommandResult(exit: state.exit, standardError: Array("error wiping: device is in use".utf8))
            default: Issue.record("\(words)")
            }
            if state.cut { output = String(output.dropLast(9)) }
            return CommandResult(exit: .exited(0), standardOutput: Array(output.utf8))
        }
    }

    private static func resources(_ kind: String, _ state: State) -> String {
        switch kind {
        case "disks":
            return state.disks.map { disk in
                let secondaries = disk.secondaries.map { "\"\($0)\"" }.joined(separator: ", ")
                return """
                    {
                        "node": "192.168.15.21",
                        "metadata": { "namespace": "runtime", "type": "Disks.block.talos.dev", "id": "\(disk.name)", "phase": "running" },
                        "spec": {
                            "dev_path": "/dev/\(disk.name)", "size": \(disk.size), "sector_size": 512, "transport": "virtio",
                            "readonly": \(disk.readOnly), "serial": "\(disk.serial)", "bus_path": "/pci0000:00/0000:00:0\(disk.name.last ?? "x").0/virtio3",
                            "model": "a } brace", "secondary_disks": [\(secondaries)]
                        }
                    }

                    """
            }.joined()
        case "systemdisk": return "{\"metadata\": {\"id\": \"system-disk\"}, \"spec\": {\"diskID\": \"vda\", \"devPath\": \"/dev/vda\"}}\n"
        default: return "{\"metadata\": {\"id\": \"vdb\"}, \"spec\": {\"type\": \"disk\", \"name\": \"bluestore\", \"offset\": 0}}\n"
        }
    }
}

@Suite("A wipe through Talos' own API", .serialized)
struct TalosWipeTests {
    private struct Stage {
        let talos = StandInTalos()
        let tools: Toolbox
        let plan: Plan
        let step: Step
        let directory: String

        init() throws {
            directory = "/tmp/meshgate-talos-\(try KernelEntropy().hexID(byteCount: 6))"
            try LinuxFileStore().createDirectory(directory)
            plan = try TalosWipeTests.plan()
            step = try SmallMesh.need(plan.step(StepID("east", "wrk-e-1", "wipe-vdb")))
            tools = Toolbox(
                runner: talos, http: try CurlHTTPClient(), files: LinuxFileStore(), now: SystemClock.now, searchPath: ["/nowhere"],
                kubeconfig: "/nowhere", baseDirectory: directory, workDirectory: directory, environment: [:], contexts: { [:] },
                meshCA: { ("", "") }, progress: { _, _ in })
        }

        var cluster: MeshSpec.Cluster { plan.spec.clusters[0] }
        var disks: TalosDisks { TalosDisks(tools: tools, cluster: cluster, node: cluster.nodes[1]) }

        func warrant(_ change: (inout WarrantTerms) -> Void = { _ in }) async throws -> WarrantEnvelope {
            if (try LinuxFileStore().read("\(directory)/key", limit: 4096)) == nil {
                try await tool("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "admin", "-f", "\(directory)/key")
            }
            let seen = try #require(try await disks.disks().first { $0.device == "vdb" })
            let now = SystemClock.now().wall
            var terms = WarrantTerms(
                mesh: plan.spec.name, id: try #require(WarrantID(try KernelEntropy().hexID())), plan: plan.digest, step: step.id,
                node: try #require(NodeID("wrk-e-1")), nodeKey: .zero, boot: try await disks.bootID(),
                store: ReplayStoreMark(id: try #require(ReplayStoreID(String(repeating: "5", count: 32))), records: 0),
                disk: seen.fact.identity, holds: [], fingerprint: .zero, method: .zero, notBefore: now + .seconds(-60),
                notAfter: now + .seconds(600))
            change(&terms)
            let signature = try await tool(
                "ssh-keygen", "-Y", "sign", "-q", "-f", "\(directory)/key", "-n", WarrantTerms.namespace, input: Array(terms.text.utf8))
            return WarrantEnvelope(text: terms.text, signatures: [signature])
        }

        func carryOut(_ envelope: WarrantEnvelope) async -> Outcome {
            let directory = directory
            let wipe = TalosWipe(tools: tools, store: ReplayStoreID(String(repeating: "5", count: 32))) {
                let key = String(decoding: try LinuxFileStore().read("\(directory)/key.pub", limit: 4096) ?? [], as: UTF8.self)
                return try AllowedSigners(parsing: "admin namespaces=\"meshgate-wipe\" \(key)")
            }
            return await wipe.carryOut(step, plan: plan, envelope: envelope)
        }

        @discardableResult
        func tool(_ name: String, _ arguments: String..., input: [UInt8] = []) async throws -> String {
            let result = try await ProcessCommandRunner().run(
                Invocation(name, arguments, environment: ["PATH": "/usr/bin:/bin"], standardInput: input, deadline: .seconds(60)))
            try #require(result.succeeded, "\(result.errorText)")
            return result.outputText
        }

        func end() async throws { try await tool("rm", "-rf", directory) }
    }

    static func plan() throws -> Plan {
        var spec = try SmallMesh.spec(clusters: 1, services: false)
        let host = try SmallMesh.need(NodeID("pve-1"))
        spec.hypervisors = [.init(name: host, address: try SmallMesh.need(IPAddress("192.168.88.11")))]
        spec.clusters[0].nodes[1].agent = MeshSpec.Node.Agent.none
        spec.clusters[0].nodes[1].hypervisor = host
        spec.clusters[0].nodes[1].disks[0].wipe = .zero
        return try Planner.plan(spec) { Digest.sha256(try JSON.encode(.string("\($0.spec)"))) }
    }

    private func staged(_ body: (Stage) async throws -> Void) async throws {
        let stage = try Stage()
        do {
            try await body(stage)
        } catch {
            try await stage.end()
            throw error
        }
        try await stage.end()
    }

    @Test("the plan asks the hypervisor where the machine cannot be asked, and says through what it goes")
    func planned() throws {
        let plan = try Self.plan()
        #expect(PlanCheck.faults(of: plan) == [])
        #expect(try CanonicalJSON.decode(Plan.self, from: try CanonicalJSON.encode(plan)) == plan, "the journal keeps all of it")
        let node = try SmallMesh.need(NodeID("wrk-e-1"))
        let host = try SmallMesh.need(NodeID("pve-1"))
        let step = try SmallMesh.need(plan.step(StepID("east", "wrk-e-1", "wipe-vdb")))
        #expect(step.action.driver == "talosctl" && step.title.hasSuffix("through Talos' API"))
        let needs = Set(step.gates.flatMap(\.needs) + step.done.flatMap(\.needs) + (step.proof ?? []).flatMap(\.needs))
        #expect(needs.contains(EvidenceKey(.node(host), .virtualDisks)))
        #expect(step.done.contains { if case .blankProven(node, _, 100, _, host) = $0 { true } else { false } })
        // What was signed is compared by nobody but the hypervisor; a plan without that is faulty.
        #expect(step.gates.contains { if case .warranted(_, node, _, host) = $0 { true } else { false } })
        var careless = plan.body
        let index = try SmallMesh.need(careless.steps.firstIndex { $0.id == step.id })
        careless.steps[index].gates = step.gates.map {
            if case .warranted(let step, let node, let disk, _) = $0 { .warranted(step, node, disk) } else { $0 }
        }
        #expect(
            PlanCheck.faults(of: Plan(body: careless, digest: .zero)).contains { $0.contains("lacks the gate \(GateID.warrant.rawValue)") })
        let all = plan.steps.flatMap { $0.gates + $0.done }.flatMap(\.needs)
        // Of the machine itself only what Talos tells.
        #expect(Set(all.filter { $0.subject == .node(node) }.map(\.probe)) == [.disks])
    }

    @Test("each disk is told with its identity and Talos' own use of it; its content stays unknown")
    func observed() async throws {
        try await staged { stage in
            let evidence = await StepDriver(tools: stage.tools, signers: Bench.nobody).observe(
                EvidenceKey(.node(try SmallMesh.need(NodeID("wrk-e-1"))), .disks), plan: stage.plan)
            let disks = evidence.facts.compactMap { if case .disk(let disk) = $0 { disk } else { nil } }
            #expect(evidence.bootID?.text == "aaaaaaaa-0000-4000-8000-000000000001" && disks.count == 2)
            #expect(disks[0].users == ["Talos' system disk"] && !disks[0].exclusiveOpen)
            #expect(disks[1].identity.serial == "wrk-e-1-data" && disks[1].identity.kind == .virtio && disks[1].exclusiveOpen)
            #expect(disks[1].signatures.map(\.kind) == ["bluestore"] && !disks[1].blank && disks[1].fingerprint == nil)
            stage.talos.state.withLock { $0.cut = true }
            let cut = await StepDriver(tools: stage.tools, signers: Bench.nobody).observe(
                EvidenceKey(.node(try SmallMesh.need(NodeID("wrk-e-1"))), .disks), plan: stage.plan)
            guard case .unavailable? = cut.facts.first else { return #expect(Bool(false)) }
        }
    }

    @Test("a signed warrant wipes the disk under the name that its serial has now")
    func wiped() async throws {
        try await staged { stage in
            let envelope = try await stage.warrant()
            guard case .succeeded(let words) = await stage.carryOut(envelope) else { return #expect(Bool(false)) }
            #expect(words.contains("cannot tell who else has the disk open"))
            #expect(stage.talos.state.withLock { $0.wiped } == ["vdb"])
        }
    }

    @Test("nothing is sent when the warrant, the boot or the disk is another one, or Talos says that it is in use")
    func refused() async throws {
        let harms: [@Sendable (inout StandInTalos.State) -> Void] = [
            { $0.boot = "bbbbbbbb-0000-4000-8000-000000000001" }, { $0.disks[1].serial = "other" }, { $0.disks[1].size = 13 << 30 },
            { $0.disks[0].serial = "wrk-e-1-data" }, { $0.disks[1].readOnly = true }, { $0.disks[1].secondaries = ["dm-0"] },
            { $0.disks[1].name = "vdc" },
        ]
        for (index, harm) in harms.enumerated() {
            try await staged { stage in
                let envelope = try await stage.warrant()
                stage.talos.state.withLock { harm(&$0) }
                guard case .refused = await stage.carryOut(envelope) else {
                    Issue.record("harm \(index) was not refused")
                    return
                }
                #expect(stage.talos.state.withLock { $0.wiped }.isEmpty)
            }
        }
        try await staged { stage in
            let otherStore = try #require(ReplayStoreID(String(repeating: "6", count: 32)))
            let changes: [(inout WarrantTerms) -> Void] = [
                { $0.store.id = otherStore }, { $0.nodeKey = .sha256([1]) },
                { $0.mesh = "other" }, { $0.plan = .zero }, { $0.method = .labels }, { $0.step = StepID("east", "wrk-e-2", "wipe-vdb") },
                { $0.notAfter = $0.notBefore + .seconds(1) },
            ]
            for change in changes {
                guard case .refused = await stage.carryOut(try await stage.warrant(change)) else { return #expect(Bool(false)) }
            }
            var forged = try await stage.warrant()
            forged.signatures = []
            guard case .refused = await stage.carryOut(forged) else { return #expect(Bool(false)) }
            #expect(stage.talos.state.withLock { $0.wiped }.isEmpty)
        }
    }

    @Test(
        "a name that moved or a machine that rebooted while Talos wrote is never called a success",
        arguments: ["moved", "rebooted", "failed", "hung"])
    func doubtful(_ what: String) async throws {
        try await staged { stage in
            let envelope = try await stage.warrant()
            stage.talos.state.withLock { state in
                switch what {
                case "moved":
                    state.during = { state in
                        state.disks[1].name = "vdc"
                        state.disks.append(.init(name: "vdb", serial: "precious"))
                    }
                case "rebooted": state.during = { $0.boot = "bbbbbbbb-0000-4000-8000-000000000001" }
                case "failed": state.exit = .exited(1)
                default: state.exit = .timedOut
                }
            }
            guard case .failed(let words) = await stage.carryOut(envelope) else { return #expect(Bool(false)) }
            if what == "moved" || what == "rebooted" { #expect(words.contains("another disk may be wiped")) }
        }
    }
}

@Suite("JSON objects one after the other")
struct JSONSequenceTests {
    @Test("are told apart by their braces, outside of texts; a cut one is an error")
    func objects() throws {
        let text = "{\"a\": \"} { \\\" \"}\n{\n \"b\": {\"c\": []}}{}"
        #expect(try JSONSequence.objects(in: Array(text.utf8)).count == 3)
        #expect(try JSONSequence.objects(in: []).isEmpty)
        for cut in ["{", "{\"a\": \"", "}", "{}}"] {
            #expect(throws: JSONSequence.Cut.self) { try JSONSequence.objects(in: Array(cut.utf8)) }
        }
    }
}
