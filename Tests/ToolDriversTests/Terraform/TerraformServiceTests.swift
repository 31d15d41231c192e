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
    "A service that a phase of Terraform brings, with the real terraform",
    .enabled(if: TerraformBench.real != nil, "terraform is not installed"))
struct TerraformServiceTests {
    /// The bucket cannot be planned while the cluster is not there, as with a provider that asks it.
    static let configuration = """
        resource "terraform_data" "machine" {
          count = 2
          input = "m"
        }
        resource "terraform_data" "bucket" {
          input = "b"
          lifecycle {
            precondition {
              condition     = fileexists("${path.module}/../cluster-stands")
              error_message = "The API server of east does not answer."
            }
          }
        }
        resource "terraform_data" "unnamed" {
          input = "u"
        }
        """

    private struct Stage {
        let bench: TerraformBench
        let approver: TestApprover
        let build: Plan
        let teardown: Plan

        init(_ bench: TerraformBench) async throws {
            let spec = try SmallMesh.withObjectStore()
            self.bench = bench
            approver = try await TestApprover(key: bench.root + "/approver")
            build = try Planner.plan(spec) { Digest.sha256(try JSON.encode(.string("\($0.spec)"))) }
            teardown = try Planner.takingDown(spec, .mesh) { Digest.sha256(try JSON.encode(.string("down \($0.spec)"))) }
        }

        func step(_ plan: Plan, _ parts: String...) throws -> Step { try #require(plan.step(StepID(rawParts: parts))) }

        func clusterStands() throws { try TerraformBench.files.write([], to: bench.root + "/cluster-stands") }

        func carryOut(_ step: Step, _ plan: Plan, _ warrant: WarrantEnvelope? = nil) async throws -> Outcome {
            if case .undo = step.action {
                return await TeardownDriver(tools: try bench.tools, signers: approver.signers).carryOut(step, plan: plan, warrant: warrant)
            }
            return await StepDriver(tools: try bench.tools, signers: approver.signers).carryOut(step, plan: plan, warrant: warrant)
        }

        func look(_ key: EvidenceKey, _ plan: Plan) async throws -> Evidence {
            await StepDriver(tools: try bench.tools, signers: approver.signers).observe(key, plan: plan)
        }

        /// Of what Terraform alone can tell.
        func judge(_ requirements: [Requirement], _ plan: Plan) async throws -> Verdict {
            let asked = requirements.filter { $0.needs.allSatisfy { $0.probe == .provision } }
            var table = EvidenceTable()
            for key in Set(asked.flatMap(\.needs)) { table.take(try await look(key, plan)) }
            return Judge(evidence: table, maxAge: .seconds(600), now: SystemClock.now()).judge(asked)
        }
    }

    private func with(_ body: (Stage) async throws -> Void) async throws {
        try await TerraformBench.with(Self.configuration) { bench in try await body(try await Stage(bench)) }
    }

    @Test("cannot be planned before its clusters stand, says so in evidence of its own, and the machines are applied all the same")
    func separate() async throws {
        try await with { stage in
            let machines = try stage.step(stage.build, "mesh", "provision", "machines")
            let service = try stage.step(stage.build, "mesh", "service-object-store")
            let facts = try await stage.look(EvidenceKey(.mesh, .provision), stage.build).facts
            #expect(
                facts.dropFirst() == [.provision(ProvisionFact(directory: "tf", phase: "machines", creates: 2, changes: 0, deletes: 0))])
            #expect(try await stage.judge(machines.gates, stage.build) == .pass)

            let own = try await stage.look(EvidenceKey(.service("object-store"), .provision), stage.build).facts
            guard case .terraform(let ground)? = own.first, case .provision(let fact)? = own.last, own.count == 2 else {
                return #expect(Bool(false), "\(own)")
            }
            #expect(ground.problem == nil && ground.stateLock == .holds)
            #expect(fact.phase == "object-store" && fact.problem?.contains("The API server of east does not answer.") == true)
            guard case .unknown(let reasons) = try await stage.judge(service.gates, stage.build) else {
                return #expect(Bool(false), "a phase that cannot be planned was judged")
            }
            #expect(reasons.allSatisfy { $0.subject == .service("object-store") })

            #expect(try await stage.carryOut(machines, stage.build) == .succeeded("2 created, 0 changed"))
            #expect(try await stage.judge(machines.done, stage.build) == .pass)
            #expect(try stage.bench.state == ["terraform_data.machine", "terraform_data.machine"])
        }
    }

