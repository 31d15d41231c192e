// SPDX-License-Identifier: Apache-2.0

import Gating
import Lab
import MeshModel
import MeshSystem
import MeshTesting
import Planning
import Running
import StandInTesting
import Testing

@testable import ToolDrivers

@Suite("The proof that policies hold across clusters, with stand-in tools and clusters")
struct PolicyProofTests {
    /// Both clusters with Cilium and the demonstration; connected with each other unless told otherwise.
    private func built(
        connected: Bool = true, _ body: @escaping @Sendable (Bench, Step, StandInWorld) async throws -> Void
    ) async throws {
        let spec = try ServiceCatalogueTests.spec(["star-wars"])
        try await StandInWorld.with(spec) { world in
            let bench = try Bench(world, spec)
            for cluster in ["east", "west"] {
                for step in ["cilium-ca", "cilium", "clustermesh"] {
                    try await bench.run(cluster, step)
                    #expect(await bench.settle(try bench.step(cluster, step)).passes)
                }
            }
            if connected {
                try await bench.run("mesh", "connect")
                #expect(await bench.settle(try bench.step("mesh", "connect")).passes)
            }
            for cluster in ["east", "west"] {
                try await bench.run(cluster, "service-star-wars")
                #expect(await bench.settle(try bench.step(cluster, "service-star-wars")).passes)
            }
            try await body(bench, try bench.step("mesh", "prove-star-wars"), world)
        }
    }

    /// One round of requests.
    private func once(_ step: Step) -> Step {
        var step = step
        step.deadline = TimeSpan(.seconds(61))
        return step
    }

    private func problems(_ bench: Bench, _ step: Step) async -> [String] { await bench.verdict(on: step).reasons.map(\.detail) }

    @Test("lets the empire land, drops the alliance, closes the exhaust port, from each cluster into the other, as Hubble saw it")
    func whole() async throws {
        try await built { bench, step, world in
            #expect(await problems(bench, step).contains { $0.contains("no proof has run for this plan yet") })
            let outcome = await bench.driver.carryOut(step, plan: bench.plan)
            #expect(outcome == .succeeded("6 requests made, each seen in Hubble"))
            #expect(await bench.verdict(on: step).passes)
            // Each from its own cluster, and never through a shell.
            let requests = world.runner.invocations.filter { $0.arguments.contains("curl") }
            #expect(requests.count == 6 && requests.allSatisfy { !$0.arguments.contains("sh") })
            // A proof counts for the plan that it ran for.
            let other = try await ClusterObserver(tools: bench.tools).observe(
                bench.cluster(0), cilium: bench.plan.spec.versions.cilium, services: bench.plan.spec.services, plan: .zero)
            #expect(other.services?["star-wars"]?.works == false)
        }
    }

    @Test("says which request came through where a cluster heeds no policy")
    func ignored() async throws {
        try await built { bench, step, world in
            try world.set(StandInWorld.quick { $0.ignoresPolicies = true }, on: "west")
            guard case .succeeded = await bench.driver.carryOut(once(step), plan: bench.plan) else {
                Issue.record("the proof did not run")
                return
            }
            let found = await problems(bench, step)
            #expect(found.count == 1)
            #expect(found[0].contains("star-wars on east does not work"))
            #expect(found[0].contains("(L3/L4): it was answered with 200, and 000 was to be"))
            #expect(found[0].contains("(L7): it was answered with 503, and 403 was to be"))
            #expect(!found[0].contains("may land"))
        }
    }

