// SPDX-License-Identifier: Apache-2.0

import MeshModel
import Testing

@testable import Lab

@Suite("The lab's topology")
struct LabTopologyTests {
    @Test("the default lab is two clusters of three agents with a data disk on every worker")
    func defaults() throws {
        let topology = try LabTopology(LabPlan(directory: "/lab"))
        #expect(topology.clusters.map(\.name.text) == ["talos-east", "talos-west"])
        #expect(topology.nodes.map(\.name.text) == ["cp-e-1", "wrk-e-1", "wrk-e-2", "cp-w-1", "wrk-w-1", "wrk-w-2"])
        #expect(
            topology.nodes.map { $0.address.description } == [
                "192.168.15.11", "192.168.15.21", "192.168.15.22", "192.168.20.11", "192.168.20.21", "192.168.20.22",
            ])
        #expect(topology.nodes.compactMap(\.disk?.serial) == ["wrk-e-1-data", "wrk-e-2-data", "wrk-w-1-data", "wrk-w-2-data"])
        #expect(topology.coordinator.description == "198.18.77.1")
        #expect(topology.clusters.map(\.nodePort) == [32379, 32380])
    }

    @Test("the largest lab has no name that a link cannot have, no address twice and no MAC twice")
    func largest() throws {
        let topology = try LabTopology(LabPlan(directory: "/lab", prefix: "abcd", clusterCount: 5, nodesPerCluster: 20))
        #expect(topology.nodes.count == 100)
        let links = [topology.managementBridge] + topology.nodes.flatMap { [$0.managementPort, $0.fabricPort] }
        #expect(links.allSatisfy { $0.utf8.count <= 15 })
        let addresses = topology.nodes.flatMap { [$0.address, $0.management] } + topology.clusters.flatMap { [$0.gateway, $0.endpoint] }
        #expect(Set(addresses).count == addresses.count)
        #expect(Set(topology.nodes.map(\.mac)).count == 100)
        #expect(topology.clusters.allSatisfy { CIDR($0.podCIDR) != nil && CIDR($0.serviceCIDR) != nil && CIDR($0.cidr) != nil })
    }

    @Test(
        "a plan that cannot be built is refused with the reason",
        arguments: [
            LabPlan(directory: "lab"), LabPlan(directory: "/lab", prefix: "Lab"), LabPlan(directory: "/lab", clusterCount: 6),
            LabPlan(directory: "/lab", nodesPerCluster: 1), LabPlan(directory: "/lab", diskSize: ByteCount(bytes: 1)),
        ])
    func refused(plan: LabPlan) {
        #expect(throws: LabError.self) { try LabTopology(plan) }
    }

    @Test("BlueStore labels want disks that reach beyond 10 GiB, and contents want nodes that exist")
    func contents() throws {
        let worker = try #require(NodeID("wrk-e-1"))
        let stranger = try #require(NodeID("wrk-x-9"))
        let dirty = LabPlan.DiskContent(node: worker, kind: .bluestore)
        #expect(throws: LabError.self) { try LabTopology(LabPlan(directory: "/lab", diskSize: .gibibytes(10), contents: [dirty])) }
        #expect(throws: LabError.self) {
            try LabTopology(LabPlan(directory: "/lab", contents: [LabPlan.DiskContent(node: stranger, kind: .ext4)]))
        }
        let topology = try LabTopology(LabPlan(directory: "/lab", contents: [dirty]))
        #expect(topology.nodes.compactMap(\.disk?.content) == [.bluestore, .blank, .blank, .blank])
    }

    @Test("every link of the root namespace carries the lab's mark before anything else happens to it")
    func marks() throws {
        let script = LabNetworkScript(try LabTopology(LabPlan(directory: "/lab")), labID: "0123")
        let root = try #require(script.parts.first { $0.namespace == nil })
        for link in script.rootLinks {
            let made = try #require(root.lines.firstIndex { $0.hasPrefix("link add name \(link) ") })
            #expect(root.lines[made + 1] == "link set dev \(link) alias meshgate-lab-0123")
        }
        #expect(script.rootLinks.count == 8)
    }
}
