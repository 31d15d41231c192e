// SPDX-License-Identifier: Apache-2.0

/// The machines of a mesh: those that carry others, and the members of its clusters.
extension MeshSpec {
    /// A host that carries virtual machines.
    package struct Hypervisor: Hashable, Sendable, Codable {
        package enum Kind: String, Hashable, Sendable, Codable, CaseIterable { case proxmox }
        package struct Capacity: Hashable, Sendable, Codable {
            package var cores: Int
            package var memory: ByteCount
            package init(cores: Int, memory: ByteCount) {
                self.cores = cores
                self.memory = memory
            }
        }
        package struct Bridge: Hashable, Sendable, Codable {
            package var name: String
            package var network: String
            package init(name: String, network: String) {
                self.name = name
                self.network = network
            }
        }
        /// How the coordinator asks Proxmox itself.
        package struct API: Hashable, Sendable, Codable {
            /// `https://HOST:PORT`.
            package var server: String
            /// Proxmox' own name of this host; absent when it is `name`.
            package var node: String?
            /// A PEM file with the CA that its certificate comes from, relative to the directory of mesh.yaml; absent for the system's roots.
            package var authority: String?
            /// Where `USER@REALM!TOKENID=SECRET` is read.
            package var token: Service.SecretReference
            package init(server: String, node: String? = nil, authority: String? = nil, token: Service.SecretReference) {
                self.server = server
                self.node = node
                self.authority = authority
                self.token = token
            }
        }
        package var name: NodeID
        package var kind: Kind
        package var address: IPAddress
        package var capacity: Capacity?
        package var bridges: [Bridge]
        /// Absent where Proxmox is not asked.
        package var api: API?
        /// Absent where the agent is installed.
        package var agent: Node.Agent?
        package var hasAgent: Bool { agent != Node.Agent.none }
        package init(
            name: NodeID, kind: Kind = .proxmox, address: IPAddress, capacity: Capacity? = nil, bridges: [Bridge] = [],
            agent: Node.Agent? = nil, api: API? = nil
        ) {
            self.name = name
            self.kind = kind
            self.address = address
            self.capacity = capacity
            self.bridges = bridges
            self.agent = agent
            self.api = api
        }
    }

    /// One machine of a cluster.
    package struct Node: Hashable, Sendable, Codable {
        package enum Role: String, Hashable, Sendable, Codable, CaseIterable { case controlPlane, worker }
        package struct Interface: Hashable, Sendable, Codable {
            package var name: String
            package var network: String
            package var mac: MACAddress?
            /// A fixed address on this network, besides the node's own; absent where DHCP gives one.
            package var address: IPAddress?
            package init(name: String, network: String, mac: MACAddress? = nil, address: IPAddress? = nil) {
                self.name = name
                self.network = network
                self.mac = mac
                self.address = address
            }
        }
        package struct Disk: Hashable, Sendable, Codable {
            package enum Use: String, Hashable, Sendable, Codable, CaseIterable {
                case rookCeph = "rook-ceph"
                case none
            }
            /// The name the guest is expected to give it, such as `vdb`: a hint for people, never an identity.
            package var name: String
            package var serial: String?
            package var size: ByteCount
            package var use: Use
            package var wipe: WarrantTerms.Method
            package init(
                name: String, serial: String? = nil, size: ByteCount, use: Use = .rookCeph, wipe: WarrantTerms.Method = .labels
            ) {
                self.name = name
                self.serial = serial
                self.size = size
                self.use = use
                self.wipe = wipe
            }
        }
        /// Whether Meshgate's agent is on the machine.
        package enum Agent: String, Hashable, Sendable, Codable, CaseIterable {
            case installed
            /// A Talos machine without our extension: what it says of itself comes through Talos' own API, and much cannot be known.
            case none
        }
        package var name: NodeID
        package var role: Role
        package var address: IPAddress
        package var hypervisor: NodeID?
        package var cores: Int?
        package var memory: ByteCount?
        package var interfaces: [Interface]
        package var disks: [Disk]
        /// Absent where the agent is installed.
        package var agent: Agent?
        package var hasAgent: Bool { agent != Agent.none }
        /// The number of the machine on its hypervisor.
        package var vmid: Int?
        package init(
            name: NodeID, role: Role, address: IPAddress, hypervisor: NodeID? = nil, cores: Int? = nil, memory: ByteCount? = nil,
            interfaces: [Interface] = [], disks: [Disk] = [], agent: Agent? = nil, vmid: Int? = nil
        ) {
            self.name = name
            self.role = role
            self.address = address
            self.hypervisor = hypervisor
            self.cores = cores
            self.memory = memory
            self.interfaces = interfaces
            self.disks = disks
            self.agent = agent
            self.vmid = vmid
        }
    }
}

extension MeshSpec.Node {
    /// The interface that carries the node's own address, and its network; absent where no interface is in a network that holds it.
    package func home(in spec: MeshSpec) -> (interface: Interface, network: MeshSpec.Network)? {
        for interface in interfaces {
            if let network = spec.network(interface.network), network.cidr.contains(address) { return (interface, network) }
        }
        return nil
    }
}
