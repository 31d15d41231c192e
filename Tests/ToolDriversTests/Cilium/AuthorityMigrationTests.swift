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

/// Two stand-in clusters that run with CAs of their own, with real certificates, brought to the mesh's one.
@Suite("Bringing clusters to one CA", .timeLimit(.minutes(5)))
struct AuthorityMigrationTests {
    private static func spec() throws -> MeshSpec {
        var spec = try Bench.spec()
        spec.policy.migratesCA = true
        return spec
    }

    /// Cilium and its API server everywhere, each with a CA that its own chart made.
    private static func stand(_ bench: Bench) async throws {
        for cluster in ["east", "west"] {
            try await bench.run(cluster, "gateway-api")
            try await bench.run(cluster, "cilium")
            try await bench.run(cluster, "clustermesh")
            #expect(await bench.settle(try bench.step(cluster, "clustermesh")).passes)
        }
    }

    private static func upgrades(_ bench: Bench) -> Int {
        bench.world.runner.invocations.count { $0.executable.hasSuffix("cilium") && $0.arguments.contains("upgrade") }
    }

    /// Carries a round out on both clusters and expects its end.
    private static func round(_ name: String, _ bench: Bench) async throws {
        for cluster in ["east", "west"] { try await bench.run(cluster, name) }
        for cluster in ["east", "west"] {
            let verdict = await bench.settle(try bench.step(cluster, name))
            #expect(verdict == .pass, "\(cluster)/\(name): \(verdict)")
        }
    }

