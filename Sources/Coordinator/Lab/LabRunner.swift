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
    /// In a story that kills at every boundary: at every N-th only.
    private let every: Int
    /// Why this cannot be a whole lab.
    private let obstacles: [LabPreflight.Finding]

    /// `meshgate` is the absolute path of the coordinator's binary; the agent's lies beside it.
    package init(
        _ scenario: LabScenario, directory: String, meshgate: String, story: LabStory, prefix: String = LabPlan.defaultPrefix,
        clusters: Int? = nil, services: LabPlan.Services? = nil, every: Int = 1, runner: any CommandRunner = ProcessCommandRunner()
    ) throws {
        self.scenario = scenario
        self.story = story
        self.runner = runner
        self.meshgate = meshgate
        self.every = every
        var plan = try scenario.plan(directory: directory, prefix: prefix, clusters: clusters)
        if let services { plan.services = services }
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
            story.tell("the lab stays up in \(builder.paths.directory), its dashboard too; `meshgate lab down` removes it")
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
        let before = try LabWorldState(builder.topology, builder.paths)
        if scenario == .killedAtEveryStep {
            return try await LabResilience(crew, builder, story, every: every).prove(from: before, carryOut)
        }
        story.chapter("apply")
        var director = LabDirector(scenario)
        try await carryOut(.apply, crew, &director)
        var missing = director.missing
        if missing.isEmpty { missing += try await repeated(.apply, crew) }
        if missing.isEmpty, scenario.migratesCA { missing += try crew.checkAuthorities(story) }
        if missing.isEmpty, scenario.losesLinkAfterwards {
            story.chapter("afterwards")
            try await crew.loseLinkAfterwards(story)
        }
        if missing.isEmpty, scenario.takesDown { missing += try await takeDown(crew, to: before) }
        let seen = try await crew.product.telemetry()
        story.tell(
            seen.machines > 0
                ? "the agents' own eBPF programs told of \(seen.delivered) events on \(seen.machines) machines; \(seen.lost) more were left out by limits or lost, and counted"
                : "no eBPF program ran here; what /proc shows is on the feed")
        story.tell("dashboard with a live feed, metrics and events: \(try await crew.product.feedAddress())")
        return missing
    }

    /// A finished order given again: nothing is to change.
    private func repeated(_ order: LabOrder, _ crew: LabCrew) async throws -> [String] {
        story.chapter("\(order) again")
        var director = LabDirector(.happy, during: order, tellsUnchanged: false)
        try await carryOut(order, crew, &director)
        return director.missing + (director.changed == 0 ? [] : ["the second \(order) changed \(director.changed) steps"])
    }

    /// Looked over, taken down with a signature for every loss, and compared with what the clusters were before.
    private func takeDown(_ crew: LabCrew, to before: LabWorldState) async throws -> [String] {
        story.chapter("verify")
        var look = LabDirector(.happy, during: .verify, tellsUnchanged: false)
        try await carryOut(.verify, crew, &look)
        guard look.missing.isEmpty else { return look.missing.map { "verify: \($0)" } }
        story.chapter("destroy")
        var director = LabDirector(.happy, during: .destroy)
        try await carryOut(.destroy, crew, &director)
        guard director.missing.isEmpty else { return director.missing.map { "destroy: \($0)" } }
        let missing = try await repeated(.destroy, crew)
        let left = try LabWorldState(builder.topology, builder.paths).differences(from: before)
        if left.isEmpty { story.tell("the clusters hold what they held before, object by object", .good) }
        guard missing.isEmpty, left.isEmpty else { return missing + left.map { "after the teardown \($0)" } }
        return try await takeMachinesDown(crew)
    }

    /// Every machine under a warrant for exactly these, and then what leads to them.
    private func takeMachinesDown(_ crew: LabCrew) async throws -> [String] {
        story.chapter("\(LabOrder.destroyMachines)")
        var director = LabDirector(.happy, during: .destroyMachines)
        try await carryOut(.destroyMachines, crew, &director)
        guard director.missing.isEmpty else { return director.missing.map { "\(LabOrder.destroyMachines): \($0)" } }
        let missing = try await repeated(.destroyMachines, crew)
        let left = [builder.paths.kubeconfig, builder.paths.talosconfig].flatMap { file in
            builder.topology.clusters.filter { LabFiles.text(file)?.contains($0.name.text) ?? false }.map {
                "\(file) still names \($0.name)"
            }
        }
        if left.isEmpty { story.tell("no credential leads to a machine that is gone", .good) }
        return missing + left
    }

    /// What can be tried without any rights, in place of a run.
    private func checkFiles(_ crew: LabCrew) async throws -> [String] {
        story.chapter("checks on plain files")
        try await LabFileChecks(paths: builder.paths, tools: LabTools(runner: runner)).run { story.tell($0, .good) }
        story.tell("dashboard, metrics and events: \(try await crew.product.feedAddress())")
        story.tell("not run here, as it needs root: networks, disks, tracers, wipes, faults and the run itself", .held)
        return []
    }

    /// One run to its end, through as many coordinators as it takes.
    private func carryOut(_ order: LabOrder, _ crew: LabCrew, _ director: inout LabDirector) async throws {
        for _ in 0..<3 where director.ending == nil {
            try await follow(order, crew, &director)
        }
    }

    private func follow(_ order: LabOrder, _ crew: LabCrew, _ director: inout LabDirector) async throws {
        let (events, sink) = AsyncStream.makeStream(of: LabEvent.self)
        async let applying: Void = {
            defer { sink.finish() }
            try await crew.product.carryOut(order) { sink.yield($0) }
        }()
        for await event in events {
            for act in director.react(to: event) { try await crew.carry(act, in: scenario, story) }
        }
        try await applying
    }
}
