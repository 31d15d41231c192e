// SPDX-License-Identifier: Apache-2.0

import MeshModel
import MeshTesting
import OperatorAPI
import Planning
import Rehearsal
import Running
import Testing

@testable import meshgate

/// What is shown of wipes under way. Agents say it, so nothing that one of them says may touch another's step.
@Suite("The board of progress")
struct ProgressBoardTests {
    private let board = ProgressBoard()
    private let east: NodeID
    private let west: NodeID
    private let run: RunID
    private let steps = [StepID("east", "wrk-e-1", "wipe-vdb"), StepID("east", "wrk-e-2", "wipe-vdb")]

    init() throws {
        east = try SmallMesh.need(NodeID("wrk-e-1"))
        west = try SmallMesh.need(NodeID("wrk-e-2"))
        run = try SmallMesh.need(RunID("run-1"))
    }

    /// A run in which both wipes of the cluster are under way and do not end.
    private func play() throws -> Play {
        var play = Play(plan: Planner.plan(try SmallMesh.spec(clusters: 1, services: false)) { _ in .zero })
        for node in [east, west] { play.world.machines[node]?.contents["\(node)-data"] = "ext4 'old'" }
        for step in steps { play.world.lies[step] = .hangs }
        play.start()
        play.apply(run: run)
        for step in steps {
            tick(&play) { if case .held = $0.machine.run?[step]?.status { true } else { false } }
            #expect(play.approve(step) == nil)
        }
        tick(&play) { play in steps.allSatisfy { if case .running = play.machine.run?[$0]?.status { true } else { false } } }
        try #require(steps.allSatisfy { play.machine.run?[$0]?.status.isActive == true })
        return play
    }

    private func tick(_ play: inout Play, until: (Play) -> Bool) { for _ in 0..<60 where !until(play) { play.tick() } }

    private func task(_ step: Int = 0, attempt: Int = 1) -> StepTask { StepTask(run: run, step: steps[step], attempt: attempt) }

    private func news(_ done: UInt64, of task: StepTask, total: UInt64 = 1000) throws -> TaskProgress {
        TaskProgress(task: try SmallMesh.need(task.id), phase: .writing, done: done, total: total)
    }

    private func at(_ milliseconds: Int64, _ play: Play) -> Moment { play.now.advanced(by: .milliseconds(milliseconds)) }

    @Test("shows what the agent of a wipe that runs has told last")
    func shown() throws {
        let play = try play()
        let first = try #require(board.take(try news(10, of: task()), of: east, machine: play.machine, now: at(0, play)))
        #expect(first.step == steps[0] && first.progress == StepProgress(phase: .writing, done: 10, total: 1000, rate: nil))
        _ = board.take(try news(20, of: task()), of: east, machine: play.machine, now: at(1000, play))
        #expect(board.progress(of: task())?.done == 20)
        #expect(board.progress(of: task(1)) == nil)
    }

    @Test("keeps the newest word of a tool, tells followers no more than one in 100 ms, and forgets the step that is over")
    func tool() throws {
        var play = try play()
        func objects(_ done: UInt64, _ name: String? = nil) -> StepProgress {
            StepProgress(phase: .applying, done: done, total: 12, rate: nil, current: name.map { .init(name: $0, seconds: 30) })
        }
        #expect(board.take(objects(0), of: steps[0], machine: play.machine, now: at(0, play)) == objects(0))
        #expect(board.take(objects(4, "aws_x.y"), of: steps[0], machine: play.machine, now: at(50, play)) == nil)
        #expect(board.progress(of: task()) == objects(4, "aws_x.y"))
        #expect(ProgressText(objects(4, "aws_x.y")).words == "4 of 12 resources, aws_x.y 30s")
        #expect(ProgressText(objects(4)).bar(width: 12).prefix(5) == "███░░")
        #expect(board.take(objects(5), of: steps[0], machine: play.machine, now: at(100, play)) == objects(5))
        #expect(board.take(objects(5), of: StepID("east", "nodes"), machine: play.machine, now: at(100, play)) == nil, "it is over")
        play.take(.outcome(run: run, step: steps[0], attempt: 1, .failed("x")))
        #expect(board.take(objects(6), of: steps[0], machine: play.machine, now: at(999, play)) == nil)
    }

    @Test("takes no more than one word in 100 ms of each step, and the word that came too soon is forgotten")
    func limit() throws {
        let play = try play()
        #expect(board.take(try news(10, of: task()), of: east, machine: play.machine, now: at(0, play)) != nil)
        #expect(board.take(try news(20, of: task()), of: east, machine: play.machine, now: at(99, play)) == nil)
        #expect(board.progress(of: task())?.done == 10)
        #expect(board.take(try news(5, of: task(1)), of: west, machine: play.machine, now: at(99, play)) != nil, "another step's clock")
        #expect(board.take(try news(30, of: task()), of: east, machine: play.machine, now: at(100, play))?.progress.done == 30)
        // The limit counts from the word that was shown last, so a stream that is too fast is thinned out and not silenced.
        var shown = 0
        for millisecond in stride(from: Int64(110), through: 1100, by: 10) {
            let said = board.take(try news(UInt64(millisecond), of: task()), of: east, machine: play.machine, now: at(millisecond, play))
            if said != nil { shown += 1 }
        }
        #expect(shown == 10)
    }