    @Test("is applied alone, is done when nothing is left of it, and a change that takes something away wants a warrant for exactly that")
    func life() async throws {
        try await with { stage in
            _ = try await stage.carryOut(try stage.step(stage.build, "mesh", "provision", "machines"), stage.build)
            try stage.clusterStands()
            let step = try stage.step(stage.build, "mesh", "service-object-store")
            #expect(try await stage.judge(step.gates, stage.build) == .pass)
            #expect(try await stage.judge(step.done, stage.build).reasons.map(\.gate) == [.provisioned])
            #expect(try await stage.carryOut(step, stage.build) == .succeeded("1 created, 0 changed"))
            #expect(try await stage.judge(step.done, stage.build) == .pass)
            #expect(try stage.bench.state == ["terraform_data.bucket", "terraform_data.machine", "terraform_data.machine"])
            #expect(try await stage.carryOut(step, stage.build) == .succeeded("0 created, 0 changed"))

            try stage.bench.configure(Self.configuration.replacing("input = \"b\"", with: "input = \"b\"\n  triggers_replace = \"x\""))
            #expect(try await stage.judge(step.done, stage.build).reasons.map(\.gate) == [.provisioned])
            let held = try await stage.judge(step.gates, stage.build)
            #expect(held.reasons.map(\.code) == [.needsWarrant] && held.reasons.map(\.subject) == [.service("object-store")])
            guard case .refused = try await stage.carryOut(step, stage.build) else { return #expect(Bool(false), "replaced unsigned") }
        }
    }

    @Test("is destroyed with a warrant for its own objects, and the machines stay; again there is nothing to do")
    func teardown() async throws {
        try await with { stage in
            _ = try await stage.carryOut(try stage.step(stage.build, "mesh", "provision", "machines"), stage.build)
            try stage.clusterStands()
            _ = try await stage.carryOut(try stage.step(stage.build, "mesh", "service-object-store"), stage.build)
            let step = try stage.step(stage.teardown, "mesh", "service-object-store", "undo")
            let part = try #require(step.terraform)
            var table = EvidenceTable()
            table.take(try await stage.look(part.key, stage.teardown))
            let losses = try #require(table.losses(of: part))
            #expect(losses.objects == ["delete terraform_data.bucket"])
            #expect(try await stage.judge(step.gates, stage.teardown).reasons.map(\.code) == [.needsWarrant])
            let other = try #require(TerraformLosses(["delete terraform_data.machine[0]"], digester: sha256))
            for warrant in [nil, try await stage.approver.warrant(for: step, in: stage.teardown, losing: other)] {
                guard case .refused = try await stage.carryOut(step, stage.teardown, warrant) else {
                    return #expect(Bool(false), "destroyed without its warrant")
                }
            }
            #expect(try stage.bench.state.count == 3)
            let warrant = try await stage.approver.warrant(for: step, in: stage.teardown, losing: losses)
            #expect(try await stage.carryOut(step, stage.teardown, warrant) == .succeeded("1 destroyed"))
            #expect(try stage.bench.state == ["terraform_data.machine", "terraform_data.machine"])
            #expect(try await stage.judge(step.done, stage.teardown) == .pass)
        }
    }

    @Test("two looks in one directory wait for each other, and a dry run changes nothing")
    func together() async throws {
        try await with { stage in
            try stage.clusterStands()
            let driver = StepDriver(tools: try stage.bench.tools, signers: stage.approver.signers)
            async let machines = driver.observe(EvidenceKey(.mesh, .provision), plan: stage.build)
            async let service = driver.observe(EvidenceKey(.service("object-store"), .provision), plan: stage.build)
            for evidence in await [machines, service] {
                #expect(!evidence.facts.contains { if case .unavailable = $0 { true } else { false } }, "\(evidence.facts)")
            }
            var bench = stage.bench
            bench.dryRun = true
            let dry = StepDriver(tools: try bench.tools, signers: stage.approver.signers)
            let step = try stage.step(stage.build, "mesh", "service-object-store")
            guard case .refused(let why) = await dry.carryOut(step, plan: stage.build) else { return #expect(Bool(false), "applied") }
            #expect(why.contains("terraform"), "\(why)")
            #expect(try bench.state.isEmpty)
        }
    }
}
