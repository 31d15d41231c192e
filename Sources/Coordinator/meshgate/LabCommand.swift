// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Lab
import MeshSystem
import UnixSignals

/// `meshgate lab`: the mesh on one machine, with real agents, disks and networks, and stand-in clusters.
struct LabCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "lab", abstract: "A mesh on this machine: real agents, disks and networks, stand-in clusters.",
        discussion: """
            Scenarios:
            \(LabScenario.allCases.map { "  \($0.rawValue)\(String(repeating: " ", count: max(1, 20 - $0.rawValue.count)))\($0.summary)" }.joined(separator: "\n"))

            Examples:
              sudo meshgate lab run tour
              sudo meshgate lab run missing-vlan --keep
              sudo meshgate lab status
              sudo meshgate lab down
            """,
        subcommands: [Up.self, Run.self, Down.self, Status.self], defaultSubcommand: Status.self)

    struct Place: ParsableArguments {
        @Option(help: "Where the lab keeps its files.", completion: .directory) var directory: String = "/var/tmp/meshgate-lab"
        @Option(help: "Prefix of everything it makes.") var prefix: String = LabPlan.defaultPrefix
    }

    struct Up: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Build the lab and leave it up, for looking around.", discussion: "Example:\n  sudo meshgate lab up happy")
        @OptionGroup var place: Place
        @Argument(help: "The scenario whose beginning is built.") var scenario: String = LabScenario.happy.rawValue
        func run() async throws {
            try await labReporting {
                let plan = try LabCommand.scenarioNamed(scenario).plan(directory: place.directory, prefix: place.prefix)
                try LabCommand.check(plan)
                let builder = try LabBuilder(plan, program: try LabBuilder.ownProgram(), runner: ProcessCommandRunner())
                _ = try await LabCommand.untilInterrupted(prefix: place.prefix) { try await builder.up { Terminal.say($0) } }
                Terminal.say("the lab is up in \(place.directory); `meshgate lab down` removes it")
            }
        }
    }

    struct Run: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Play a scenario from nothing to nothing.", discussion: "Example:\n  sudo meshgate lab run tour")
        @Argument(help: "The scenario.") var scenario: String
        @OptionGroup var place: Place
        @Option(help: "How many clusters, instead of the scenario's own number.") var clusters: Int?
        @Flag(help: "Every service of the catalogue, in place of storage and metrics.") var catalogue = false
        @Option(help: "With killed-at-every-step: die at every N-th boundary only.") var every: Int = 1
        @Flag(help: "Leave the lab up at the end.") var keep = false
        func validate() throws {
            guard every > 0 else { throw ValidationError("--every is a number from 1 on") }
        }
        func run() async throws {
            try await labReporting {
                let scenario = try LabCommand.scenarioNamed(scenario)
                let plan = try scenario.plan(directory: place.directory, prefix: place.prefix, clusters: clusters)
                if let problem = plan.problems.first { throw Failure(.usage, problem) }
                let story = LabStory(colour: Terminal.hasColour) { Terminal.raw($0) }
                // Without root a part can still run; the runner says which.
                if LabPreflight(plan: plan).possibleMode == .full { try LabCommand.check(plan) }
                let runner = try LabRunner(
                    scenario, directory: place.directory, meshgate: try LabBuilder.ownProgram(), story: story, prefix: place.prefix,
                    clusters: clusters, services: catalogue ? .catalogue : nil, every: every)
                let wentWell = try await LabCommand.untilInterrupted(prefix: place.prefix) { try await runner.run(keep: keep) }
                guard wentWell else { throw Exit.no.code }
            }
        }
    }

    struct Down: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Remove exactly what the lab made; also after a kill, and as often as you like.",
            discussion: "Example:\n  sudo meshgate lab down")
        @Option(help: "Prefix of everything it made.") var prefix: String = LabPlan.defaultPrefix
        func run() async throws {
            try await labReporting {
                let found = try await LabBuilder.down(prefix: prefix)
                Terminal.say(found ? "the lab is gone" : "there was no lab")
            }
        }
    }

    struct Status: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Show what is up.", discussion: "Example:\n  sudo meshgate lab status")
        @Option(help: "Prefix of everything it made.") var prefix: String = LabPlan.defaultPrefix
        @OptionGroup var output: OutputOption
        func run() async throws {
            try await labReporting {
                guard let status = try LabStatus(prefix: prefix) else {
                    return Terminal.say("no lab is up; `meshgate lab run tour` plays one")
                }
                Terminal.say(output.output == .json ? try status.json() : status.text)
            }
        }
    }

    private struct Interrupted: Error {}

    /// Ctrl-C takes the lab down instead of leaving it about.
    static func untilInterrupted<Value: Sendable>(prefix: String, _ body: @escaping @Sendable () async throws -> Value) async throws
        -> Value
    {
        do {
            return try await withThrowingTaskGroup(of: Value.self) { group in
                group.addTask { try await body() }
                group.addTask {
                    for await _ in await UnixSignalsSequence(trapping: .sigint, .sigterm) { throw Interrupted() }
                    throw CancellationError()
                }
                defer { group.cancelAll() }
                guard let value = try await group.next() else { throw CancellationError() }
                return value
            }
        } catch is Interrupted {
            Terminal.say("interrupted; taking the lab down")
            try await LabBuilder.down(prefix: prefix)
            throw Exit.no.code
        }
    }

    static func scenarioNamed(_ name: String) throws -> LabScenario {
        guard let scenario = LabScenario(rawValue: name) else {
            throw Failure(
                .usage, "there is no scenario \"\(name)\"; there are: \(LabScenario.allCases.map(\.rawValue).joined(separator: ", "))")
        }
        return scenario
    }

    /// What is missing is said before anything is made.
    static func check(_ plan: LabPlan) throws {
        let findings = LabPreflight(plan: plan).findings
        guard findings.isEmpty else {
            let rights = findings.contains(where: \.concernsRights)
            let hint = rights ? "\nwithout root, `make test` runs the parts that need none: loopback agents and file-backed checks" : ""
            throw Failure(
                rights ? .notPermitted : .configuration,
                "the lab cannot be built here:\n" + findings.map { "  \($0)" }.joined(separator: "\n") + hint)
        }
    }
}

/// Errors of the lab as ours.
private func labReporting(_ body: () async throws -> Void) async throws {
    try await reporting {
        do {
            try await body()
        } catch let error as LabError {
            throw Failure(.no, "\(error)")
        } catch let error as SystemError {
            throw Failure(.io, "\(error)")
        }
    }
}