    @Test("ignores who is not the step's node, whatever the task: nobody speaks for another's disk")
    func otherNode() throws {
        let play = try play()
        #expect(board.take(try news(10, of: task()), of: west, machine: play.machine, now: at(0, play)) == nil)
        #expect(board.progress(of: task()) == nil)
        _ = board.take(try news(10, of: task()), of: east, machine: play.machine, now: at(0, play))
        #expect(board.take(try news(999, of: task()), of: west, machine: play.machine, now: at(1000, play)) == nil)
        #expect(board.progress(of: task())?.done == 10)
        #expect(board.take(try news(20, of: task()), of: east, machine: play.machine, now: at(1000, play)) != nil, "nor uses up its time")
    }

    @Test("ignores another run, another attempt, a step that is none, one that is no wipe, and a task that is none")
    func unknown() throws {
        let play = try play()
        let other = try SmallMesh.need(RunID("run-2"))
        let notWipe = try #require(play.plan.steps.first { if case .wipe = $0.action { false } else { true } })
        let tasks = [
            StepTask(run: other, step: steps[0], attempt: 1), task(attempt: 0), task(attempt: 2),
            StepTask(run: run, step: StepID("east", "wrk-e-1", "wipe-vdz"), attempt: 1), StepTask(run: run, step: notWipe.id, attempt: 1),
        ]
        for task in tasks {
            #expect(board.take(try news(10, of: task), of: east, machine: play.machine, now: at(0, play)) == nil, "\(task)")
            #expect(board.progress(of: task) == nil)
        }
        for text in ["probe:1:host:1", "ask:00", "step:run-1:east/wrk-e-1/wipe-vdb", "step:run-1:east/wrk-e-1/wipe-vdb:x"] {
            let progress = TaskProgress(task: try SmallMesh.need(TaskID(text)), phase: .writing, done: 1, total: 2)
            #expect(board.take(progress, of: east, machine: play.machine, now: at(0, play)) == nil, "\(text)")
        }
        #expect(board.take(try news(10, of: task()), of: east, machine: RunMachine(), now: at(0, play)) == nil, "there is no run")
    }

    @Test("forgets a step that is over, and takes nothing of it any more")
    func finished() throws {
        var play = try play()
        _ = board.take(try news(10, of: task()), of: east, machine: play.machine, now: at(0, play))
        _ = board.take(try news(10, of: task(1)), of: west, machine: play.machine, now: at(0, play))
        play.take(.outcome(run: run, step: steps[0], attempt: 1, .failed("the disk is dead")))
        try #require(play.machine.run?[steps[0]]?.status.isOver == true)
        #expect(board.take(try news(20, of: task()), of: east, machine: play.machine, now: at(1000, play)) == nil)
        #expect(board.take(try news(20, of: task(1)), of: west, machine: play.machine, now: at(1000, play)) != nil)
        #expect(board.progress(of: task()) == nil && board.progress(of: task(1))?.done == 20)
    }

    @Test("a step that is over is shown without progress at once, although the board has not heard of its end")
    func view() throws {
        var play = try play()
        _ = board.take(try news(10, of: task()), of: east, machine: play.machine, now: at(0, play))
        func shown() throws -> StepProgress? {
            let reply = StatusView.run(try #require(play.machine.run), machine: play.machine, now: play.now, progress: board.progress)
            return try #require(reply.steps.first { $0.id == steps[0] }).progress
        }
        #expect(try shown()?.done == 10)
        play.take(.outcome(run: run, step: steps[0], attempt: 1, .failed("the disk is dead")))
        #expect(try shown() == nil)
    }

    @Test("knows the rate from the second word on, and smoothes it so that a pause does not make it jump")
    func rate() throws {
        let play = try play()
        func rate(_ done: UInt64, at time: Int64) throws -> UInt64? {
            board.take(try news(done, of: task(), total: 1 << 40), of: east, machine: play.machine, now: at(time, play))?.progress.rate
        }
        #expect(try rate(0, at: 0) == nil)
        #expect(try rate(1000, at: 1000) == 1000)
        #expect(try rate(1000, at: 2000) == 700, "it stood still for a second")
        #expect(try rate(900, at: 3000) == 700, "what went back says nothing about the rate")
    }

    @Test("no number that an agent sends does harm, and a second full of them leaves a rate that can be divided by")
    func extremes() throws {
        let play = try play()
        let numbers: [UInt64] = [0, .max, 1, .max - 1, 1 << 63, 0, 1 << 62, .max]
        for (index, number) in numbers.enumerated() {
            let moment = at(Int64(index) * 100, play)
            let shown = board.take(
                try news(number, of: task(), total: numbers[numbers.count - 1 - index]), of: east, machine: play.machine, now: moment)
            let progress = try #require(shown?.progress)
            #expect((progress.rate ?? 0) <= 1_000_000_000_000_000 && (0...100).contains(progress.percent))
            _ = ProgressText(progress).words
        }
    }
}
