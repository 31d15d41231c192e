// SPDX-License-Identifier: Apache-2.0

import Gating
import MeshModel
import MeshTesting
import Planning
import Running
import Testing

/// What arrives at one moment is taken in together.
@Suite("Inputs of one moment")
struct BatchTests {
    private let now = Moment(wall: Timestamp(seconds: 1_700_000_000), boot: 1_000_000)

    private func applied() throws -> (machine: RunMachine, plan: Plan, boot: BootID) {
        let plan = Planner.plan(try SmallMesh.spec()) { _ in .zero }
        let boot = try SmallMesh.need(BootID("0f6f2c1e-8a53"))
        var machine = RunMachine()
        _ = machine.take(.started(boot: boot), now: now)
        _ = machine.take(.apply(run: try SmallMesh.need(RunID("run-1")), plan: plan, by: "test"), now: now)
        return (machine, plan, boot)
    }

    @Test("a fleet that answers at once leads where its answers lead one by one, with each obstacle told once")
    func together() throws {
        let (start, plan, boot) = try applied()
        let answers = plan.spec.members.flatMap { member in
            [ProbeKind.host, .kernel].map { probe in
                Input.evidence(
                    Evidence(
                        subject: .node(member.node.name), probe: probe, bootID: boot, takenAt: now,
                        facts: [.unavailable("it is only a test")]))
            }
        }
        var (single, together) = (start, start)
        var told = 0
        for answer in answers { told += single.take(answer, now: now).count }
        let (entries, refusals) = together.take(answers + [.tick], now: now)
        #expect(refusals.isEmpty)
        #expect(together.evidence == single.evidence)
        #expect(together.run == single.run)
        #expect(entries.count <= told)
        let held = entries.compactMap { if case .stepHeld(let step, _) = $0 { step } else { nil } }
        #expect(Set(held).count == held.count)

        var again = start
        for entry in entries { again.apply(entry, at: now) }
        #expect(again.run == together.run)
    }

    @Test("each refusal is judged against the state that the inputs before it leave")
    func refusals() throws {
        let (start, plan, _) = try applied()
        var machine = start
        let second = Input.apply(run: try SmallMesh.need(RunID("run-2")), plan: plan, by: "test")
        let (_, refusals) = machine.take([second, .tick, .stop(by: "test"), .stop(by: "test"), second], now: now)
        #expect(refusals == [0: .runActive(try SmallMesh.need(RunID("run-1"))), 3: .noRun])
        #expect(machine.run?.id.text == "run-2")
    }
}
