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

@Suite("Connecting and testing a mesh", .timeLimit(.minutes(5)))
struct CiliumMeshTests {
    @Test("every pair comes exactly once, and no cluster twice in a round", arguments: 0...17)
    func rounds(_ count: Int) {
        let rounds = MeshPairs.rounds(of: Array(0..<count))
        let pairs = rounds.flatMap { $0.map { [$0.0, $0.1] } }
        #expect(pairs.count == max(0, count * (count - 1) / 2))
        #expect(Set(pairs).count == pairs.count)
        for round in rounds { #expect(Set(round.flatMap { [$0.0, $0.1] }).count == round.count * 2) }
        #expect(rounds.count <= count)
    }

    private func node(_ name: String, _ change: (inout [String: HelmValue]) -> Void = { _ in }) throws -> HelmValue {
        var node = try #require(
            JSON.decode(
                Array(
                    """
                    {"metadata": {"name": "\(name)", "labels": {}}, "spec": {}, "status": {
                     "addresses": [{"type": "Hostname", "address": "\(name)"}, {"type": "InternalIP", "address": "10.0.0.\(name.count)"}],
                     "conditions": [{"type": "DiskPressure", "status": "False"}, {"type": "Ready", "status": "True"}]}}
                    """.utf8))
        ).map
        change(&node)
        return .map(node)
    }

    @Test("endpoints are nodes that are ready and stay, workers first, three at most")
    func endpoints() throws {
        let nodes = try [
            node("c") {
                $0["metadata"] = .map(["name": .string("c"), "labels": .map(["node-role.kubernetes.io/control-plane": .string("")])])
            },
            node("drained-1") { $0["spec"] = .map(["unschedulable": .bool(true)]) },
            node("leaving-12") {
                $0["metadata"] = .map(["name": .string("leaving"), "deletionTimestamp": .string("2026-11-28T08:00:00Z")])
            },
            node("down-1234567") { $0["status"] = .map([:]) },
            node("wwww"), node("www"), node("wwwwww"),
        ]
        #expect(MeshEndpoints.choose(nodes: nodes, port: 32379) == ["10.0.0.3:32379", "10.0.0.4:32379", "10.0.0.6:32379"])
        #expect(MeshEndpoints.choose(nodes: Array(nodes.prefix(4)), port: 1) == ["10.0.0.1:1"])
        #expect(MeshEndpoints.choose(nodes: [.null, .map([:])], port: 1) == [])
    }

    @Test("clusters are connected through several of their nodes")
    func severalEndpoints() async throws {
        let spec = try Bench.spec()
        try await StandInWorld.with(spec) { world in
            let bench = try Bench(world, spec)
            try await bench.prepareMesh()
            try await bench.run("mesh", "connect")
            #expect(await bench.settle(try bench.step("mesh", "connect")).passes)
            for index in 0...1 {
                let client = try bench.tools.client(for: bench.cluster(index))
                let config = try await HelmReleases(client: client).values(of: "cilium", in: "kube-system")?[
                    "clustermesh", "config", "clusters"]
                let remote = bench.cluster(1 - index)
                let expected = min(3, remote.nodes.count)
                #expect(config?.list.first?["name"]?.string == remote.name.text)
                #expect(config?.list.first?["ips"]?.list.count == expected)
                #expect(config?.list.first?["port"]?.integer == remote.cilium.clustermesh.nodePort)
            }
            let calls = world.runner.invocations.map(\.arguments).filter { $0.contains("connect") }
            #expect(calls.count == 1)
            #expect(!calls[0].contains("--connection-mode"))
        }
    }

    @Test("a connectivity test labels its namespaces on both clusters, and leaves none of them")
    func namespaces() async throws {
        let spec = try Bench.spec()
        try await StandInWorld.with(spec) { world in
            let bench = try Bench(world, spec)
            try await bench.prepareMesh()
            try await bench.run("mesh", "connect")
            // The stand-in refuses unlabelled namespaces as Talos does.
            try await bench.run("connectivity", "east", "west")
            #expect(await bench.settle(try bench.step("connectivity", "east", "west")).passes)
            let stage = ConnectivityStage(tools: bench.tools, clusters: bench.plan.spec.clusters)
            #expect(try await stage.remains() == [])
            try await stage.prepare()
            #expect(try await stage.remains().count == 6)
            let verdict = await bench.verdict(on: try bench.step("connectivity", "east", "west"))
            #expect(verdict.reasons.map(\.detail).first?.contains("east/cilium-test-1") == true)
            try await stage.clear()
        }
    }

    @Test("a failed connectivity test keeps a sysdump and says where")
    func sysdump() async throws {
        let spec = try Bench.spec()
        try await StandInWorld.with(spec, faults: ["east": StandInWorld.quick { $0.connectivityFailures = 1 }]) { world in
            let bench = try Bench(world, spec)
            try await bench.prepareMesh()
            try await bench.run("mesh", "connect")
            let outcome = await bench.driver.carryOut(try bench.step("connectivity", "east", "west"), plan: bench.plan)
            guard case .failed(let words) = outcome else {
                Issue.record("\(outcome)")
                return
            }
            let path = bench.tools.workDirectory + "/sysdump-east-to-west.zip"
            #expect(words.hasSuffix("; a sysdump is in \(path)"))
            #expect(try LinuxFileStore().read(path, limit: 1 << 20) != nil)
            #expect(try await ConnectivityStage(tools: bench.tools, clusters: bench.plan.spec.clusters).remains() == [])
        }
    }
}
