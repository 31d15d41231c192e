// SPDX-License-Identifier: Apache-2.0

import Foundation
import Gating
import MeshModel
import MeshSystem
import MeshTesting
import MeshTrust
import Planning
import Running
import Testing

@testable import ToolDrivers

@Suite(
    "What Terraform takes away, with the real terraform and signed warrants",
    .enabled(if: TerraformBench.real != nil, "terraform is not installed"))
struct TerraformWarrantTests {
    /// A mesh whose machines the bench's configuration makes, and a person who may sign.
    private struct Stage {
        let bench: TerraformBench
        let approver: TestApprover
        let build: Plan
        let teardown: Plan

        init(_ bench: TerraformBench) async throws {
            var spec = try SmallMesh.spec()
            spec.provision = bench.provision
            self.bench = bench
            approver = try await TestApprover(key: bench.root + "/approver")
            build = try Planner.plan(spec) { Digest.sha256(try JSON.encode(.string("\($0.spec)"))) }
            teardown = try Planner.takingDown(spec, .everything) { Digest.sha256(try JSON.encode(.string("down \($0.spec)"))) }
        }

        func step(_ plan: Plan, _ parts: String...) throws -> Step { try #require(plan.step(StepID(rawParts: parts))) }

        func carryOut(_ step: Step, _ plan: Plan, _ warrant: WarrantEnvelope? = nil) async throws -> Outcome {
            guard case .undo = step.action else {
                return await StepDriver(tools: try bench.tools, signers: approver.signers).carryOut(step, plan: plan, warrant: warrant)
            }
            return await TeardownDriver(tools: try bench.tools, signers: approver.signers).carryOut(step, plan: plan, warrant: warrant)
        }

        /// What the coordinator sees, as its judge has it.
        func seen(_ plan: Plan) async throws -> Judge {
            let driver = StepDriver(tools: try bench.tools, signers: approver.signers)
            var table = EvidenceTable()
            table.take(await driver.observe(EvidenceKey(.mesh, .provision), plan: plan))
            return Judge(evidence: table, maxAge: .seconds(600), now: SystemClock.now())
        }

        func losses(_ step: Step, _ plan: Plan) async throws -> TerraformLosses? {
            let place = try #require(step.terraform)
            return try await seen(plan).evidence.losses(of: place)
        }

        var state: [UInt8]? { get throws { try TerraformBench.files.read(bench.root + "/tf/terraform.tfstate", limit: 1 << 20) } }
    }

    private func with(_ configuration: String, phases: [MeshSpec.Provision.Phase]? = nil, _ body: (Stage) async throws -> Void) async throws
    {
        try await TerraformBench.with(configuration) { bench in
            var bench = bench
            bench.provision.phases = phases
            let stage = try await Stage(bench)
            for step in stage.build.steps where step.terraform != nil {
                guard case .succeeded = try await stage.carryOut(step, stage.build) else {
                    Issue.record("\(step.id) was not applied")
                    return
                }
            }
            try await body(stage)
        }
    }

    @Test("in a build a replacement waits for a warrant: none, or one for other objects, changes nothing; the right one is applied")
    func build() async throws {
        try await with(RealTerraformTests.two) { stage in
            let step = try stage.step(stage.build, "mesh", "provision")
            try stage.bench.configure(RealTerraformTests.two.replacing("\"small\"", with: "\"large\""))
            let losses = try #require(try await stage.losses(step, stage.build))
            let before = try stage.state
            var judge = try await stage.seen(stage.build)
            #expect(judge.judge(step.gates).reasons.map(\.code) == [.needsWarrant])

            let other = try #require(TerraformLosses([losses.objects[0]], digester: sha256))
            var bad: [WarrantEnvelope?] = [nil]
            bad.append(try await stage.approver.warrant(for: step, in: stage.build, losing: other))
            bad.append(try await stage.approver.warrant(for: step, in: stage.teardown, losing: losses))
            bad.append(try await stage.approver.warrant(for: step, in: stage.build, losing: losses) { $0.objects = nil })
            bad.append(try await stage.approver.warrant(for: step, in: stage.build, losing: losses) { $0.step = StepID("mesh", "connect") })
            for warrant in bad {
                guard case .refused = try await stage.carryOut(step, stage.build, warrant) else {
                    Issue.record("taken: \(warrant?.text ?? "none")")
                    return
                }
                #expect(try stage.state == before)
            }
            let id = try #require(WarrantID(String(repeating: "a", count: 32)))
            let later = SystemClock.now().wall + .seconds(60)
            judge.warrants[step.id] = .init(id: id, notAfter: later, objects: other.digest)
            #expect(judge.judge(step.gates).reasons.map(\.detail).first?.contains("names other objects") == true)
            judge.warrants[step.id] = .init(id: id, notAfter: later, objects: losses.digest)
            #expect(judge.judge(step.gates) == .pass)

            let warrant = try await stage.approver.warrant(for: step, in: stage.build, losing: losses)
            #expect(try await stage.carryOut(step, stage.build, warrant) == .succeeded("0 created, 1 changed, 2 deleted or replaced"))
            #expect(try await stage.seen(stage.build).judge(step.done) == .pass)
        }
    }

