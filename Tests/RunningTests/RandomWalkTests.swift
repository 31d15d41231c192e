// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import Gating
import MeshModel
import MeshTesting
import Planning
import Rehearsal
import Running
import Testing

/// Any inputs in any order, then what must always hold. A failing seed stands in the message. A walk takes seconds: MESHGATE_WALKS asks for more of
/// them than every day has time for.
@Suite("Whatever happens")
struct RandomWalkTests {
    static let walks = ProcessInfo.processInfo.environment["MESHGATE_WALKS"].flatMap { Int($0) } ?? 24

    private struct Dice: RandomNumberGenerator {
        var state: UInt64
        mutating func next() -> UInt64 {
            state &+= 0x9E37_79B9_7F4A_7C15
            var z = state
            z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
            z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
            return z ^ (z >> 31)
        }
    }

    @Test(
        "no step starts behind a closed gate, no disk is wiped without a warrant, and replay agrees", arguments: 0..<RandomWalkTests.walks)
    func walk(seed: Int) throws {
        var dice = Dice(state: UInt64(seed))
        var spec = try SmallMesh.spec()
        spec.policy.watch = .init(holdOnRegression: seed.isMultiple(of: 2), afterRun: seed.isMultiple(of: 3))
        var play = Play(plan: Planner.plan(spec) { _ in .zero })
        let nodes = play.plan.spec.members.map(\.node)
        let wipes = play.plan.steps.filter(\.action.mustNotRepeat).map(\.id)
        for node in nodes {
            for disk in node.disks where Bool.random(using: &dice) { play.world.machines[node.name]?.contents[disk.serial ?? ""] = "ext4" }
        }
        play.start()
        play.apply(run: try SmallMesh.need(RunID("run-1")))
        for _ in 0..<220 {
            disturb(&play, nodes: nodes, wipes: wipes, &dice)
            let before = play.machine
            let known = play.journal.count
            play.tick()
            check(play, from: known, before: before, seed: seed)
        }
        var again = RunMachine()
        for record in play.journal { again.apply(record.entry, at: record.at) }
        #expect(again.run == play.machine.run, "seed \(seed)")
    }

    private func disturb(_ play: inout Play, nodes: [MeshSpec.Node], wipes: [StepID], _ dice: inout Dice) {
        guard let node = nodes.randomElement(using: &dice)?.name else { return }
        switch Int.random(in: 0..<40, using: &dice) {
        case 0: play.killCoordinator()
        case 1: play.world.machines[node]?.online.toggle()
        case 2: play.world.machines[node]?.boot += 1
        case 3: play.world.machines[node]?.clockAhead = .milliseconds(Int.random(in: -3000...3000, using: &dice))
        case 4: play.world.machines[node]?.clockAhead = .zero
        case 5: play.world.machines[node]?.portDead.toggle()
        case 6, 7, 8: if let wipe = wipes.randomElement(using: &dice) { _ = play.approve(wipe) }
        case 9:
            if let step = play.plan.steps.randomElement(using: &dice), let lie = RehearsedWorld.Lie.allCases.randomElement(using: &dice) {
                play.world.lies[step.id] = lie
            }
        case 10: if play.machine.run?.isOver == true, let run = RunID("run-\(play.journal.count)") { play.apply(run: run) }
        case 11, 12:
            play.world.machines[node]?.linkDown.toggle()
            if Bool.random(using: &dice) { play.tellLinks(of: node) }
        case 13:
            play.world.machines[node]?.route = RehearsedWorld.Route.allCases.randomElement(using: &dice) ?? .planned
            if Bool.random(using: &dice) { play.tellLinks(of: node) }
        default: break
        }
    }

    /// Starts are judged again by the state in which they were decided.
    private func check(_ play: Play, from known: Int, before: RunMachine, seed: Int) {
        var machine = before
        for record in play.journal[known...] {
            if case .stepStarted(let id, _) = record.entry, let step = play.plan.step(id) {
                #expect(machine.gateVerdict(of: step, now: record.at).passes, "seed \(seed): \(id) started behind a closed gate")
                #expect(machine.lostGround(below: step).passes, "seed \(seed): \(id) started on ground that had given way")
                #expect(machine.run?.predecessorsDone(step) == true, "seed \(seed): \(id) started too early")
                if step.action.mustNotRepeat { #expect(machine.warrants[id] != nil, "seed \(seed): \(id) started without a warrant") }
            }
            machine.apply(record.entry, at: record.at)
        }
        for record in play.machine.run?.steps ?? [] where record.regression != nil {
            #expect(record.status.hasBegun, "seed \(seed): \(record.step.id) has not begun and yet lost ground")
        }
        for (node, state) in play.world.machines {
            let wiped = state.wipes.values.reduce(0, +)
            #expect(
                wiped <= state.usedWarrants.count,
                "seed \(seed): \(node) was wiped \(wiped) times with \(state.usedWarrants.count) warrants")
        }
    }
}
