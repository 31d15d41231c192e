// SPDX-License-Identifier: Apache-2.0

/// The wanted mesh: one mesh.yaml, checked and with every default expanded. Nothing in it is optional unless "absent" means something.
package struct MeshSpec: Hashable, Sendable, Codable {
    package static let apiVersion = "meshgate.dev/v1alpha1"

    /// Also the first part of every certificate name.
    package var name: String
    package var versions: Versions
    package var networks: [Network]
    package var hypervisors: [Hypervisor]
    package var clusters: [Cluster]
    package var provision: Provision?
    package var secrets: Secrets?
    package var services: [Service]
    package var policy: Policy

    package init(
        name: String, versions: Versions, networks: [Network] = [], hypervisors: [Hypervisor] = [], clusters: [Cluster],
        provision: Provision? = nil, secrets: Secrets? = nil, services: [Service] = [], policy: Policy = Policy()
    ) {
        self.name = name
        self.versions = versions
        self.networks = networks
        self.hypervisors = hypervisors
        self.clusters = clusters
        self.provision = provision
        self.secrets = secrets
        self.services = services
        self.policy = policy
    }

    /// The releases the mesh is built from.
    package struct Versions: Hashable, Sendable, Codable {
        package var talos: SemanticVersion?
        package var cilium: SemanticVersion
        package var gatewayAPI: SemanticVersion?
        package init(talos: SemanticVersion? = nil, cilium: SemanticVersion, gatewayAPI: SemanticVersion? = nil) {
            self.talos = talos
            self.cilium = cilium
            self.gatewayAPI = gatewayAPI
        }
    }

    /// What one bridge or switch port carries.
    package struct Network: Hashable, Sendable, Codable {
        package var name: String
        /// 1 to 4094; absent when the network is untagged.
        package var vlan: Int?
        package var cidr: CIDR
        package var gateway: IPAddress?
        /// Bytes.
        package var mtu: Int
        /// What the DHCP server of the network hands out.
        package var dhcp: AddressBlock?
        package init(
            name: String, vlan: Int? = nil, cidr: CIDR, gateway: IPAddress? = nil, mtu: Int = 1500, dhcp: AddressBlock? = nil
        ) {
            self.name = name
            self.vlan = vlan
            self.cidr = cidr
            self.gateway = gateway
            self.mtu = mtu
            self.dhcp = dhcp
        }
    }
}

extension MeshSpec {
    package func cluster(_ name: ClusterName) -> Cluster? { clusters.first { $0.name == name } }
    /// A node's hypervisor, when there is an agent on it.
    package func askableHypervisor(of node: Node) -> NodeID? {
        hypervisors.first { $0.name == node.hypervisor && $0.hasAgent }?.name
    }
    /// The nodes that a hypervisor carries.
    package func nodes(on hypervisor: NodeID) -> [Node] { members.map(\.node).filter { $0.hypervisor == hypervisor } }
    package func network(_ name: String) -> Network? { networks.first { $0.name == name } }
    /// Every cluster member with its cluster, in the order of the file.
    package var members: [(cluster: Cluster, node: Node)] { clusters.flatMap { cluster in cluster.nodes.map { (cluster, $0) } } }
}
