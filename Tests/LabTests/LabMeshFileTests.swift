// SPDX-License-Identifier: Apache-2.0

import Gating
import Lab
import Linting
import MeshConfig
import MeshModel
import MeshTrust
import Planning
import Testing

@Suite("The lab's mesh.yaml as the product reads it")
struct LabMeshFileTests {
    @Test(
        "every size of lab has a mesh.yaml without a fault or a lint error, and a plan that is sound", arguments: [(1, 2), (2, 3), (5, 5)],
        LabPlan.Services.allCases)
    func sound(size: (clusters: Int, nodes: Int), services: LabPlan.Services) throws {
        let (clusters, nodes) = size
        let topology = try LabTopology(LabPlan(directory: "/lab", clusterCount: clusters, nodesPerCluster: nodes))
        let file = try readMesh(bytes: Array(LabMeshFile(topology, services: services).mesh.utf8), file: "mesh.yaml")
        #expect(lint(file.spec).filter { $0.severity == .error } == [])
        let plan = Planner.plan(file.spec) { _ in Digest.zero }
        #expect(PlanCheck.faults(of: plan) == [])
        #expect(plan.steps.count { !$0.destroys.isEmpty } == clusters * (nodes - 1))
        #expect(file.spec.members.map(\.node.name) == topology.nodes.map(\.name))
        #expect(file.spec.members.map(\.node.address) == topology.nodes.map(\.address))
    }

    @Test("machines of metal with a tagged network have no fault either, and each of their trunks is tried with two others")
    func trunks() throws {
        let topology = try LabTopology(try LabScenario.vlanPorts.plan(directory: "/lab"))
        let spec = try readMesh(bytes: Array(LabMeshFile(topology).mesh.utf8), file: "mesh.yaml").spec
        #expect(lint(spec).filter { $0.severity == .error } == [])
        let plan = Planner.plan(spec) { _ in Digest.zero }
        #expect(PlanCheck.faults(of: plan) == [])
        var tried: [NodeID: Int] = [:]
        for requirement in plan.steps.flatMap(\.gates) {
            guard case .tagged(let node, let targets) = requirement else { continue }
            tried[node] = targets.count
            #expect(targets.allSatisfy { $0.vlan == LabTopology.trunkVLAN && $0.port.name == LabTopology.trunkNIC })
        }
        #expect(tried == Dictionary(uniqueKeysWithValues: topology.nodes.map { ($0.name, 2) }))
    }

    @Test("the catalogue lists every service that the product knows, one of them brought by Terraform, with pinned manifests")
    func catalogue() throws {
        let file = LabMeshFile(try LabTopology(try LabScenario.five.plan(directory: "/lab")), services: .catalogue)
        let spec = try readMesh(bytes: Array(file.mesh.utf8), file: "mesh.yaml").spec
        #expect(spec.clusters.count == 5)
        #expect(spec.services.map(\.name) == ServiceCatalogue.all.map(\.name) + ["object-store"])
        #expect(spec.services.last?.source == .terraform(phase: "object-store"))
        #expect(spec.services.allSatisfy { $0.clusters == spec.clusters.map(\.name) })
        for service in spec.services {
            guard case .manifest(let path) = service.source else { continue }
            #expect(file.manifests[path].map { Digest.sha256(Array($0.utf8)) } == service.sha256)
        }
    }

    @Test("the steps that a story watches for have the names that the planner gives them")
    func names() throws {
        let topology = try LabTopology(try LabScenario.tour.plan(directory: "/lab"))
        let file = try readMesh(bytes: Array(LabMeshFile(topology).mesh.utf8), file: "mesh.yaml")
        let plan = Planner.plan(file.spec) { _ in Digest.zero }
        #expect(plan.step(StepID("talos-east", "cilium")) != nil)
        #expect(plan.step(StepID("talos-east", "wrk-e-1", "wipe-vdb")) != nil)
        #expect(GateID.meshCA.rawValue == LabDirector.meshCAGate)
        let codes: [Reason.Code] = [.missing, .stale, .rebooted, .unreachable, .skewed, .mismatch, .inUse, .needsWarrant]
        #expect(codes.map(\.rawValue) == LabDirector.knownCodes)
    }
}
