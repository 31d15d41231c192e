// SPDX-License-Identifier: Apache-2.0

import Gating
import MeshModel
import MeshSystem
import MeshTesting
import Planning
import Running
import StandInTesting
import Synchronization
import Testing

@testable import ToolDrivers

/// Says what a test wants, and notes when it was asked.
private final class ScriptedWitness: FlowWitness {
    private struct State {
        var asked: [String] = []
        var parties: TestFlows.Parties?
        var answer: TestFlows?
    }
    private let state = Mutex(State())

    init(_ answer: TestFlows?) { state.withLock { $0.answer = answer } }

    var asked: [String] { state.withLock { $0.asked } }
    var parties: TestFlows.Parties? { state.withLock { $0.parties } }
    func answers(_ flows: TestFlows?) { state.withLock { $0.answer = flows } }

    func begin(_ parties: TestFlows.Parties) {
        state.withLock { state in
            state.asked.append("begin")
            state.parties = parties
        }
    }

    func end(_ parties: TestFlows.Parties) async throws -> TestFlows {
        try state.withLock { state in
            state.asked.append("end")
            guard let answer = state.answer else { throw CancellationError() }
            return answer
        }
    }
}

@Suite("Hubble as a witness of the connectivity test", .timeLimit(.minutes(2)))
struct FlowWitnessTests {
    private func onStage(
        asks: Bool = true, witness: ScriptedWitness?, _ body: @escaping @Sendable (Bench, StepDriver) async throws -> Void
    ) async throws {
        var spec = try Bench.spec()
        if asks { spec.policy.telemetry = .init(flows: .init()) }
        try await StandInWorld.with(spec) { [spec] world in
            let bench = try Bench(world, spec)
            try await bench.prepareMesh()
            try await bench.run("mesh", "connect")
            var tools = bench.tools
            tools.flows = witness
            try await body(bench, StepDriver(tools: tools, signers: Bench.nobody))
        }
    }

    private func flows(_ bench: Bench, drop: String? = nil) -> TestFlows {
        let (east, west) = (bench.cluster(0).name, bench.cluster(1).name)
        return TestFlows(
            witnesses: bench.plan.spec.witnesses(east, west).map { node, cluster in
                .init(
                    node: node, cluster: cluster, there: 3, back: 3,
                    drops: drop.map { [.init(reason: $0, from: east, to: west, flows: 1)] } ?? [])
            })
    }

    private func verdict(_ bench: Bench) async throws -> Verdict { await bench.judge(try bench.step("connectivity", "east", "west").done) }

    @Test("what was seen is kept with the report, and judged anew by every look; a failed one is repeated and replaced")
    func kept() async throws {
        let witness = ScriptedWitness(nil)
        try await onStage(witness: witness) { bench, driver in
            let step = try bench.step("connectivity", "east", "west")
            let before = try await verdict(bench)
            guard case .hold = before else { Issue.record("before the test: \(before)"); return }
            witness.answers(flows(bench, drop: "INVALID_IDENTITY"))
            try await succeeds(step, bench, driver, "the test")
            let parties = try #require(witness.parties)
            #expect(parties.from == bench.cluster(0).name && parties.to == bench.cluster(1).name)
            #expect(parties.nodes.count == flows(bench).witnesses.count && !parties.nodes.isEmpty && witness.asked == ["begin", "end"])
            let seen = try await verdict(bench)
            guard case .deny(let reasons) = seen else { Issue.record("a drop was not seen: \(seen)"); return }
            #expect(reasons.contains { $0.gate == .flowsCrossed && $0.detail.contains("INVALID_IDENTITY") })
            witness.answers(flows(bench))
            try await succeeds(step, bench, driver, "the second test")
            #expect(try await settled(bench) == .pass)
        }
    }

    private func succeeds(_ step: Step, _ bench: Bench, _ driver: StepDriver, _ what: String) async throws {
        let outcome = await driver.carryOut(step, plan: bench.plan)
        guard case .succeeded = outcome else {
            Issue.record("\(what): \(outcome)")
            throw SmallMesh.NotThere()
        }
    }

    /// The test's namespaces go some time later.
    private func settled(_ bench: Bench) async throws -> Verdict {
        for _ in 0..<10_000 {
            let verdict = try await verdict(bench)
            if verdict.passes { return verdict }
        }
        return try await verdict(bench)
    }

    @Test("a test whose count was cut off, and a file that cannot be read, leave nothing that passes")
    func cutOff() async throws {
        let witness = ScriptedWitness(nil)
        try await onStage(witness: witness) { bench, driver in
            let step = try bench.step("connectivity", "east", "west")
            let cut = await driver.carryOut(step, plan: bench.plan)
            guard case .failed = cut else { Issue.record("it was cut off: \(cut)"); return }
            let uncounted = try await verdict(bench)
            guard case .hold = uncounted else { Issue.record("nothing was counted: \(uncounted)"); return }
            witness.answers(flows(bench))
            try await succeeds(step, bench, driver, "the test")
            for text in ["", "{", "[]", #"{"witnesses":[{"node":"a b"}]}"#, #"{"witnesses":[{"node":"a","cluster":"b","lost":1e99}]}"#] {
                try bench.tools.files.write(Array(text.utf8), to: bench.tools.workDirectory + "/connectivity-east-to-west.flows.json")
                let believed = try await verdict(bench)
                guard case .hold(let reasons) = believed else { Issue.record("\(text): \(believed)"); continue }
                #expect(reasons.contains { $0.gate == .flowsCrossed && $0.code == .absent })
            }
        }
    }

    @Test("nobody counts where the plan does not ask; where it does and nobody can, no test begins")
    func unasked() async throws {
        let witness = ScriptedWitness(nil)
        try await onStage(asks: false, witness: witness) { bench, driver in
            let step = try bench.step("connectivity", "east", "west")
            try await succeeds(step, bench, driver, "the test")
            #expect(witness.asked.isEmpty && step.done.count == 1)
        }
        try await onStage(witness: nil) { bench, driver in
            let step = try bench.step("connectivity", "east", "west")
            let outcome = await driver.carryOut(step, plan: bench.plan)
            guard case .failed(let why) = outcome else { Issue.record("nobody counted: \(outcome)"); return }
            #expect(why.contains("Hubble's flows"))
            #expect(try bench.tools.files.read(bench.tools.workDirectory + "/connectivity-east-to-west.xml", limit: 1 << 20) == nil)
        }
    }
}
