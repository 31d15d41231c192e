// SPDX-License-Identifier: Apache-2.0

import MeshModel
import MeshTesting
import OperatorAPI
import Testing

@testable import meshgate

@Suite("A stop")
struct StopTextTests {
    private let node: NodeID

    init() throws { node = try SmallMesh.need(NodeID("wrk-e-1")) }

    private func wipe(throughTalos: Bool = false) -> WipeReply {
        WipeReply(
            step: StepID("east", "wrk-e-1", "wipe-vdb"), node: node, state: "running", plannedSerial: "spare", plannedSize: .gibibytes(12),
            method: .zero, disk: nil, warrant: nil, missing: [], submitted: nil, throughTalos: throughTalos)
    }

    @Test("names the wipes that their hosts have already, and what keeps one from beginning")
    func stopped() throws {
        func step(_ state: String, _ phase: StepProgress.Phase?) -> StepReply {
            StepReply(
                id: wipe().step, title: "wipe", state: state, since: nil, attempts: 1, driver: "agent", after: [], reasons: [], detail: "",
                progress: phase.map { StepProgress(phase: $0, done: 0, total: 1, rate: nil) })
        }
        for state in ["waiting", "held", "done", "failed"] {
            #expect(StopText(wipes: [wipe()], steps: [step(state, nil)]).text == nil)
        }
        let waits = try #require(StopText(wipes: [wipe()], steps: [step("running", .waiting)]).text)
        #expect(waits.contains("east/wrk-e-1/wipe-vdb (serial spare): waits on wrk-e-1") && waits.contains("has not begun"))
        #expect(waits.contains("systemctl stop meshgate-wiper"))
        #expect(try #require(StopText(wipes: [wipe()], steps: [step("running", .writing)]).text).contains("goes on on wrk-e-1"))
        #expect(try #require(StopText(wipes: [wipe()], steps: [step("verifying", nil)]).text).contains("may have begun"))
    }

    @Test("says that Talos goes on by itself, and names no wiper there")
    func talos() throws {
        let step = StepReply(
            id: wipe().step, title: "wipe", state: "running", since: nil, attempts: 1, driver: "talosctl", after: [], reasons: [],
            detail: "")
        let text = try #require(StopText(wipes: [wipe(throughTalos: true)], steps: [step]).text)
        #expect(text.contains("Talos zeroes the disk on wrk-e-1, and goes on to the end") && !text.contains("systemctl"))
    }
}
