// SPDX-License-Identifier: Apache-2.0

import Gating
import MeshModel
import MeshTesting
import Planning
import Rehearsal
import Running
import Testing

@Suite("The run machine")
struct RunMachineTests {
    private func play(dirty: Bool = false) throws -> Play {
        var play = Play(plan: Planner.plan(try SmallMesh.spec()) { _ in .zero })
        if dirty {
            let node = try SmallMesh.need(NodeID("wrk-e-1"))
            play.world.machines[node]?.contents["wrk-e-1-data"] = "BlueStore OSD 3"
        }
        play.start()
        play.apply(run: try SmallMesh.need(RunID("run-1")))
        return play
    }

    private func step(_ text: String) throws -> StepID { try SmallMesh.need(StepID(text)) }

    private func finish(_ play: inout Play, within seconds: Int = 400) {
        for _ in 0..<seconds where play.machine.run?.isOver != true { play.tick() }
    }

    @Test("a run without obstacles ends with everything done")
    func happy() throws {
        var play = try play()
        finish(&play)
        #expect(play.machine.run?.ending == .succeeded)
        #expect(play.machine.run?.steps.allSatisfy { $0.status.isDone } == true)
    }

    @Test("applied a second time, nothing is changed")
    func twice() throws {
        var play = try play()
        finish(&play)
        play.apply(run: try SmallMesh.need(RunID("run-2")))
        finish(&play)
        #expect(play.machine.run?.ending == .succeeded)
        #expect(play.machine.run?.changed == 0)
    }

    @Test("clusters go forward side by side")
    func parallel() throws {
        var play = try play()
        var together = false
        for _ in 0..<20 {
            play.tick()
            let running = play.machine.run?.steps.filter { $0.status.isActive }.map(\.step.id.text) ?? []
            if running.contains(where: { $0.hasPrefix("east/") }), running.contains(where: { $0.hasPrefix("west/") }) { together = true }
        }
        #expect(together)
    }