    @Test("all four rounds come to their ends, each again changes nothing, and nothing but the CA is another")
    func rounds() async throws {
        let spec = try Self.spec()
        try await StandInWorld.with(spec) { world in
            let bench = try Bench(world, spec)
            try await Self.stand(bench)
            let before = try await (bench.observe(0), bench.observe(1))
            let own = [before.0, before.1].compactMap { $0.cilium?.trust?.own?.fingerprint }
            #expect(Set(own).count == 2, "two CAs to begin with")
            for cluster in ["east", "west"] { #expect(await !bench.verdict(on: try bench.step(cluster, "ca-trust")).passes) }

            try await Self.round("ca-trust", bench)
            let trusting = try await bench.observe(1)
            let given = trusting.cilium?.trust?.anchors.map(\.fingerprint) ?? []
            #expect(given.count == 3 && own.allSatisfy(given.contains))
            #expect(trusting.cilium?.trust?.stragglers == [])
            #expect(trusting.releases["kube-system/cilium"] == before.1.releases["kube-system/cilium"])
            #expect(trusting.cilium?.trust?.own?.fingerprint == own[1], "nothing is exchanged yet")

            try await Self.round("cilium-ca", bench)
            let mesh = try await bench.observe(0).cilium?.trust?.mesh?.fingerprint
            let one = try #require(mesh)
            #expect(try await bench.observe(0).cilium?.trust?.own?.fingerprint == one)
            #expect(await !bench.verdict(on: try bench.step("west", "ca-issue")).passes, "the old certificates are still there")

            try await Self.round("ca-issue", bench)
            try await Self.round("ca-drop", bench)
            let after = try await (bench.observe(0), bench.observe(1))
            for fact in [after.0, after.1] {
                #expect(fact.cilium?.trust?.bundle == nil && fact.cilium?.trust?.anchors.map(\.fingerprint) == [one])
                #expect(fact.cilium?.leaves?.values.allSatisfy(\.chains) == true && fact.cilium?.leaves?.count == 5)
            }
            #expect(after.1.ciliumConfig == before.1.ciliumConfig && after.1.clustermesh?.nodePort == before.1.clustermesh?.nodePort)

            let count = Self.upgrades(bench)
            for name in ["ca-trust", "cilium-ca", "ca-issue", "ca-drop"] {
                for cluster in ["east", "west"] {
                    #expect(await bench.verdict(on: try bench.step(cluster, name)) == .pass, "\(cluster)/\(name) would be done again")
                }
            }
            #expect(Self.upgrades(bench) == count)
        }
    }

    @Test("a pod that was left out holds the next round on every cluster, by name, until it is restarted")
    func leftOut() async throws {
        let spec = try Self.spec()
        let stubborn = StandInWorld.quick { $0.leftOut = ["cilium-1"] }
        try await StandInWorld.with(spec, faults: ["west": stubborn]) { world in
            let bench = try Bench(world, spec)
            try await Self.stand(bench)
            for cluster in ["east", "west"] { try await bench.run(cluster, "ca-trust") }
            #expect(await bench.settle(try bench.step("east", "ca-trust")).passes)
            let verdict = await bench.verdict(on: try bench.step("west", "ca-trust"))
            let reason = try #require(verdict.reasons.first)
            #expect(reason.gate == .meshTrust && reason.detail.contains("pod kube-system/cilium-1 of west"), "\(reason.detail)")
            let gates = try bench.step("east", "cilium-ca").gates.filter { $0.gate == .meshTrust }
            #expect(await bench.judge(gates).reasons == verdict.reasons, "east waits for west's pod")

            try await bench.tools.client(for: bench.cluster(1)).delete("/api/v1/namespaces/kube-system/pods/cilium-1")
            #expect(await bench.settle(try bench.step("west", "ca-trust")).passes)
            #expect(await bench.judge(gates).passes)
        }
    }

    @Test("an attempt that was cut off after any of its rounds is begun anew and comes to the same end")
    func again() async throws {
        let spec = try Self.spec()
        try await StandInWorld.with(spec) { world in
            let bench = try Bench(world, spec)
            try await Self.stand(bench)
            for name in ["ca-trust", "cilium-ca", "ca-issue", "ca-drop"] {
                // The first attempt's outcome was lost.
                for cluster in ["east", "west"] { try await bench.run(cluster, name) }
                try await Self.round(name, bench)
            }
            #expect(try await bench.observe(1).cilium?.trust?.anchors.count == 1)
        }
    }

    @Test("a cluster without Cilium has nobody to be told, and gets the one CA as ever")
    func fresh() async throws {
        let spec = try Self.spec()
        try await StandInWorld.with(spec) { world in
            let bench = try Bench(world, spec)
            for cluster in ["east", "west"] { #expect(await bench.verdict(on: try bench.step(cluster, "ca-trust")) == .pass) }
            try await Self.round("cilium-ca", bench)
            for name in ["ca-issue", "ca-drop"] {
                for cluster in ["east", "west"] { #expect(await bench.verdict(on: try bench.step(cluster, name)) == .pass) }
            }
        }
    }

    // MARK: pods

    private func json(_ text: String) throws -> HelmValue { try SmallMesh.need(JSON.decode(Array(text.utf8))) }

    @Test("of a pod's volumes those count that hold certificates or CAs, however they are put together")
    func sources() throws {
        let spec = try json(
            #"""
            {"volumes": [{"name": "a", "emptyDir": {}}, {"name": "b", "secret": {"secretName": "hubble-server-certs"}},
             {"name": "c", "projected": {"sources": [{"secret": {"name": "cilium-clustermesh"}},
              {"secret": {"name": "clustermesh-apiserver-remote-cert", "items": []}}, {"configMap": {"name": "cilium-root-ca.crt"}}]}},
             {"name": "d", "configMap": {"name": "cilium-config"}}, null, {"projected": null}]}
            """#)
        #expect(
            TrustingPods.sources(of: spec, nil) == [
                "secrets/hubble-server-certs", "secrets/clustermesh-apiserver-remote-cert", "configmaps/cilium-root-ca.crt",
            ])
        #expect(TrustingPods.sources(of: nil, nil).isEmpty)
        let own = try json(#"{"volumes": [{"projected": {"sources": [{"configMap": {"name": "ours"}}, {"secret": {"name": "ours"}}]}}]}"#)
        #expect(TrustingPods.sources(of: own, "configmaps/ours") == ["configmaps/ours"])
        #expect(TrustingPods.sources(of: own, "secrets/ours") == ["secrets/ours"])
    }

    @Test("the last change of an object is the latest that anybody made")
    func written() throws {
        let object = try json(
            #"""
            {"metadata": {"creationTimestamp": "2026-11-01T00:00:00Z", "managedFields": [{"manager": "helm", "time": "2026-11-02T00:00:00Z"},
             {"manager": "kubectl", "time": "2026-11-03T00:00:00Z"}, {"manager": "old"}]}}
            """#)
        #expect(TrustObserver.written(object)?.description == "2026-11-03T00:00:00.000Z")
        #expect(TrustObserver.written(try json(#"{"metadata": {"creationTimestamp": "2026-11-01T00:00:00Z"}}"#)) != nil)
        #expect(TrustObserver.written(try json(#"{"metadata": {}}"#)) == nil)
    }
}