    @Test("takes no answer from next door for one from across the mesh")
    func local() async throws {
        try await built(connected: false) { bench, step, world in
            // The gate holds the step; whoever carries it out all the same proves nothing.
            #expect(
                !(await bench.judge(step.gates.filter { $0 == .meshConnected([bench.cluster(0).name, bench.cluster(1).name]) }).passes))
            _ = await bench.driver.carryOut(once(step), plan: bench.plan)
            let found = await problems(bench, step)
            #expect(
                found.count == 2 && found.allSatisfy { $0.contains("a ship of the empire may land: no such flow into another cluster") })
        }
    }

    @Test("believes no answer that Hubble does not confirm, and says whose Hubble is silent")
    func silent() async throws {
        try await built { bench, step, world in
            let client = try bench.tools.client(for: bench.cluster(1))
            try await client.delete("/api/v1/namespaces/kube-system/services/hubble-relay")
            _ = await bench.driver.carryOut(once(step), plan: bench.plan)
            let found = await problems(bench, step)
            #expect(found.count == 1 && found[0].contains("star-wars on east does not work"))
            #expect(found[0].contains("west has no hubble-relay"))
        }
    }

    @Test("goes away with its namespace, and leaves nothing")
    func removal() async throws {
        try await built { bench, step, world in
            _ = await bench.driver.carryOut(step, plan: bench.plan)
            let service = bench.plan.spec.services[0]
            let driver = ServiceDriver(tools: bench.tools, spec: bench.plan.spec)
            let outcome = try await driver.uninstall(service, on: bench.cluster(0), consent: .none, step: step.id, deadline: .seconds(20))
            guard case .succeeded = outcome else {
                Issue.record("\(outcome)")
                return
            }
            let client = try bench.tools.client(for: bench.cluster(0))
            #expect(try await client.get("/api/v1/namespaces/star-wars") == nil)
            #expect(try await client.list("/apis/cilium.io/v2/ciliumnetworkpolicies").isEmpty)
            #expect(try await driver.uninstallPreview(service, on: bench.cluster(0)).isEmpty)
        }
    }

    @Test("has no step of its own in a mesh of one cluster, and waits for the connection and every cluster's service in a larger one")
    func planned() throws {
        func plan(_ clusters: Int) throws -> Plan {
            var spec = try SmallMesh.spec(clusters: clusters, services: false)
            spec.services = [.init(name: "star-wars", source: .builtIn, clusters: spec.clusters.map(\.name))]
            return Planner.plan(spec) { _ in .zero }
        }
        #expect(try plan(1).steps.allSatisfy { $0.id.text != "mesh/prove-star-wars" })
        let plan = try plan(3)
        #expect(PlanCheck.faults(of: plan) == [])
        let proof = try #require(plan.step(StepID("mesh", "prove-star-wars")))
        let names = plan.spec.clusters.map(\.name)
        #expect(proof.after.map(\.text) == ["mesh/connect"] + names.map { "\($0)/service-star-wars" })
        #expect(proof.gates.contains(.meshConnected(names)) && proof.done.count == 3)
    }

    @Test("reads of Hubble's lines only flows, and takes a drop for a policy's only where Hubble says so")
    func flows() throws {
        func line(_ verdict: String, _ reason: String, to cluster: String) -> String {
            #"{"flow":{"verdict":"\#(verdict)","drop_reason_desc":"\#(reason)","source":{"cluster_name":"east","namespace":"star-wars","pod_name":"xwing-1"},"destination":{"cluster_name":"\#(cluster)","pod_name":"deathstar-1"}}}"#
        }
        let east = try #require(ClusterName("east"))
        func seen(_ text: String) -> Bool {
            HubbleFlow.list(Array(text.utf8)).contains { PolicyExpectation.intruder.isSeen(in: $0, from: east) }
        }
        #expect(seen("level=info hello\n{\"lost_events\":{}}\n" + line("DROPPED", "POLICY_DENIED", to: "west") + "\n{\"flow\":"))
        for other in [
            line("DROPPED", "STALE_OR_UNROUTABLE_IP", to: "west"), line("DROPPED", "POLICY_DENIED", to: "east"),
            line("DROPPED", "POLICY_DENIED", to: ""), line("FORWARDED", "", to: "west"), "", "{}", "[]",
        ] { #expect(!seen(other), "\(other)") }
    }
}
