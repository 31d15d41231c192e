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

@Suite("Taking services away")
struct ServiceRemovalTests {
    private static let step = StepID("east", "remove")

    private func remove(_ bench: Bench, _ consent: ServiceRemoval.Consent = .none) async throws -> Outcome {
        try await ServiceDriver(tools: bench.tools, spec: bench.plan.spec).uninstall(
            bench.plan.spec.services[0], on: bench.cluster(0), consent: consent, step: Self.step, deadline: .seconds(20))
    }

    private func preview(_ bench: Bench) async throws -> ServiceRemoval {
        try await ServiceDriver(tools: bench.tools, spec: bench.plan.spec).uninstallPreview(
            bench.plan.spec.services[0], on: bench.cluster(0))
    }

    @Test("a release goes with its custom resources first and its namespace last, and a second time nothing is left to do")
    func release() async throws {
        let spec = try ServiceCatalogueTests.spec(["groundcover"])
        try await StandInWorld.with(spec) { world in
            let bench = try Bench(world, spec)
            #expect(try await preview(bench).isEmpty)
            try await bench.run("east", "service-groundcover")
            #expect(await bench.settle(try bench.step("east", "service-groundcover")).passes)
            let listed = try await preview(bench)
            #expect(listed.release == "groundcover/groundcover")
            #expect(listed.items.map(\.kind) == ["DaemonSet", "ConfigMap", "Namespace"])
            #expect(try await remove(bench) == .succeeded("3 objects removed"))
            let client = try bench.tools.client(for: bench.cluster(0))
            #expect(try await client.get("/api/v1/namespaces/groundcover") == nil)
            #expect(try await remove(bench) == .succeeded("groundcover is not there"))
        }
    }

    @Test("a namespace that was there before the plan stays")
    func namespaceOfOthers() async throws {
        let spec = try ServiceCatalogueTests.spec(["ollama"])
        try await StandInWorld.with(spec) { world in
            let bench = try Bench(world, spec)
            let client = try bench.tools.client(for: bench.cluster(0))
            try await client.apply(
                .map(["apiVersion": .string("v1"), "kind": .string("Namespace"), "metadata": .map(["name": .string("ollama")])]),
                at: "/api/v1/namespaces/ollama")
            try await bench.run("east", "service-ollama")
            guard case .succeeded = try await remove(bench) else {
                Issue.record("not removed")
                return
            }
            #expect(try await client.get("/api/v1/namespaces/ollama") != nil)
            #expect(try await client.get("/apis/apps/v1/namespaces/ollama/deployments/ollama") == nil)
        }
    }

    @Test("storage goes only with a warrant, or when the CephCluster itself says so")
    func storage() async throws {
        let spec = try ServiceCatalogueTests.spec(["rook-ceph"])
        try await StandInWorld.with(spec) { world in
            let bench = try Bench(world, spec)
            try await bench.run("east", "service-rook-ceph")
            let refused = try await remove(bench)
            guard case .refused(let why) = refused else {
                Issue.record("\(refused)")
                return
            }
            #expect(why.contains("CephCluster rook-ceph holds data"))
            #expect(!world.runner.invocations.contains { $0.arguments.contains("uninstall") })
            let warrant = try #require(WarrantID("0123456789abcdef0123456789abcdef"))
            let outcome = try await remove(bench, .dataLoss(warrant))
            guard case .succeeded = outcome else {
                Issue.record("\(outcome)")
                return
            }
            let client = try bench.tools.client(for: bench.cluster(0))
            #expect((try await client.listIfServed("/apis/ceph.rook.io/v1/cephclusters") ?? []).isEmpty)
        }
    }

    @Test("a release of another chart under the same name is not the plan's, and stays")
    func foreignRelease() async throws {
        let spec = try ServiceCatalogueTests.spec(["ollama"])
        try await StandInWorld.with(spec) { world in
            let bench = try Bench(world, spec)
            _ = try await world.call(
                "helm",
                [
                    "upgrade", "--install", "ollama", "something-else", "--repo", "https://x", "--version", "1.0.0", "--namespace",
                    "ollama",
                    "--create-namespace", "--kube-context", "admin@east",
                ])
            guard case .refused(let why) = try await remove(bench) else {
                Issue.record("a foreign release was removed")
                return
            }
            #expect(why.contains("is of chart something-else and not of ollama"))
        }
    }

    @Test("of a manifest exactly the objects that were applied go: one that was made anew by somebody else stays, and is named")
    func manifest() async throws {
        var spec = try SmallMesh.spec(services: false)
        spec.services = [.init(name: "metrics-server", source: .manifest(path: "metrics-server.json"), clusters: spec.clusters.map(\.name))]
        try await StandInWorld.with(spec) { [spec] world in
            let bench = try Bench(world, spec)
            try await bench.run("east", "service-metrics-server")
            #expect(try await preview(bench).items.map(\.kind) == ["Deployment", "APIService", "ConfigMap"])
            let client = try bench.tools.client(for: bench.cluster(0))
            let path = "/apis/apps/v1/namespaces/kube-system/deployments/metrics-server"
            let old = try #require(try await client.get(path)?["metadata", "uid"]?.string)
            try await client.delete(path)
            try await client.apply(
                .map([
                    "apiVersion": .string("apps/v1"), "kind": .string("Deployment"),
                    "metadata": .map(["name": .string("metrics-server"), "namespace": .string("kube-system")]),
                    "spec": .map(["replicas": .integer(1)]),
                ]), at: path)
            #expect(try await client.get(path)?["metadata", "uid"]?.string != old)
            let listed = try await preview(bench)
            #expect(listed.remains == ["Deployment.apps kube-system/metrics-server: it was made anew by somebody else since"])
            guard case .succeeded = try await remove(bench) else {
                Issue.record("not removed")
                return
            }
            #expect(try await client.get(path) != nil)
            #expect(try await client.get("/apis/apiregistration.k8s.io/v1/apiservices/v1beta1.metrics.k8s.io") == nil)
            #expect(try await ServiceMark.read("metrics-server", client) == nil)
        }
    }
}
