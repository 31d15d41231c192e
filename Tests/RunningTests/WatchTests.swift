// SPDX-License-Identifier: Apache-2.0

import Gating
import MeshModel
import MeshTesting
import Planning
import Rehearsal
import Running
import Testing

@Suite("Gates that have opened are watched on")
struct WatchTests {
    private let node: NodeID
    private let cilium: StepID

    init() throws {
        node = try SmallMesh.need(NodeID("wrk-e-1"))
        cilium = try SmallMesh.need(StepID("east/cilium"))
    }

    private func play(_ watch: MeshSpec.Watch? = nil) throws -> Play {
        var spec = try SmallMesh.spec()
        spec.policy.watch = watch
        var play = Play(plan: Planner.plan(spec) { _ in .zero })
        play.start()
        play.apply(run: try SmallMesh.need(RunID("run-1")))
        return play
    }

    private func tick(_ play: inout Play, within seconds: Int = 400, until isTrue: (Play) -> Bool) {
        for _ in 0..<seconds where !isTrue(play) { play.tick() }
        #expect(isTrue(play), "did not come about")
    }

    private func isDone(_ play: Play) -> Bool { play.machine.run?[cilium]?.status.isDone ?? false }

    /// As an agent tells it, unasked.
    private func tellLinks(_ play: inout Play) { play.tellLinks(of: node) }

    private func regressions(_ play: Play) -> [String] {
        play.journal.compactMap { record in
            switch record.entry {
            case .stepRegressed(let step, let verdict): "\(step) lost \(verdict.reasons.map(\.gate.rawValue).joined(separator: " "))"
            case .stepRecovered(let step): "\(step) recovered"
            default: nil
            }
        }
    }