    @Test("a dirty disk holds its wipe for want of a warrant, and Rook behind it; a warrant releases both")
    func warrant() throws {
        var play = try play(dirty: true)
        for _ in 0..<60 { play.tick() }
        let wipe = try step("east/wrk-e-1/wipe-vdb")
        guard case .held(let verdict, _) = play.machine.run?[wipe]?.status else { return #expect(Bool(false), "not held") }
        #expect(verdict.reasons.map(\.code) == [.needsWarrant])
        #expect(play.machine.run?[try step("east/service-rook-ceph")]?.status == .waiting)
        #expect(play.approve(wipe) == nil)
        finish(&play)
        #expect(play.machine.run?.ending == .succeeded)
        #expect(play.world.machines[try SmallMesh.need(NodeID("wrk-e-1"))]?.wipes == ["wrk-e-1-data": 1])
    }

    @Test("a tool that exits 0 without doing anything is not believed")
    func lies() throws {
        var play = try play()
        play.world.lies[try step("mesh/connect")] = .nothingDone
        finish(&play)
        guard case .failed(let problem, _) = play.machine.run?[try step("mesh/connect")]?.status else {
            return #expect(Bool(false), "not failed")
        }
        #expect(problem.contains("it was reported as done"))
        #expect(play.machine.run?.ending == .failed)
        #expect(play.machine.run?[try step("connectivity/east/west")]?.status == .waiting)
    }

    @Test("a failed cluster does not stop the other one")
    func independent() throws {
        var play = try play()
        play.world.lies[try step("west/gateway-api")] = .fails
        finish(&play)
        #expect(play.machine.run?[try step("east/clustermesh")]?.status.isDone == true)
        #expect(play.machine.run?[try step("east/service-rook-ceph")]?.status.isDone == true)
        #expect(play.machine.run?.ending == .failed)
    }

    @Test("a warrant for another plan, step, disk or already used is refused with the reason")
    func warrants() throws {
        var play = try play(dirty: true)
        for _ in 0..<20 { play.tick() }
        #expect(play.approve(try step("east/cilium")) == .notAWipe(try step("east/cilium")))
        #expect(play.approve(try step("east/wrk-e-1/wipe-vdb")) == nil)
        let used = try SmallMesh.need(play.machine.warrants[try step("east/wrk-e-1/wipe-vdb")])
        let again = Input.warrant(
            step: try step("east/wrk-w-9/wipe-vdb"), id: used.note.id, notAfter: used.note.notAfter, envelope: used.envelope)
        #expect(play.machine.refusal(of: again, now: play.now) == .noSuchStep(try step("east/wrk-w-9/wipe-vdb")))
        let other = Input.warrant(
            step: try step("west/wrk-w-1/wipe-vdb"), id: used.note.id, notAfter: used.note.notAfter, envelope: used.envelope)
        #expect(play.machine.refusal(of: other, now: play.now) != nil)
    }

    @Test("an override passes one gate of one step, and never one of a wipe")
    func override() throws {
        var play = try play(dirty: true)
        let west = try SmallMesh.need(NodeID("wrk-w-1"))
        play.world.machines[west]?.clockAhead = .seconds(120)
        for _ in 0..<60 { play.tick() }
        guard case .held = play.machine.run?[try step("west/cilium")]?.status else { return #expect(Bool(false), "not held") }
        let until = play.now.wall + .seconds(600)
        let wipe = GateOverride(step: try step("east/wrk-e-1/wipe-vdb"), gate: .warrant, by: "eve", reason: "hurry", until: until)
        #expect(play.take(.override(wipe)) == .overrideImpossible(wipe.step, .warrant))
        let silent = GateOverride(step: try step("west/cilium"), gate: .clock, by: "eve", reason: "", until: until)
        #expect(play.take(.override(silent)) == .overrideUnreasoned)
        let named = GateOverride(step: try step("west/cilium"), gate: .clock, by: "eve", reason: "test bed without NTP", until: until)
        #expect(play.take(.override(named)) == nil)
        for _ in 0..<10 { play.tick() }
        #expect(play.machine.run?[try step("west/cilium")]?.attempts == 1)
    }

    @Test("replay of the journal gives the same state")
    func replay() throws {
        var play = try play(dirty: true)
        _ = play.approve(try step("east/wrk-e-1/wipe-vdb"))
        finish(&play, within: 50)
        var again = RunMachine()
        for record in play.journal { again.apply(record.entry, at: record.at) }
        #expect(again.run == play.machine.run)
        #expect(again.evidence == play.machine.evidence)
        #expect(again.epoch == play.machine.epoch)
    }

    @Test("killed after every single journal entry, a run still ends well, with at most one wipe per warrant")
    func killedEverywhere() throws {
        var original = try play(dirty: true)
        for _ in 0..<15 { original.tick() }
        _ = original.approve(try step("east/wrk-e-1/wipe-vdb"))
        finish(&original)
        #expect(original.machine.run?.ending == .succeeded)
        let node = try SmallMesh.need(NodeID("wrk-e-1"))
        let decisions = original.journal.indices.filter { index in
            switch original.journal[index].entry {
            case .evidenceTaken, .evidenceRenewed: false
            default: true
            }
        }
        for cut in decisions {
            var play = try play(dirty: true)
            while play.journal.count <= cut, play.machine.run?.isOver != true {
                play.tick()
                if play.seconds == 15 { _ = play.approve(try step("east/wrk-e-1/wipe-vdb")) }
            }
            play.killCoordinator()
            for _ in 0..<500 where play.machine.run?.isOver != true {
                play.tick()
                // The admin signs again when asked to.
                if case .held(let verdict, _) = play.machine.run?[try step("east/wrk-e-1/wipe-vdb")]?.status,
                    verdict.reasons.contains(where: { $0.code == .needsWarrant })
                {
                    _ = play.approve(try step("east/wrk-e-1/wipe-vdb"))
                }
            }
            let wipes = play.world.machines[node]?.wipes.values.reduce(0, +) ?? 0
            let warrants = play.world.machines[node]?.usedWarrants.count ?? 0
            #expect(wipes == warrants)
            #expect(wipes <= 2)
            if play.machine.run?.ending != .succeeded {
                // The one case a machine may not settle alone: a wipe that was ordered and never reported.
                let failed = play.machine.run?.steps.filter { if case .failed = $0.status { true } else { false } }.map(\.step.id.text)
                #expect(failed == ["east/wrk-e-1/wipe-vdb"] || failed == nil || failed == [], "cut at \(cut): \(failed ?? [])")
            }
        }
    }
}
