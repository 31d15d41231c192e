// SPDX-License-Identifier: Apache-2.0

import Gating
import MeshModel
import MeshTesting
import MeshTrust
import Planning
import Running
import StandInTesting
import Testing

@testable import ToolDrivers

@Suite("Load balancer pools, L2 policies and BGP of a cluster")
struct CiliumResourceTests {
    private static func spec() throws -> MeshSpec {
        var spec = try SmallMesh.spec(clusters: 1, services: false)
        let block = try SmallMesh.need(AddressBlock("192.168.15.200-192.168.15.220"))
        spec.clusters[0].cilium.l2announcements = true
        spec.clusters[0].cilium.lbPools = [.init(name: "lan", blocks: [block])]
        spec.clusters[0].cilium.l2Policies = [.init(name: "lan", interfaces: ["^ens18$"])]
        spec.clusters[0].cilium.bgp = .init(
            localASN: 64512, peers: [.init(name: "router", address: try SmallMesh.need(IPAddress("192.168.15.1")), asn: 64500)])
        return spec
    }

    private static let pools = "/apis/cilium.io/v2/ciliumloadbalancerippools"

    @Test("are applied, are seen as rendered, and are brought back when somebody changed them")
    func applied() async throws {
        let spec = try Self.spec()
        try await StandInWorld.with(spec) { world in
            let bench = try Bench(world, spec)
            try await bench.run("east", "gateway-api")
            try await bench.run("east", "cilium-ca")
            let step = try bench.step("east", "cilium-resources")
            #expect(await !bench.verdict(on: step).passes)
            try await bench.run("east", "cilium")
            #expect(await !bench.verdict(on: step).passes)
            try await bench.run("east", "cilium-resources")
            #expect(await bench.verdict(on: step).passes)

            let client = try bench.tools.client(for: bench.cluster(0))
            let changed = try SmallMesh.need(
                JSON.decode(
                    Array(
                        #"{"apiVersion": "cilium.io/v2", "kind": "CiliumLoadBalancerIPPool", "metadata": {"name": "lan"}, "spec": {"blocks": [{"cidr": "10.9.0.0/24"}]}}"#
                            .utf8)))
            try await client.apply(changed, at: "\(Self.pools)/lan")
            let verdict = await bench.verdict(on: step)
            #expect(verdict.reasons.map(\.gate) == [.ciliumResources])
            #expect(verdict.reasons.first?.detail.contains("spec.blocks[0].start") == true)
            try await bench.run("east", "cilium-resources")
            #expect(await bench.verdict(on: step).passes)
        }
    }

    @Test("a teardown removes what is ours and leaves what others made")
    func takenDown() async throws {
        let spec = try Self.spec()
        try await StandInWorld.with(spec) { world in
            var bench = try Bench(world, spec)
            for name in ["gateway-api", "cilium-ca", "cilium", "cilium-resources"] { try await bench.run("east", name) }
            let client = try bench.tools.client(for: bench.cluster(0))
            let foreign = try SmallMesh.need(
                JSON.decode(
                    Array(
                        #"{"apiVersion": "cilium.io/v2", "kind": "CiliumLoadBalancerIPPool", "metadata": {"name": "theirs"}, "spec": {"blocks": []}}"#
                            .utf8)))
            try await client.apply(foreign, at: "\(Self.pools)/theirs")
            bench.plan = try Planner.takingDown(spec, .step(StepID("east", "cilium-resources"))) { body in
                Digest.sha256(try JSON.encode(.string("\(body.spec)")))
            }
            #expect(bench.plan.steps.map(\.id.text) == ["east/cilium-resources/undo"])
            let step = try bench.step("east", "cilium-resources", "undo")
            #expect(await !bench.verdict(on: step).passes)
            let driver = TeardownDriver(tools: bench.tools) { try AllowedSigners(parsing: "") }
            let outcome = await driver.carryOut(step, plan: bench.plan, warrant: nil)
            #expect(outcome == .succeeded("removed 5"))
            #expect(await bench.verdict(on: step).passes)
            #expect(try await client.list(Self.pools).compactMap { $0["metadata", "name"]?.string } == ["theirs"])
        }
    }

    @Test("what mesh.yaml has no more is removed when it is ours, and left alone when it is not")
    func removed() async throws {
        let before = try Self.spec()
        try await StandInWorld.with(before) { world in
            var (bench, spec) = (try Bench(world, before), before)
            for step in ["gateway-api", "cilium-ca", "cilium", "cilium-resources"] { try await bench.run("east", step) }
            let client = try bench.tools.client(for: bench.cluster(0))
            let foreign =
                #"{"apiVersion": "cilium.io/v2", "kind": "CiliumLoadBalancerIPPool", "metadata": {"name": "theirs"}, "spec": {"blocks": []}}"#
            try await client.apply(try SmallMesh.need(JSON.decode(Array(foreign.utf8))), at: "\(Self.pools)/theirs")

            spec.clusters[0].cilium.lbPools = nil
            bench.plan = try Bench.plan(spec)
            let step = try bench.step("east", "cilium-resources")
            let verdict = await bench.verdict(on: step)
            #expect(verdict.reasons.map(\.detail) == ["east still has CiliumLoadBalancerIPPool/lan, which mesh.yaml no longer has"])
            try await bench.run("east", "cilium-resources")
            #expect(await bench.verdict(on: step).passes)
            #expect(try await client.list(Self.pools).compactMap { $0["metadata", "name"]?.string } == ["theirs"])
        }
    }

    @Test("a conflict that Cilium's operator reports holds the step")
    func conflict() throws {
        let spec = try Self.spec()
        let plan = try Bench.plan(spec)
        let name = spec.clusters[0].name
        let step = try #require(plan.step(StepID("east", "cilium-resources")))
        guard case .ciliumResources(_, let objects)? = step.done.first else { throw SmallMesh.NotThere() }
        func verdict(_ conflict: String?) -> Verdict {
            var fact = ClusterFact(
                name: name, ciliumObjects: objects.mapValues { .init(spec: $0, isOurs: true, conflict: conflict) })
            fact.cilium = CiliumFact(sessions: [.init(node: "cp-e-1", peer: "192.168.15.1", state: "established")])
            let now = Moment(wall: Timestamp(seconds: 1_800_000_000), boot: 100_000)
            var table = EvidenceTable()
            table.take(Evidence(subject: .cluster(name), probe: .cluster, bootID: nil, takenAt: now, facts: [.cluster(fact)]))
            return Judge(evidence: table, maxAge: .seconds(600), now: now).judge(step.done)
        }
        #expect(verdict(nil).passes)
        #expect(verdict("cilium.io/PoolConflict: overlaps").reasons.count == objects.count)
        #expect(verdict("x").reasons.allSatisfy { $0.code == .unhealthy })
    }
}
