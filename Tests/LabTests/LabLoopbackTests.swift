// SPDX-License-Identifier: Apache-2.0

import Glibc
import MeshModel
import MeshSystem
import Synchronization
import Testing

@testable import Lab

@Suite("The part of a lab that needs no rights", .serialized)
struct LabLoopbackTests {
    private static let prefix = RealLab.ownPrefix("o")
    private let directory: Scratch
    private var plan: LabPlan { LabPlan(directory: directory.path + "/lab", mode: .loopback, prefix: Self.prefix) }

    init() throws { directory = try Scratch() }

    @Test("it makes directories and nothing else, runs plain processes, and goes down to nothing")
    func upAndDown() async throws {
        let builder = try LabBuilder(plan, program: "/bin/true")
        let ledger = try await builder.up()
        #expect(ledger.namespaces.isEmpty && ledger.links.isEmpty)
        let processes = LabProcesses(paths: builder.paths, marker: ledger.marker)
        let sleeper = try processes.start("sleeper", "/bin/sleep", ["600"], in: .rootNamespace)
        #expect(processes.find("sleeper") == sleeper)
        let status = try #require(try LabStatus(prefix: Self.prefix))
        #expect(status.programs.map(\.name) == ["sleeper"] && status.nodes.count == 6 && status.nodes.allSatisfy { !$0.up })
        #expect(try await LabBuilder.down(prefix: Self.prefix))
        #expect(!sleeper.isAlive && !LabFiles.exists(plan.directory))
        #expect(try LabStatus(prefix: Self.prefix) == nil)
    }

    @Test("a program that nobody noted is found by its mark and ended too")
    func unnoted() async throws {
        let builder = try LabBuilder(plan, program: "/bin/true")
        let ledger = try await builder.up()
        let processes = LabProcesses(paths: builder.paths, marker: ledger.marker)
        let sleeper = try LabLauncher.start(
            LabProgram(
                path: "/bin/sleep", arguments: ["600"], environment: processes.environment, log: builder.paths.log("unnoted")),
            in: .rootNamespace)
        try await LabBuilder.down(prefix: Self.prefix)
        #expect(!sleeper.isAlive)
    }

    @Test("a noted program that hides its mark is ended too")
    func hidden() async throws {
        let builder = try LabBuilder(plan, program: "/bin/true")
        let ledger = try await builder.up()
        let processes = LabProcesses(paths: builder.paths, marker: ledger.marker)
        // What a program replaces itself with need not keep the mark; a hardened agent does not show it.
        let sleeper = try processes.start("hidden", "/usr/bin/env", ["-i", "/bin/sleep", "600"], in: .rootNamespace)
        try await LabBuilder.down(prefix: Self.prefix)
        #expect(!sleeper.isAlive)
    }

    @Test("labels and signatures are checked on plain files")
    func files() async throws {
        let builder = try LabBuilder(plan, program: "/bin/true")
        try await builder.up()
        let tools = LabTools(runner: ProcessCommandRunner())
        try await LabApprover(paths: builder.paths, tools: tools).prepare()
        let said = Mutex<[String]>([])
        try await LabFileChecks(paths: builder.paths, tools: tools).run { line in said.withLock { $0.append(line) } }
        #expect(said.withLock { $0 }.count == 2)
        try await LabBuilder.down(prefix: Self.prefix)
    }

    @Test("a directory with something in it is never taken over")
    func occupied() async throws {
        try LabFiles.makePath(plan.directory)
        try LabFiles.write("precious", to: plan.directory + "/file")
        await #expect(throws: LabError.self) { try await LabBuilder(plan, program: "/bin/true").up() }
        #expect(try await LabBuilder.down(prefix: Self.prefix) == false)
        #expect(LabFiles.text(plan.directory + "/file") == "precious")
    }

    @Test("a program that cannot be executed is an error with its name, not a process")
    func notExecutable() throws {
        let program = LabProgram(path: "/nonexistent/tool", arguments: [], environment: [:], log: directory.path + "/log")
        let error = #expect(throws: LabError.self) { try LabLauncher.start(program, in: .rootNamespace) }
        #expect("\(try #require(error))".contains("cannot start tool (execute it)"))
    }

    @Test("stopping is polite first: a program may end itself in its own way")
    func stopping() throws {
        let log = directory.path + "/log"
        let script = "trap 'echo bye; exit 0' TERM; echo ready; while :; do read -t 1 x < /dev/zero || :; done"
        let program = LabProgram(path: "/bin/bash", arguments: ["-c", script], environment: [:], log: log)
        let process = try LabLauncher.start(program, in: .rootNamespace)
        // TERM before the trap is set would end it without a word, so its first word is waited for.
        let deadline = ContinuousClock().now.advanced(by: .seconds(10))
        while LabFiles.text(log) != "ready", ContinuousClock().now < deadline { sched_yield() }
        #expect(process.stop(grace: .seconds(5)))
        #expect(LabFiles.text(log) == "ready\nbye")
        #expect(LabProcess(pid: process.pid) != process)
    }
}
