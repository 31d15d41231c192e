// SPDX-License-Identifier: Apache-2.0

package import MeshModel

/// The lab as it follows from a plan: names, addresses and wires. Nothing here touches the machine.
///
///     root namespace                 <prefix>-fabric                       <prefix>-<node>
///     coordinator                    br-east 192.168.15.1/24 --- veth ---- ens18
///     <prefix>0 198.18.77.1/24       br-west 192.168.20.1/24
///          \________________________ veth ____ mgmt0 ______________________ mgmt0
///
/// The hypervisor's agent lives in the fabric, whose bridges are the hypervisor's.
package struct LabTopology: Hashable, Sendable {
    package struct Cluster: Hashable, Sendable {
        package var name: ClusterName
        /// Cilium's cluster id.
        package var id: Int
        package var region: String
        package var vlan: Int
        /// 192.168.X.0/24.
        package var networkByte: UInt8
        package var nodePort: Int
        package var nodes: [Node]
        package var network: String { "\(region)-lan" }
        package var bridge: String { "br-\(region)" }
        package var cidr: String { "192.168.\(networkByte).0/24" }
        package var gateway: IPAddress { address(192, 168, networkByte, 1) }
        /// The address of the API server, carried by the first control plane.
        package var endpoint: IPAddress { address(192, 168, networkByte, 10) }
        package var context: String { "admin@\(name)" }
        package var podCIDR: String { "10.\(243 + id).0.0/16" }
        package var serviceCIDR: String { "10.\(80 + 16 * id).0.0/12" }
    }

    package struct Node: Hashable, Sendable {
        package var name: NodeID
        package var cluster: ClusterName
        package var role: MeshSpec.Node.Role
        /// Counts from 1 over the whole lab.
        package var number: Int
        /// On `ens18`, in its cluster's network.
        package var address: IPAddress
        /// On `mgmt0`, where it reaches the coordinator.
        package var management: IPAddress
        package var mac: String
        package var namespace: String
        /// Its end of the management wire in the root namespace.
        package var managementPort: String
        /// Absent for control planes.
        package var disk: Disk?
        /// Its end of the cluster's wire in the fabric namespace.
        package var fabricPort: String { "port-\(number)" }
        /// The same of its wire for the tagged network, and the address of its own end, where the lab has one.
        package var trunkPort: String { "trunk-\(number)" }
        package var trunkMAC: String { "bc:24:11:01:00:\(encodeHex([UInt8(clamping: number)]))" }
    }

    package struct Disk: Hashable, Sendable {
        /// As the node sees it: `vdb`.
        package var device: String
        /// Also the name of the image, which is how an agent that accepts loop devices learns it.
        package var serial: String
        package var size: ByteCount
        package var content: LabPlan.DiskContent.Kind
    }

    package let prefix: String
    package let clusters: [Cluster]
    package let managementByte: UInt8
    /// Whether nodes have a second NIC for a tagged network.
    package let hasTrunks: Bool
    package let listsPacketFilter: Bool

    package static let regions = ["east", "west", "north", "south", "central"]
    package static let nic = "ens18"
    /// The host that gives every node its disk, as far as the lab has one: its configuration, and a look at the images by an agent of its own.
    package static let hypervisor = "pve-1"
    package static let managementNIC = "mgmt0"
    /// The second NIC, the network that it carries for all nodes alike, its tag, and what plays the switch.
    package static let trunkNIC = "ens19"
    package static let trunkNetwork = "storage"
    package static let trunkVLAN = 3000
    package static let trunkSwitch = "br-trunk"

    package var fabric: String { "\(prefix)-fabric" }
    package var managementBridge: String { "\(prefix)0" }
    /// The coordinator's address on the management network.
    package var coordinator: IPAddress { address(198, 18, managementByte, 1) }
    /// The hypervisor's: the fabric is its network, with the bridges that the nodes hang on.
    package var hypervisorManagement: IPAddress { address(198, 18, managementByte, 2) }
    package var hypervisorPort: String { "\(prefix)-mh" }
    package var nodes: [Node] { clusters.flatMap(\.nodes) }
    /// What the lab adds to the root namespace.
    var rootLinks: [String] { [managementBridge, hypervisorPort] + nodes.map(\.managementPort) }
    package var namespaces: [String] { [fabric] + nodes.map(\.namespace) }

    package init(_ plan: LabPlan) throws {
        if let problem = plan.problems.first { throw LabError.badPlan(problem) }
        prefix = plan.prefix
        managementByte = plan.managementByte
        hasTrunks = plan.hasTrunks
        listsPacketFilter = plan.listsPacketFilter
        var clusters: [Cluster] = []
        for index in 0..<plan.clusterCount { clusters.append(try Self.cluster(index, plan)) }
        self.clusters = clusters
        let names = Set(clusters.flatMap(\.nodes).map(\.name))
        if let stranger = (plan.contents.map(\.node) + plan.skews.map(\.node)).first(where: { !names.contains($0) }) {
            throw LabError.unknownNode(stranger.text)
        }
    }

    /// The node of that name.
    package func node(_ name: String) throws -> Node {
        guard let node = nodes.first(where: { $0.name.text == name }) else { throw LabError.unknownNode(name) }
        return node
    }

    /// The cluster that a node belongs to.
    package func cluster(of node: Node) throws -> Cluster {
        guard let cluster = clusters.first(where: { $0.name == node.cluster }) else { throw LabError.unknownNode(node.name.text) }
        return cluster
    }

    private static func cluster(_ index: Int, _ plan: LabPlan) throws -> Cluster {
        let region = regions[index]
        let networkByte = UInt8(15 + 5 * index)
        guard let name = ClusterName("talos-\(region)") else { throw LabError.badPlan("no cluster can be called talos-\(region)") }
        var nodes: [Node] = []
        for place in 0..<plan.nodesPerCluster {
            let isControlPlane = place == 0
            let label = isControlPlane ? "cp-\(region.prefix(1))-1" : "wrk-\(region.prefix(1))-\(place)"
            guard let node = NodeID(label) else { throw LabError.badPlan("no node can be called \(label)") }
            let number = index * plan.nodesPerCluster + place + 1
            let host = UInt8(isControlPlane ? 11 : 20 + place)
            let disk = Disk(
                device: "vdb", serial: "\(label)-data", size: plan.diskSize,
                content: plan.contents.first { $0.node == node }?.kind ?? .blank)
            nodes.append(
                Node(
                    name: node, cluster: name, role: isControlPlane ? .controlPlane : .worker, number: number,
                    address: address(192, 168, networkByte, host), management: address(198, 18, plan.managementByte, UInt8(10 + number)),
                    mac: "bc:24:11:00:\(encodeHex([networkByte])):\(encodeHex([host]))", namespace: "\(plan.prefix)-\(label)",
                    managementPort: "\(plan.prefix)-m\(number)", disk: isControlPlane ? nil : disk))
        }
        return Cluster(
            name: name, id: index + 1, region: region, vlan: 1500 + 500 * index, networkByte: networkByte, nodePort: 32379 + index,
            nodes: nodes)
    }
}

private func address(_ a: UInt8, _ b: UInt8, _ c: UInt8, _ d: UInt8) -> IPAddress {
    IPAddress(family: .v4, value: [a, b, c, d].reduce(UInt128(0)) { $0 << 8 | UInt128($1) })
}