    @Test("a link that drops under a step that is done is journaled at once, with node, link and remedy, and once; so is its return")
    func regression() throws {
        var play = try play()
        tick(&play, until: isDone)
        play.world.machines[node]?.linkDown = true
        tellLinks(&play)
        let lost = try SmallMesh.need(play.machine.run?[cilium]?.regression)
        #expect(lost.verdict.reasons.map(\.gate) == [.link])
        #expect(lost.verdict.reasons[0].detail == "ens18 of wrk-e-1 has no carrier" && !lost.verdict.reasons[0].remedy.isEmpty)
        for _ in 0..<10 { play.tick() }
        #expect(regressions(play) == ["east/cilium lost G-NET-01"], "the same again is no news")
        play.world.machines[node]?.route = .second
        play.tick()
        tellLinks(&play)
        #expect(
            regressions(play).last == "east/cilium lost G-NET-02 G-NET-01" || regressions(play).last == "east/cilium lost G-NET-01 G-NET-02"
        )
        #expect(play.machine.run?[cilium]?.regression?.since == lost.since, "it is down since then")
        play.world.machines[node]?.linkDown = false
        play.world.machines[node]?.route = .planned
        for _ in 0..<5 { play.tick() }
        #expect(regressions(play).last == "east/cilium recovered", "it was asked again by itself, without a telling")
        #expect(play.machine.run?[cilium]?.regression == nil && play.machine.run?.regressions == 2)
    }

    @Test("ground that comes back while another answer is too old to tell is good again once that answer is confirmed")
    func confirmed() throws {
        var play = try play()
        tick(&play, until: isDone)
        let before = play.machine.evidence.newest
        play.world.machines[node]?.linkDown = true
        tellLinks(&play)
        #expect(play.machine.run?[cilium]?.regression != nil)

        var machine = play.machine
        let later = play.now.advanced(by: .seconds(900))
        func again(_ evidence: Evidence) -> Input {
            .evidence(
                Evidence(
                    subject: evidence.subject, probe: evidence.probe, bootID: evidence.bootID, takenAt: later, facts: evidence.facts))
        }
        let links = EvidenceKey(.node(node), .links)
        _ = machine.take(again(try SmallMesh.need(before[links])), now: later)
        #expect(machine.run?[cilium]?.regression != nil, "all else is too old")
        var entries: [JournalEntry] = []
        for (key, evidence) in before where key != links { entries += machine.take(again(evidence), now: later) }
        #expect(entries.contains { if case .stepRecovered(cilium) = $0 { true } else { false } })
        #expect(machine.run?[cilium]?.regression == nil)
    }

    @Test("replayed, the journal gives the same regressions")
    func replay() throws {
        var play = try play()
        tick(&play, until: isDone)
        play.world.machines[node]?.linkDown = true
        tellLinks(&play)
        var machine = RunMachine()
        for record in play.journal { machine.apply(record.entry, at: record.at) }
        #expect(machine.run?[cilium]?.regression != nil)
        #expect(machine.run == play.machine.run)
    }

    @Test("a reboot and a silent agent are no regression, and no recovery either")
    func unknown() throws {
        var play = try play()
        tick(&play, until: isDone)
        play.world.machines[node]?.boot += 1
        for _ in 0..<5 { play.tick() }
        #expect(regressions(play).isEmpty)
        play.world.machines[node]?.linkDown = true
        tellLinks(&play)
        play.world.machines[node]?.online = false
        for _ in 0..<20 { play.tick() }
        #expect(play.machine.run?[cilium]?.regression != nil)
    }

    @Test("without a policy, what stands on the lost ground goes on; with it, it waits and says whose ground gave way")
    func holding() throws {
        for holds in [false, true] {
            var play = try play(.init(holdOnRegression: holds))
            tick(&play) { $0.machine.run?[cilium]?.status.hasBegun ?? false }
            play.world.machines[node]?.linkDown = true
            tellLinks(&play)
            let begun = { (play: Play) in
                play.journal.compactMap { if case .stepStarted(let step, _) = $0.entry { step.text } else { nil } }
            }
            let before = begun(play)
            #expect(!before.contains("east/clustermesh"))
            for _ in 0..<60 { play.tick() }
            #expect(begun(play).contains("east/clustermesh") == !holds)
            #expect(begun(play).contains("west/clustermesh"), "what stands elsewhere goes on")
            guard holds else { continue }
            let next = try SmallMesh.need(StepID("east/clustermesh"))
            guard case .held(let verdict, _)? = play.machine.run?[next]?.status else { return #expect(Bool(false), "not held") }
            #expect(
                verdict.reasons.contains {
                    $0.gate == .link && $0.detail.hasPrefix("the ground of east/cilium has given way: ens18 of wrk-e-1")
                })
            play.world.machines[node]?.linkDown = false
            tick(&play) { $0.machine.run?.isOver == true }
            #expect(play.machine.run?.ending == .succeeded, "it opened by itself")
        }
    }

    @Test("after the run nobody is asked any more, unless the policy says so; then ground is watched on, and nothing begins")
    func afterRun() throws {
        for watches in [false, true] {
            var play = try play(.init(afterRun: watches))
            tick(&play) { $0.machine.run?.isOver == true }
            let steps = play.machine.run?.steps.map(\.status)
            play.world.machines[node]?.linkDown = true
            for _ in 0..<700 { play.tick() }
            #expect((play.machine.run?[cilium]?.regression != nil) == watches)
            #expect(play.machine.run?.steps.map(\.status) == steps)
            guard watches else { continue }
            play.world.machines[node]?.linkDown = false
            for _ in 0..<40 { play.tick() }
            #expect(play.machine.run?[cilium]?.regression == nil)
            let asked = play.machine.probesDue(now: play.now.advanced(by: .seconds(3600)), seed: .zero).map(\.key)
            #expect(!asked.isEmpty && asked.allSatisfy { [.links, .reach, .paths, .clock, .kernel].contains($0.probe) }, "\(asked)")
        }
    }

    @Test("an override for the gate keeps its regression quiet as long as it counts")
    func overridden() throws {
        var play = try play()
        tick(&play, until: isDone)
        play.take(.override(GateOverride(step: cilium, gate: .link, by: "ada", reason: "cable work", until: play.now.wall + .seconds(600))))
        play.world.machines[node]?.linkDown = true
        tellLinks(&play)
        #expect(regressions(play).isEmpty)
    }
}