    @Test("a teardown lists every object, and destroys them only with a warrant for exactly these; again there is nothing to do")
    func teardown() async throws {
        try await with(RealTerraformTests.two) { stage in
            let step = try stage.step(stage.teardown, "mesh", "provision", "undo")
            let losses = try #require(try await stage.losses(step, stage.teardown))
            #expect(losses.objects == ["delete terraform_data.east", "delete terraform_data.west[0]", "delete terraform_data.west[1]"])
            let before = try stage.state
            let fewer = try #require(TerraformLosses(Array(losses.objects.dropLast()), digester: sha256))
            for warrant in [nil, try await stage.approver.warrant(for: step, in: stage.teardown, losing: fewer)] {
                guard case .refused = try await stage.carryOut(step, stage.teardown, warrant) else {
                    Issue.record("taken: \(warrant?.text ?? "none")")
                    return
                }
                #expect(try stage.state == before)
            }
            #expect(try await stage.seen(stage.teardown).judge(step.gates).reasons.map(\.code) == [.needsWarrant])
            #expect(try await stage.seen(stage.teardown).judge(step.done).passes == false)

            // One more machine since it was signed: the whole is another list.
            let warrant = try await stage.approver.warrant(for: step, in: stage.teardown, losing: losses)
            try stage.bench.configure(RealTerraformTests.two.replacing("count            = 2", with: "count            = 3"))
            _ = try await stage.bench.apply()
            let grown = try stage.state
            guard case .refused(let why) = try await stage.carryOut(step, stage.teardown, warrant) else {
                return #expect(Bool(false), "taken")
            }
            #expect(why.contains("the warrant is for other objects"))
            #expect(try stage.state == grown)

            let all = try #require(try await stage.losses(step, stage.teardown))
            let right = try await stage.approver.warrant(for: step, in: stage.teardown, losing: all)
            #expect(try await stage.carryOut(step, stage.teardown, right) == .succeeded("4 destroyed"))
            #expect(try stage.bench.state.isEmpty)
            #expect(try await stage.seen(stage.teardown).judge(step.done) == .pass)
            #expect(try await stage.carryOut(step, stage.teardown, right) == .succeeded("nothing is left to destroy"))
            let left = try #require(try TerraformBench.files.list(stage.bench.root + "/work/terraform"))
            for directory in left {
                #expect(
                    try TerraformBench.files.list(stage.bench.root + "/work/terraform/" + directory)?.contains { $0.hasSuffix(".plan") }
                        == false)
            }
        }
    }

    private static let layers = """
        resource "terraform_data" "network" {
          input = "n"
        }
        resource "terraform_data" "machine" {
          count = 2
          input = terraform_data.network.id
        }
        """

    @Test("phases go in the opposite order, each with what is its own")
    func phases() async throws {
        let phases: [MeshSpec.Provision.Phase] = [.init(name: "ground", addresses: ["terraform_data.network"]), .init(name: "rest")]
        try await with(Self.layers, phases: phases) { stage in
            let steps = stage.teardown.steps.filter { $0.terraform != nil }
            #expect(steps.map(\.id.text) == ["mesh/provision/rest/undo", "mesh/provision/ground/undo"])
            #expect(steps[1].after == [steps[0].id])
            #expect(
                try await stage.losses(steps[0], stage.teardown)?.objects
                    == ["delete terraform_data.machine[0]", "delete terraform_data.machine[1]"])
            // The network cannot go from under the machines: they are listed, too.
            #expect(try await stage.losses(steps[1], stage.teardown)?.count == 3)
            for (step, words) in zip(steps, ["2 destroyed", "1 destroyed"]) {
                let losses = try #require(try await stage.losses(step, stage.teardown))
                let warrant = try await stage.approver.warrant(for: step, in: stage.teardown, losing: losses)
                #expect(try await stage.carryOut(step, stage.teardown, warrant) == .succeeded(words))
                #expect(try await stage.seen(stage.teardown).judge(step.done) == .pass)
            }
            #expect(try stage.bench.state.isEmpty)
        }
    }

    @Test("killed in the middle it is taken up again: the rest is listed, and needs a signature of its own")
    func killed() async throws {
        let slow = """
            resource "terraform_data" "last" {
              provisioner "local-exec" {
                when    = destroy
                command = "test -e go || { touch under-way; sleep 60; }"
              }
            }
            resource "terraform_data" "first" {
              input = terraform_data.last.id
            }
            """
        try await with(slow) { stage in
            let step = try stage.step(stage.teardown, "mesh", "provision", "undo")
            let losses = try #require(try await stage.losses(step, stage.teardown))
            let warrant = try await stage.approver.warrant(for: step, in: stage.teardown, losing: losses)
            let run = Task { try await stage.carryOut(step, stage.teardown, warrant) }
            let end = ContinuousClock.now.advanced(by: .seconds(30))
            while try TerraformBench.files.read(stage.bench.root + "/tf/under-way", limit: 1) == nil, ContinuousClock.now < end {
                try await Task.sleep(for: .milliseconds(10))
            }
            run.cancel()
            guard case .failed = try await run.value else { return #expect(Bool(false), "not interrupted") }
            #expect(try stage.bench.state == ["terraform_data.last"])
            let rest = try #require(try await stage.losses(step, stage.teardown))
            #expect(rest.objects == ["delete terraform_data.last"])
            guard case .refused = try await stage.carryOut(step, stage.teardown, warrant) else { return #expect(Bool(false), "taken") }
            try TerraformBench.files.write([], to: stage.bench.root + "/tf/go")
            let second = try await stage.approver.warrant(for: step, in: stage.teardown, losing: rest)
            #expect(try await stage.carryOut(step, stage.teardown, second) == .succeeded("1 destroyed"))
            #expect(try await stage.seen(stage.teardown).judge(step.done) == .pass)
        }
    }
}
