// SPDX-License-Identifier: Apache-2.0

import Gating
import Lab
import MeshModel
import MeshTesting
import Planning
import StandInTesting
import Testing

@testable import ToolDrivers

@Suite("What is known of Cilium besides its objects")
struct CiliumFactTests {
    private func json(_ text: String) throws -> HelmValue { try SmallMesh.need(JSON.decode(Array(text.utf8))) }

    // MARK: what the real CLI v0.19.7 printed, shortened

    @Test("the recorded CLI was built by hand and says no version of its own")
    func version() {
        let recorded = """
            cilium-cli:  compiled with go1.27.3 on linux/amd64
            cilium image (default): v1.19.5
            cilium image (stable): unknown

            """
        #expect(CiliumCommandLine.read(recorded) == .init(version: nil, madeFor: SemanticVersion(1, 19, 5)))
        let released = recorded.replacing("cilium-cli: ", with: "cilium-cli: v0.18.7")
        #expect(CiliumCommandLine.read(released) == .init(version: SemanticVersion(0, 18, 7), madeFor: SemanticVersion(1, 19, 5)))
        #expect(CiliumCommandLine.read("unknown shorthand flag: 'o' in -o\n") == nil)
        #expect(CiliumCommandLine.read("cilium image (default): v1.19.5\n") == nil)
        #expect(CiliumCommandLine.read("") == nil)
    }

