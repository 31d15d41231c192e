// SPDX-License-Identifier: Apache-2.0

import Gating
import MeshModel
import MeshSystem
import MeshTesting
import MeshTrust
import Planning
import Running
import StandInTesting
import Testing

@testable import ToolDrivers

@Suite("The teardown driver, with stand-in tools and clusters", .serialized)
struct TeardownDriverTests {
    /// A bench with an approver who has a key.
    private struct Stage {
        var bench: Bench
        let driver: TeardownDriver
        let approver: TestApprover
        let stranger: TestApprover

        init(_ world: StandInWorld, _ spec: MeshSpec) async throws {
            bench = try Bench(world, spec)
            approver = try await TestApprover(key: world.directory + "/approver")
            stranger = try await TestApprover(key: world.directory + "/eve")
            driver = TeardownDriver(tools: bench.tools, signers: approver.signers)
        }

        func warrant(
            for step: Step, by other: TestApprover? = nil, _ change: (inout TeardownTerms) -> Void = { _ in }
        ) async throws -> WarrantEnvelope {
            try await (other ?? approver).warrant(for: step, in: bench.plan, change)
        }
    }

    private static func spec() throws -> MeshSpec {
        var spec = try Bench.spec()
        spec.services.removeAll { if case .playbook = $0.source { true } else { false } }
        return spec
    }

    private static func teardown(_ spec: MeshSpec) throws -> Plan {
        try Planner.takingDown(spec, .mesh) { Digest.sha256(try JSON.encode(.string("\($0.purpose?.word ?? "") \($0.spec)"))) }
    }

    /// Everything built, then the teardown's plan in hand.
    private func built(_ body: @escaping @Sendable (inout Stage, StandInWorld) async throws -> Void) async throws {
        let spec = try Self.spec()
        try await StandInWorld.with(spec) { world in
            var stage = try await Stage(world, spec)
            for step in stage.bench.plan.steps {
                if case .wipe = step.action { continue }
                // As a run does: what is true already is not carried out.
                if await stage.bench.verdict(on: step).passes { continue }
                guard case .succeeded = await stage.bench.driver.carryOut(step, plan: stage.bench.plan) else {
                    Issue.record("\(step.id) was not built")
                    return
                }
                #expect(await stage.bench.settle(step).passes, "\(step.id)")
            }
            stage.bench.plan = try Self.teardown(spec)
            try await body(&stage, world)
        }
    }

    @Test("takes down everything that a build leaves, and a second time calls no tool that changes anything")
    func whole() async throws {
        try await built { stage, world in
            let plan = stage.bench.plan
            for step in plan.steps {
                if case .undo(.hostState) = step.action { continue }
                let warrant = step.takesWarrant ? try await stage.warrant(for: step) : nil
                let outcome = await stage.driver.carryOut(step, plan: plan, warrant: warrant)
                guard case .succeeded = outcome else {
                    Issue.record("\(step.id): \(outcome)")
                    return
                }
                #expect(await stage.bench.settle(step).passes, "\(step.id)")
            }
            for index in plan.spec.clusters.indices {
                let fact = try await stage.bench.observe(index)
                #expect(fact.releases.isEmpty && fact.ceph.isEmpty && fact.meshCA == nil && fact.gatewayBundle == nil)
                #expect(fact.ciliumConfig == nil && fact.clustermesh == nil && fact.configuredRemotes.isEmpty)
                #expect(fact.ciliumLeftovers == [])
            }
            let before = world.runner.invocations.count
            for step in plan.steps {
                if case .undo(.hostState) = step.action { continue }
                let warrant = step.takesWarrant ? try await stage.warrant(for: step) : nil
                guard case .succeeded = await stage.driver.carryOut(step, plan: plan, warrant: warrant) else {
                    Issue.record("\(step.id) again")
                    return
                }
            }
            let verbs: Set<String> = ["uninstall", "disable", "disconnect", "delete"]
            #expect(world.runner.invocations.dropFirst(before).allSatisfy { verbs.isDisjoint(with: $0.arguments) })
        }
    }

    @Test("data stays without a warrant, with one for another plan or step, with other losses, expired, or by a stranger's key")
    func warrants() async throws {
        try await built { stage, world in
            let plan = stage.bench.plan
            let step = try #require(plan.step(StepID("east", "service-rook-ceph", "undo")))
            let other = try #require(plan.step(StepID("west", "service-rook-ceph", "undo")))
            var bad: [WarrantEnvelope?] = [nil]
            bad.append(try await stage.warrant(for: other))
            bad.append(try await stage.warrant(for: step) { $0.plan = .zero })
            bad.append(try await stage.warrant(for: step) { $0.destroys = ["nothing much"] })
            bad.append(try await stage.warrant(for: step) { $0.mesh = "another" })
            bad.append(
                try await stage.warrant(for: step) {
                    $0.notBefore = $0.notBefore + .seconds(-1200)
                    $0.notAfter = $0.notAfter + .seconds(-1200)
                })
            var altered = try await stage.warrant(for: step)
            altered.text = altered.text.replacing("disk", with: "dusk")
            bad.append(altered)
            var unsigned = try await stage.warrant(for: step)
            unsigned.signatures = []
            bad.append(unsigned)
            bad.append(try await stage.warrant(for: step, by: stage.stranger))
            bad.append(try await stage.warrant(for: step) { $0.objects = .zero })
            let before = world.runner.invocations.count
            for envelope in bad {
                guard case .refused = await stage.driver.carryOut(step, plan: plan, warrant: envelope) else {
                    Issue.record("taken: \(envelope?.text ?? "nothing")")
                    return
                }
            }
            #expect(world.runner.invocations.count == before)
            #expect(try await stage.bench.observe(0).ceph.count == 1)
        }
    }

