// SPDX-License-Identifier: Apache-2.0

internal import FoundationEssentials
internal import Glibc
package import MeshModel
internal import MeshSystem

/// The product as a person has it: the meshgate binary and its commands, as child processes. Every form of a command line is here.
package struct LabCommandLine: LabProduct {
    /// Where agents dial in, on the management network.
    static let agentPort = 7443

    private let program: String
    private let paths: LabPaths
    private let processes: LabProcesses
    let runner: any CommandRunner
    /// HOST:PORT for agents.
    private let listen: String
    private static let coordinator = "coordinator"
    /// What `meshgate` ends with when nobody answers (sysexits.h, EX_UNAVAILABLE).
    private static let unavailable: Int32 = 69
    /// A story that takes longer is stuck.
    private static let longestRun = Duration.seconds(1200)

    init(program: String, paths: LabPaths, processes: LabProcesses, runner: any CommandRunner, listen: String) {
        self.program = program
        self.paths = paths
        self.processes = processes
        self.runner = runner
        self.listen = listen
    }

    package func startCoordinator() async throws {
        let path = ([paths.bin] + Invocation.systemPath).joined(separator: ":")
        let process = try processes.start(
            Self.coordinator, program,
            [
                "serve", "--state-dir", paths.coordinatorState, "--listen", listen, "--http", "127.0.0.1:0", "--mesh", paths.mesh,
                "--kubeconfig", paths.kubeconfig, "--allowed-signers", paths.allowedSigners,
            ], environment: ["PATH": path, "HOME": paths.directory], in: .rootNamespace)
        _ = try await LabPatience.value(
            "hear the coordinator answer", for: .seconds(30), remedy: "see \(paths.log(Self.coordinator))", while: { process.isAlive },
            look: { try await attempt(["status", "--output", "json"]).succeeded ? true : nil })
    }

    package func killCoordinator() async throws {
        guard let process = processes.find(Self.coordinator) else { return }
        process.signal(SIGKILL)
        guard process.waitForEnd(.seconds(5)) else {
            throw LabError.noAnswer(doing: "kill the coordinator", waited: .seconds(5), remedy: "see \(paths.log(Self.coordinator))")
        }
    }

    /// SIGKILL, without waiting for the end.
    func strike() { processes.find(Self.coordinator)?.signal(SIGKILL) }

    /// A process that was killed is dead in a moment: nobody mistakes it for one that goes on.
    var isCoordinatorAlive: Bool {
        guard let process = processes.find(Self.coordinator) else { return false }
        return !process.waitForEnd(.milliseconds(100))
    }

    package func invite(_ node: NodeID) async throws -> String {
        let text = try await call(["node", "invite", node.text, "--output", "json"])
        return try decode(Invitation.self, text, "the invitation").token
    }

    package func connectedNodes() async throws -> Set<String> {
        let text = try await call(["node", "list", "--output", "json"])
        return Set(try decode(NodeList.self, text, "the list of nodes").nodes.filter(\.connected).map(\.name))
    }

    package func planSummary() async throws -> String {
        let text = try await call(["plan", "--mesh", paths.mesh, "--output", "json"])
        let plan = try decode(PlanFile.self, text, "the plan")
        let drivers = Dictionary(grouping: plan.body.steps) { $0.id.split(separator: "/").first.map(String.init) ?? "" }
        let places = drivers.map { "\($0.value.count) in \($0.key)" }.sorted().joined(separator: ", ")
        let losses = plan.body.steps.flatMap { $0.destroys ?? [] }.map { "behind a warrant: \($0)" }
        return (["plan \(plan.digest.prefix(12)): \(plan.body.steps.count) steps, \(places)"] + losses).joined(separator: "\n")
    }

    package func carryOut(_ order: LabOrder, onEvent: @escaping @Sendable (LabEvent) -> Void) async throws {
        let invocation = invocation(order.words + ["--mesh", paths.mesh, "--output", "json"], deadline: Self.longestRun)
        let result = try await runner.run(invocation) { line in
            guard line.stream == .standardOutput, let event = LabEventLine.parse(line.text) else { return }
            onEvent(event)
        }
        // The command ends with the run, or with the coordinator: which one, the coordinator itself says.
        let status = try decode(Status.self, try await call(["status", "--output", "json"]), "the status")
        if let run = status.run, let ending = run.ending {
            onEvent(.ended(ending: ending, changed: run.changed))
        } else if !result.succeeded {
            onEvent(.note("meshgate \(order) ended with \(result.exit): \(LabTools.lastWords(of: result))"))
        }
    }

    package func explain(_ step: StepID) async throws -> String { try await call(["explain", step.text]) }

    package func checkNetwork(_ nodes: [NodeID]) async throws -> String { try await check("net", nodes) }

    package func checkHost(_ nodes: [NodeID]) async throws -> String { try await check("host", nodes) }

    /// That something is not as planned is what is wanted here: exit code 1.
    private func check(_ topic: String, _ nodes: [NodeID]) async throws -> String {
        try await attempt(["check", topic, "--mesh", paths.mesh] + nodes.flatMap { ["--node", $0.text] }).outputText
    }

    package func statusText() async throws -> String { try await attempt(["status"]).outputText }

    package func timeOfEvent(_ kind: String) async throws -> Timestamp? {
        let lines = try await call(["events", "--since", "0"]).split(separator: "\n")
        let events = lines.compactMap { try? JSONDecoder().decode(FeedLine.self, from: Data($0.utf8)) }
        return events.first { $0.kind == kind }?.time.flatMap { Timestamp($0) }
    }

    package func requestWarrant(_ step: StepID) async throws -> String {
        try await call([LabOrder.undoes(step) ? "destroy" : "wipe", "request", step.text])
    }

    package func submitWarrant(_ step: StepID, text: String, signature: String) async throws {
        let base = paths.approver + "/" + step.text.split(separator: "/").joined(separator: "-")
        try LabFiles.write(text, to: base + ".warrant")
        try LabFiles.write(signature, to: base + ".warrant.sig")
        try await call(["wipe", "submit", step.text, "--warrant", base + ".warrant", "--signature", base + ".warrant.sig"])
    }

    package func telemetry() async throws -> LabTelemetry {
        let books = try decode(Books.self, try await call(["feed", "loss", "--output", "json"]), "the books of telemetry")
        let traced = books.lines.filter { $0.source == "tracer" }
        return LabTelemetry(
            machines: traced.count, delivered: traced.reduce(0) { $0 + $1.delivered },
            lost: traced.reduce(0) { $0 + $1.lost.values.reduce(0, +) })
    }

    package func feed(_ restrictions: [String]) async throws -> String {
        try await call(["feed", "query", "--since", "5m"] + restrictions)
    }

    package func feedAddress() async throws -> String {
        let text = try await call(["status", "--output", "json"])
        return try decode(Status.self, text, "the status").http
    }

    /// A coordinator that was killed is back in a moment, and is asked again until then.
    @discardableResult
    func call(_ arguments: [String]) async throws -> String {
        let clock = ContinuousClock()
        let end = clock.now.advanced(by: .seconds(20))
        var result = try await attempt(arguments)
        while result.exit == .exited(Self.unavailable), clock.now < end {
            try await clock.sleep(for: .milliseconds(100))
            result = try await attempt(arguments)
        }
        guard result.succeeded else {
            throw LabError.tool(
                command: (["meshgate"] + arguments).joined(separator: " "), exit: result.exit.description,
                said: LabTools.lastWords(of: result))
        }
        return result.outputText
    }

    private func attempt(_ arguments: [String]) async throws -> CommandResult {
        try await runner.run(invocation(arguments, deadline: .seconds(30)))
    }

    func invocation(_ arguments: [String], deadline: Duration) -> Invocation {
        Invocation(
            program, arguments + ["--state-dir", paths.coordinatorState],
            environment: processes.environment.merging(["NO_COLOR": "1"]) { $1 },
            workingDirectory: paths.directory, deadline: deadline)
    }

    private func decode<Value: Decodable>(_ type: Value.Type, _ text: String, _ what: String) throws -> Value {
        do {
            return try JSONDecoder().decode(type, from: Data(text.utf8))
        } catch {
            throw LabError.unexpected(doing: "read \(what)", found: String(text.prefix(200)))
        }
    }

    private struct Invitation: Decodable { var token: String }
    private struct NodeList: Decodable {
        struct Node: Decodable {
            var name: String
            var connected: Bool
        }
        var nodes: [Node]
    }
    private struct Status: Decodable {
        struct Run: Decodable {
            var ending: String?
            var changed: Int
        }
        var http: String
        var run: Run?
    }
    private struct Books: Decodable {
        struct Line: Decodable {
            var source: String
            var delivered: UInt64
            var lost: [String: UInt64]
        }
        var lines: [Line]
    }
    private struct FeedLine: Decodable {
        var kind: String
        var time: String?
    }
    private struct PlanFile: Decodable {
        struct Body: Decodable { var steps: [Step] }
        struct Step: Decodable {
            var id: String
            var destroys: [String]?
        }
        var digest: String
        var body: Body
    }
}
