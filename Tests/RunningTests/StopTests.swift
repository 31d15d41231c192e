// SPDX-License-Identifier: Apache-2.0

import Gating
import MeshModel
import MeshTesting
import Planning
import Rehearsal
import Running
import Testing

@Suite("After a stop")
struct StopTests {
    private func stopped() throws -> Play {
        var play = Play(plan: Planner.plan(try SmallMesh.spec()) { _ in .zero })
        play.start()
        play.apply(run: try SmallMesh.need(RunID("run-1")))
        for _ in 0..<30 where !(play.machine.run?.steps.contains { if case .running = $0.status { true } else { false } } ?? true) {
            play.tick()
        }
        #expect(play.take(.stop(by: "test")) == nil)
        return play
    }

    private func running(_ play: Play) throws -> RunStatus.StepRecord {
        try SmallMesh.need(play.machine.run?.steps.first { if case .running = $0.status { true } else { false } })
    }

    @Test("another run waits until what the first had begun has ended")
    func windingDown() throws {
        var play = try stopped()
        let begun = try running(play).step.id
        let second = Input.apply(run: try SmallMesh.need(RunID("run-2")), plan: play.plan, by: "test")
        #expect(play.machine.refusal(of: second, now: play.now) == .windingDown(try SmallMesh.need(RunID("run-1")), begun))
        for record in play.machine.run?.steps ?? [] {
            guard case .running = record.status else { continue }
            play.take(
                .outcome(
                    run: try SmallMesh.need(RunID("run-1")), step: record.step.id, attempt: record.attempts, .succeeded("ended late")))
        }
        #expect(play.machine.refusal(of: second, now: play.now) == nil)
    }

    @Test("news of an earlier run is no news of this one")
    func otherRun() throws {
        var play = Play(plan: Planner.plan(try SmallMesh.spec()) { _ in .zero })
        play.start()
        play.apply(run: try SmallMesh.need(RunID("run-2")))
        for _ in 0..<6 { play.tick() }
        let record = try running(play)
        let before = play.machine.run
        play.take(.outcome(run: try SmallMesh.need(RunID("run-1")), step: record.step.id, attempt: record.attempts, .failed("old")))
        #expect(play.machine.run == before)
    }

    @Test("a coordinator machine that reboots does not leave a step waiting for the old boot clock")
    func rebooted() throws {
        var play = Play(plan: Planner.plan(try SmallMesh.spec()) { _ in .zero })
        play.start()
        play.apply(run: try SmallMesh.need(RunID("run-1")))
        for _ in 0..<6 { play.tick() }
        var machine = play.machine
        let late = Moment(wall: play.now.wall + .seconds(60), boot: 5_000)
        _ = machine.take(.started(boot: try SmallMesh.need(BootID("d0d0d0d0"))), now: late)
        for record in machine.run?.steps ?? [] {
            switch record.status {
            case .verifying(_, let since), .running(let since): #expect(since.boot <= late.boot)
            case .waiting, .held, .done, .failed: continue
            }
        }
        #expect(machine.evidence.newest.isEmpty)
    }
}