    @Test("of what Cilium leaves, a definition with somebody's objects stays, a certificate of another CA too, and the rest goes")
    func leftovers() async throws {
        try await built { stage, world in
            let plan = stage.bench.plan
            let client = try stage.bench.tools.client(for: stage.bench.cluster(0))
            // Nothing is left over while Cilium is there.
            #expect(try await stage.bench.observe(0).ciliumLeftovers == nil)
            let pools = "/apis/cilium.io/v2alpha1/ciliumloadbalancerippools"
            let version = try await client.get(
                "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/ciliumloadbalancerippools.cilium.io")?["spec", "versions"]?.list
                .first?["name"]?.string
            let path = pools.replacing("v2alpha1", with: version ?? "v2")
            try await client.apply(
                .map([
                    "apiVersion": .string("cilium.io/\(version ?? "v2")"), "kind": .string("CiliumLoadBalancerIPPool"),
                    "metadata": .map(["name": .string("theirs")]),
                ]), at: path + "/theirs")
            let secret = "/api/v1/namespaces/kube-system/secrets/clustermesh-apiserver-admin-cert"
            let key = try PrivateKey.generate()
            let now = SystemClock.now().wall
            let foreign = try Certificate.makeRoot(key: key, name: "Theirs", notBefore: now, notAfter: now + .seconds(3600))
            try await client.apply(
                .map([
                    "apiVersion": .string("v1"), "kind": .string("Secret"),
                    "metadata": .map(["name": .string("clustermesh-apiserver-admin-cert"), "namespace": .string("kube-system")]),
                    "data": .map(["ca.crt": .string(JSON.base64(Array(foreign.pem.utf8)))]),
                ]), at: secret)
            for id in ["clustermesh", "cilium"] {
                let step = try #require(plan.step(StepID("east", id, "undo")))
                guard case .succeeded(let words) = await stage.driver.carryOut(step, plan: plan, warrant: nil) else {
                    Issue.record("\(id) was not undone")
                    return
                }
                guard id == "cilium" else { continue }
                #expect(words.contains("definition ciliumloadbalancerippools.cilium.io has 1 object"))
                #expect(words.contains("Secret clustermesh-apiserver-admin-cert is not of this mesh's CA"))
                #expect(await stage.bench.settle(step).passes)
            }
            #expect(try await client.get(path + "/theirs") != nil)
            #expect(try await client.get(secret) != nil)
            #expect(try await client.get(secret.replacing("admin", with: "server")) == nil)
            let definitions = try await client.list("/apis/apiextensions.k8s.io/v1/customresourcedefinitions")
            let left = definitions.compactMap { $0["metadata", "name"]?.string }.filter { $0.hasPrefix("cilium") }
            #expect(left == ["ciliumloadbalancerippools.cilium.io"])
        }
    }

    @Test("what is not ours stays: another CA, Gateways in use")
    func foreign() async throws {
        try await built { stage, world in
            let plan = stage.bench.plan
            let east = stage.bench.cluster(0)
            let client = try stage.bench.tools.client(for: east)
            let key = try PrivateKey.generate()
            let now = SystemClock.now().wall
            let foreign = try Certificate.makeRoot(key: key, name: "Cilium CA", notBefore: now, notAfter: now + .seconds(3600))
            try await client.apply(
                .map([
                    "apiVersion": .string("v1"), "kind": .string("Secret"),
                    "metadata": .map(["name": .string("cilium-ca"), "namespace": .string("kube-system")]),
                    "data": .map(["ca.crt": .string(JSON.base64(Array(foreign.pem.utf8)))]),
                ]), at: "/api/v1/namespaces/kube-system/secrets/cilium-ca")
            try await client.apply(
                .map([
                    "apiVersion": .string("gateway.networking.k8s.io/v1"), "kind": .string("Gateway"),
                    "metadata": .map(["name": .string("shop"), "namespace": .string("default")]),
                ]), at: "/apis/gateway.networking.k8s.io/v1/namespaces/default/gateways/shop")
            var words: [String] = []
            for id in ["cilium-ca", "gateway-api"] {
                let step = try #require(plan.step(StepID("east", id, "undo")))
                guard case .failed(let why) = await stage.driver.carryOut(step, plan: plan, warrant: nil) else {
                    Issue.record("\(id) was taken down")
                    return
                }
                words.append(why)
            }
            #expect(words[0].contains("holds another CA"))
            #expect(words[1].contains("Gateway default/shop"))
            let fact = try await stage.bench.observe(0)
            #expect(fact.meshCA == foreign.spkiDigest && fact.gatewayBundle != nil)
        }
    }
}
