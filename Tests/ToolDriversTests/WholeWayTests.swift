// SPDX-License-Identifier: Apache-2.0

import Gating
import MeshModel
import MeshSystem
import MeshTesting
import Planning
import Running
import StandInTesting
import Testing

@testable import ToolDrivers

@Suite("The step driver, with stand-in tools and clusters")
struct WholeWayTests {
    @Test("carries a whole plan out, step by step, and sees each step reached")
    func wholePlan() async throws {
        let spec = try Bench.spec()
        try await StandInWorld.with(spec) { world in
            let bench = try Bench(world, spec)
            for step in bench.plan.steps {
                if case .wipe = step.action { continue }
                // The machines come with the planned release, and a run would not carry the step out.
                if case .upgradeTalos = step.action, await bench.verdict(on: step).passes { continue }
                let outcome = await bench.driver.carryOut(step, plan: bench.plan)
                guard case .succeeded = outcome else {
                    Issue.record("\(step.id): \(outcome)")
                    return
                }
                let verdict = await bench.settle(step)
                #expect(verdict.passes, "\(step.id): \(verdict.reasons.map(\.detail))")
            }
            // Done is judged before a step starts: a second run finds nothing to do and calls no tool that changes anything.
            let before = world.runner.invocations.count
            for step in bench.plan.steps {
                if case .wipe = step.action { continue }
                #expect(await bench.verdict(on: step).passes, "\(step.id)")
            }
            let looks = world.runner.invocations.dropFirst(before).map(\.arguments)
            let verbs: Set<String> = ["install", "upgrade", "enable", "connect", "test", "apply", "health"]
            #expect(looks.allSatisfy { verbs.isDisjoint(with: $0) })
        }
    }

    @Test("never puts a secret into the arguments or the environment of a tool")
    func secrets() async throws {
        let spec = try Bench.spec()
        try await StandInWorld.with(spec) { world in
            let bench = try Bench(world, spec)
            for step in bench.plan.steps {
                if case .wipe = step.action { continue }
                _ = await bench.driver.carryOut(step, plan: bench.plan)
                _ = await bench.verdict(on: step)
            }
            let encoded = JSON.base64(Array(bench.ca.key.utf8))
            let secrets = bench.ca.key.split(separator: "\n").filter { !$0.hasPrefix("-") }.map(String.init) + [encoded]
            for invocation in world.runner.invocations {
                let texts = invocation.arguments + invocation.environment.values + [invocation.executable]
                #expect(!texts.contains { text in secrets.contains { text.contains($0) } }, "\(invocation.executable)")
                #expect(
                    Set(invocation.environment.keys).isSubset(of: [
                        "PATH", "HOME", "TMPDIR", "XDG_CACHE_HOME", "KUBECACHEDIR", "KUBECONFIG", "TF_DATA_DIR", "TF_IN_AUTOMATION",
                        "TF_INPUT", "CHECKPOINT_DISABLE", "ANSIBLE_DISPLAY_ARGS_TO_STDOUT",
                        "K8S_AUTH_KUBECONFIG", "K8S_AUTH_CONTEXT", "ANSIBLE_HOME", "ANSIBLE_LOCAL_TEMP", "ANSIBLE_CALLBACK_PLUGINS",
                        "ANSIBLE_STDOUT_CALLBACK", "ANSIBLE_CALLBACKS_ENABLED", "ANSIBLE_LOG_PATH", "ANSIBLE_VERBOSITY", "ANSIBLE_DEBUG",
                        "ANSIBLE_NOCOLOR", "ANSIBLE_RETRY_FILES_ENABLED", "LC_ALL",
                    ]))
            }
            #expect(world.runner.invocations.count > 20)
        }
    }

    @Test("an upgrade of a connected mesh leaves it connected")
    func upgradeKeepsTheMesh() async throws {
        let spec = try Bench.spec()
        try await StandInWorld.with(spec) { world in
            var bench = try Bench(world, spec)
            try await bench.prepareMesh()
            try await bench.run("mesh", "connect")
            #expect(await bench.settle(try bench.step("mesh", "connect")).passes)
            var newer = spec
            newer.versions.cilium = SemanticVersion(1, 18, 6)
            bench.plan = try Bench.plan(newer)
            let outcome = try await bench.run("east", "cilium")
            #expect(outcome == .succeeded("upgraded"))
            let fact = try await bench.observe(0)
            #expect(fact.releases["kube-system/cilium"]?.version == "1.18.6")
            #expect(fact.clustermesh?.remotes == ["west": true])
            #expect(await bench.settle(try bench.step("mesh", "connect")).passes)
        }
    }

    @Test("terraform that would delete is seen, and refused even when a gate let it through")
    func terraformDeletes() async throws {
        let spec = try Bench.spec()
        try await StandInWorld.with(spec) { world in
            let bench = try Bench(world, spec)
            try await bench.run("mesh", "provision")
            let file = world.directory + "/terraform/main.tf"
            try LinuxFileStore().write(Array("resource \"lab_machine\" \"a\" {\n  name = \"other\"\n}\n".utf8), to: file)
            let evidence = await bench.driver.observe(EvidenceKey(.mesh, .provision), plan: bench.plan)
            guard case .provision(let fact)? = evidence.facts.last else {
                Issue.record("\(evidence.facts)")
                return
            }
            #expect([fact.creates, fact.changes, fact.deletes] == [0, 1, 1])
            #expect(fact.losses?.objects == ["delete lab_machine.b"])
            let outcome = await bench.driver.carryOut(try bench.step("mesh", "provision"), plan: bench.plan)
            guard case .refused(let why) = outcome else {
                Issue.record("\(outcome)")
                return
            }
            #expect(why.contains("would delete lab_machine.b, and no warrant allows it"))
            // A saved plan holds variables, secrets included: none is left behind.
            let files = LinuxFileStore()
            for directory in try #require(try files.list(world.directory + "/work/terraform")) {
                #expect(try files.list(world.directory + "/work/terraform/" + directory)?.filter { $0.hasSuffix(".plan") } == [])
            }
        }
    }

    @Test("a report of another plan proves nothing about this one")
    func foreignReport() async throws {
        let spec = try Bench.spec()
        try await StandInWorld.with(spec) { world in
            var bench = try Bench(world, spec)
            try await bench.prepareMesh()
            try await bench.run("mesh", "connect")
            try await bench.run("connectivity", "east", "west")
            #expect(await bench.verdict(on: try bench.step("connectivity", "east", "west")).passes)
            var other = spec
            other.versions.cilium = SemanticVersion(1, 18, 6)
            bench.plan = try Bench.plan(other)
            #expect(!(await bench.verdict(on: try bench.step("connectivity", "east", "west"))).passes)
        }
    }
}