    @Test("an agent that could not be asked leaves it unknown what has been received")
    func unreachable() throws {
        // `cilium --context east status -o json`, exit 0, with pods that nobody can exec into.
        let recorded = #"""
            {"cilium_status": {"cilium-624hm": null}, "cilium_endpoints": {"cilium-624hm": null},
            "errors": {"cilium": {"cilium-624hm": {"Errors": ["unable to retrieve cilium status: command failed"], "Warnings": [],
            "Disabled": false}}}, "helm_chart_version": "1.19.5"}
            """#
        #expect(CiliumObserver.unsynced(in: try json(recorded)) == nil)
        #expect(CiliumDriver.statusErrors(in: try json(recorded)) == ["unable to retrieve cilium status: command failed"])
        #expect(CiliumObserver.unsynced(in: try json(#"{"errors": {}}"#)) == nil)
        #expect(CiliumObserver.unsynced(in: try json(#"{"cilium_status": {}}"#)) == nil)
    }

    @Test("the recorded report without connectivity proves nothing")
    func noConnectivity() throws {
        let recorded = #"""
            {"access_information": {"service_type": "NodePort", "service_ips": ["172.20.0.11"], "service_port": 32379, "cluster_id": "1",
            "cluster_name": "east", "tunnel": "vxlan", "max_connected_clusters": 255}, "kvstoremesh": {"enabled": true}}
            """#
        let mesh = CiliumDriver.clustermesh(in: try json(recorded))
        #expect(!mesh.connectivityKnown && mesh.remotes.isEmpty && mesh.nodePort == 32379 && mesh.serviceType == "NodePort")
    }

    // MARK: by the agent's API

    @Test("flags that are missing are false, and a remote that one agent does not know has sent it nothing")
    func synced() throws {
        let all = #""synced": {"nodes": true, "endpoints": true, "identities": true, "services": true, "service-exports": true}"#
        func unsynced(_ agents: String) throws -> [String: [String]]? {
            CiliumObserver.unsynced(in: try json(#"{"cilium_status": {\#(agents)}}"#))
        }
        let good = #"{"cluster-mesh": {"clusters": [{"name": "west", "ready": true, \#(all)}]}}"#
        let half = #"{"cluster-mesh": {"clusters": [{"name": "west", "synced": {"nodes": true, "identities": true}}]}}"#
        let none = #"{"cluster-mesh": {}}"#
        #expect(try unsynced(#""a": \#(good), "b": \#(good)"#) == ["west": []])
        #expect(try unsynced(#""a": \#(good), "b": \#(half)"#) == ["west": ["endpoints", "services"]])
        #expect(try unsynced(#""a": \#(good), "b": \#(none)"#) == [:])
        #expect(try unsynced(#""a": \#(good), "b": null"#) == nil)
    }

    @Test("BGP sessions are read node by node")
    func bgp() throws {
        let text = #"{"n2": [{"peer-address": "10.0.0.1", "session-state": "established"}, {"peer-address": "10.0.0.2"}], "n1": null}"#
        #expect(
            CiliumObserver.sessions(in: try json(text)) == [
                .init(node: "n2", peer: "10.0.0.1", state: "established"), .init(node: "n2", peer: "10.0.0.2", state: "unknown"),
            ])
        #expect(CiliumObserver.sessions(in: try json("[]")) == nil)
    }

    @Test("helm's version is read, and another major is refused")
    func helm() {
        #expect(ChartDriver.version(in: "v3.19.0+g3d8990f\n") == SemanticVersion(3, 19, 0))
        #expect(ChartDriver.version(in: "WARNING: Kubernetes configuration file is group-readable\nv3.8.1\n") == SemanticVersion(3, 8, 1))
        #expect(ChartDriver.version(in: "Client: &version.Version{SemVer:\"v2.16.1\"}\n") == nil)
        #expect(ChartDriver.version(in: "") == nil)
    }

    // MARK: with stand-ins

    private static func names(_ spec: MeshSpec) -> [ClusterName] { spec.clusters.map(\.name) }

    @Test("a mesh of stand-ins passes every gate, and each planted fault holds its own")
    func gates() async throws {
        let spec = try SmallMesh.spec(services: false)
        let (east, names) = (spec.clusters[0].name, Self.names(spec))
        try await StandInWorld.with(spec) { world in
            let bench = try Bench(world, spec)
            try await bench.prepareMesh()
            try await bench.run("mesh", "connect")
            let connect = try bench.step("mesh", "connect")
            #expect(await bench.settle(connect).passes)
            let certificates = Requirement.meshCertificates(east, domain: "mesh.cilium.io")
            let all: [Requirement] = [
                .commandLineFits(east, spec.versions.cilium), .versionSkew(names), .kubeProxyCoherent(east, replaced: true), certificates,
                .meshEndpoints(names), .meshSynced(names), .upgradeTurn(east, to: spec.versions.cilium, keeps: ["cluster-id": "1"]),
            ]
            let verdict = await bench.judge(all)
            #expect(verdict.passes, "\(verdict)")
            let fact = try #require(try await bench.observe(0).cilium)
            let leaves = fact.leaves ?? [:]
            #expect(leaves["hubble-server-certs"] != nil && leaves["clustermesh-apiserver-local-cert"] != nil)
            #expect(fact.endpoints?["west"]?.count == 3)

            let client = try bench.tools.client(for: bench.cluster(0))
            // Somebody swapped the CA after the certificates had been issued.
            try await client.apply(bench.foreignAuthority(), at: "/api/v1/namespaces/kube-system/secrets/cilium-ca")
            let swapped = await bench.judge([certificates]).reasons
            #expect(swapped.contains { $0.detail.contains("is not issued by its CA") })
            // An upgrade with the same values would run no Job; the step runs one.
            let outcome = await bench.driver.carryOut(try bench.step("east", "clustermesh"), plan: bench.plan)
            #expect("\(outcome)".contains("4 certificates are issued anew"), "\(outcome)")
            #expect(await bench.settle(try bench.step("east", "clustermesh")).passes)
            let again = await bench.driver.carryOut(try bench.step("east", "clustermesh"), plan: bench.plan)
            #expect(!"\(again)".contains("issued anew"))
            // A node through which others come is drained.
            let way = try #require(fact.endpoints?["west"]?.first)
            let west = try bench.tools.client(for: bench.cluster(1))
            let node = try #require(try await bench.observe(1).nodes.first { $0.internalIP?.description == way })
            try await west.apply(
                .map([
                    "apiVersion": .string("v1"), "kind": .string("Node"), "metadata": .map(["name": .string(node.name)]),
                    "spec": .map(["unschedulable": .bool(true)]),
                ]), at: "/api/v1/nodes/" + node.name)
            let drained = await bench.judge([.meshEndpoints(names)]).reasons
            #expect(drained.contains { $0.detail.contains("\(node.name), which is cordoned") })
        }
    }

    @Test("a router that does not answer holds the step that planned the session")
    func router() async throws {
        var spec = try SmallMesh.spec(clusters: 1, services: false)
        let router = try SmallMesh.need(IPAddress("192.168.15.1"))
        spec.clusters[0].cilium.bgp = .init(localASN: 64512, peers: [.init(name: "router", address: router, asn: 64500)])
        let down = StandInWorld.quick { $0.bgpDown = true }
        try await StandInWorld.with(spec, faults: ["east": down]) { [spec] world in
            let bench = try Bench(world, spec)
            for step in ["gateway-api", "cilium-ca", "cilium", "cilium-resources"] { try await bench.run("east", step) }
            let step = try bench.step("east", "cilium-resources")
            let reasons = await bench.verdict(on: step).reasons
            #expect(reasons.contains { $0.gate == .bgpSessions && $0.detail.contains("is active") }, "\(reasons)")
            try world.set(StandInWorld.quick(), on: "east")
            #expect(await bench.settle(step).passes)
        }
    }
}
