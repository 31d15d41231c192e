// SPDX-License-Identifier: Apache-2.0

internal import MeshModel
package import MeshSystem

/// Plays a scenario from nothing to nothing: builds the lab, starts the real product in it, lets things go wrong, does what a person would
/// do, and takes everything down. The product is used through its command line only.
package struct LabRunner: Sendable {
    private let scenario: LabScenario
    private let story: LabStory
    private let runner: any CommandRunner
    private let meshgate: String
    private let builder: LabBuilder
    /// Why this cannot be a whole lab.
    private let obstacles: [LabPreflight.Finding]

    /// `meshgate` is the absolute path of the coordinator's binary; the agent's lies beside it.
    package init(
        _ scenario: LabScenario, directory: String, meshgate: String, story: LabStory, prefix: String = LabPlan.defaultPrefix,
        runner: any CommandRunner = ProcessCommandRunner()
    ) throws {
        self.scenario = scenario
        self.story = story
        self.runner = runner
        self.meshgate = meshgate
        var plan = try scenario.plan(directory: directory, prefix: prefix)
        obstacles = LabPreflight(plan: plan).findings.filter(\.concernsRights)
        if !obstacles.isEmpty {
            plan.mode = .loopback
            plan.contents = []
            plan.skews = []
        }
        builder = try LabBuilder(plan, program: meshgate, runner: runner)
    }

    /// True when the story went as promised. With `keep` the lab stays up afterwards, for looking around.
    package func run(keep: Bool = false) async throws -> Bool {
        story.chapter("lab \(scenario.rawValue): \(scenario.summary)")
        for obstacle in obstacles { story.tell("only a part can run here: \(obstacle)", .held) }
        let ledger = try await builder.up { story.tell($0) }
        let result: Result<[String], any Error>
        do {
            let crew = try LabCrew(builder, ledger: ledger, meshgate: meshgate, runner: runner)
            result = .success(try await perform(crew))
        } catch {
            result = .failure(error)
            story.tell("\(error)", .bad)
        }
        if keep {
            story.tell("the lab stays up in \(builder.paths.directory); `meshgate lab down` removes it")
        } else {
            story.chapter("taking the lab down")
            try await LabBuilder.down(prefix: builder.plan.prefix, runner: runner)
            story.tell("nothing of it is left: no namespace, link, loop device, process or file", .good)
        }
        let missing = try result.get()
        for (title, duration) in story.times { story.tell("\(LabStory.seconds(duration))  \(title)", .quote) }
        for problem in missing { story.tell("not as promised: \(problem)", .bad) }
        if missing.isEmpty {
            story.tell(obstacles.isEmpty ? "\(scenario.rawValue): as promised" : "the part that can run here went well", .good)
        }
        return missing.isEmpty
    }

    /// What was promised and did not happen.
    private func perform(_ crew: LabCrew) async throws -> [String] {
        try await crew.open(scenario, story)
        story.chapter("the plan")
        story.tell(try await crew.product.planSummary(), .quote)
        if builder.plan.mode == .loopback { return try await checkFiles(crew) }
        story.chapter("apply")
        var director = LabDirector(scenario)
        try await carryOut(crew, &director)
        var missing = director.missing
        if missing.isEmpty {
            story.chapter("apply again")
            var second = LabDirector(.happy, tellsUnchanged: false)
            try await carryOut(crew, &second)
            if second.changed != 0 { missing.append("the second apply changed \(second.changed) steps") }
            missing += second.missing
        }
        story.tell("metrics and events: \(try await crew.product.feedAddress())")
        return missing
    }

    /// What can be tried without any rights, in place of a run.
    private func checkFiles(_ crew: LabCrew) async throws -> [String] {
        story.chapter("checks on plain files")
        try await LabFileChecks(paths: builder.paths, tools: LabTools(runner: runner)).run { story.tell($0, .good) }
        story.tell("metrics and events: \(try await crew.product.feedAddress())")
        story.tell("not run here, as it needs root: networks, disks, wipes, faults and the run itself", .held)
        return []
    }

    /// One run to its end, through as many coordinators as it takes.
    private func carryOut(_ crew: LabCrew, _ director: inout LabDirector) async throws {
        for _ in 0..<3 where director.ending == nil {
            try await follow(crew, &director)
        }
    }

    private func follow(_ crew: LabCrew, _ director: inout LabDirector) async throws {
        let (events, sink) = AsyncStream.makeStream(of: LabEvent.self)
        async let applying: Void = {
            defer { sink.finish() }
            try await crew.product.apply { sink.yield($0) }
        }()
        for await event in events {
            for act in director.react(to: event) { try await crew.carry(act, story) }
        }
        try await applying
    }
}
