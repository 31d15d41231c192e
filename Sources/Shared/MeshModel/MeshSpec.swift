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

    package struct Cluster: Hashable, Sendable, Codable {
        package enum Kind: String, Hashable, Sendable, Codable, CaseIterable { case talos, rke2, kubernetes }
        package var name: ClusterName
        /// Cilium's cluster id, 1 to 255 (511 when every cluster says so).
        package var id: Int
        package var kind: Kind
        /// The context in the admin's kubeconfig.
        package var context: String
        /// `https://HOST:PORT` of the API server.
        package var endpoint: String
        package var network: String?
        package var podCIDRs: [CIDR]
        package var serviceCIDRs: [CIDR]
        package var kubeProxy: Bool
        /// Inclusive, the API server's service-node-port-range.
        package var nodePortRange: ClosedRange<Int>
        package var cilium: Cilium
        package var nodes: [Node]
        /// Present when Meshgate renders the cluster's machine configuration.
        package var talos: Talos?
        /// Absent where nothing is asked of the hosts besides.
        package var hosts: Hosts?
        package init(
            name: ClusterName, id: Int, kind: Kind = .talos, context: String, endpoint: String, network: String? = nil,
            podCIDRs: [CIDR], serviceCIDRs: [CIDR], kubeProxy: Bool = false, nodePortRange: ClosedRange<Int> = 30000...32767,
            cilium: Cilium, nodes: [Node], talos: Talos? = nil, hosts: Hosts? = nil
        ) {
            self.name = name
            self.id = id
            self.kind = kind
            self.context = context
            self.endpoint = endpoint
            self.network = network
            self.podCIDRs = podCIDRs
            self.serviceCIDRs = serviceCIDRs
            self.kubeProxy = kubeProxy
            self.nodePortRange = nodePortRange
            self.cilium = cilium
            self.nodes = nodes
            self.talos = talos
            self.hosts = hosts
        }
    }

    /// The datapath of one cluster; both ends of a mesh must agree on most of it.
    package struct Cilium: Hashable, Sendable, Codable {
        package enum RoutingMode: String, Hashable, Sendable, Codable, CaseIterable { case tunnel, native }
        package enum TunnelProtocol: String, Hashable, Sendable, Codable, CaseIterable { case vxlan, geneve }
        package enum Encryption: String, Hashable, Sendable, Codable, CaseIterable { case none, wireguard, ipsec }
        package enum ServiceType: String, Hashable, Sendable, Codable, CaseIterable {
            case nodePort = "NodePort"
            case loadBalancer = "LoadBalancer"
        }
        package struct Clustermesh: Hashable, Sendable, Codable {
            package var serviceType: ServiceType
            /// Absent only with a LoadBalancer.
            package var nodePort: Int?
            package var maxConnectedClusters: Int
            package init(serviceType: ServiceType = .nodePort, nodePort: Int? = nil, maxConnectedClusters: Int = 255) {
                self.serviceType = serviceType
                self.nodePort = nodePort
                self.maxConnectedClusters = maxConnectedClusters
            }
        }
        package var kubeProxyReplacement: Bool
        package var routingMode: RoutingMode
        package var tunnelProtocol: TunnelProtocol
        /// UDP port of the tunnel; 8472 for VXLAN, 6081 for Geneve unless set.
        package var tunnelPort: Int
        package var encryption: Encryption
        package var l2announcements: Bool
        /// Pod MTU in bytes; absent lets Cilium derive it.
        package var mtu: Int?
        package var ipv4NativeRoutingCIDR: CIDR?
        package var k8sServiceHost: String?
        package var k8sServicePort: Int?
        package var clustermesh: Clustermesh
        /// Further Helm values of the pinned chart.
        package var values: [String: HelmValue]
        /// Where services of type LoadBalancer get their addresses from; absent when there is none, here and below.
        package var lbPools: [LBPool]?
        /// Which services are announced by ARP and NDP, and where.
        package var l2Policies: [L2Policy]?
        package var bgp: BGP?
        package init(
            kubeProxyReplacement: Bool = true, routingMode: RoutingMode = .tunnel, tunnelProtocol: TunnelProtocol = .vxlan,
            tunnelPort: Int = 8472, encryption: Encryption = .none, l2announcements: Bool = false, mtu: Int? = nil,
            ipv4NativeRoutingCIDR: CIDR? = nil, k8sServiceHost: String? = nil, k8sServicePort: Int? = nil,
            clustermesh: Clustermesh = Clustermesh(), values: [String: HelmValue] = [:], lbPools: [LBPool]? = nil,
            l2Policies: [L2Policy]? = nil, bgp: BGP? = nil
        ) {
            self.kubeProxyReplacement = kubeProxyReplacement
            self.routingMode = routingMode
            self.tunnelProtocol = tunnelProtocol
            self.tunnelPort = tunnelPort
            self.encryption = encryption
            self.l2announcements = l2announcements
            self.mtu = mtu
            self.ipv4NativeRoutingCIDR = ipv4NativeRoutingCIDR
            self.k8sServiceHost = k8sServiceHost
            self.k8sServicePort = k8sServicePort
            self.clustermesh = clustermesh
            self.values = values
            self.lbPools = lbPools
            self.l2Policies = l2Policies
            self.bgp = bgp
        }
    }

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

    package struct Provision: Hashable, Sendable, Codable {
        package enum VariableSource: String, Hashable, Sendable, Codable, CaseIterable { case doppler, files, environment }
        /// Relative to the directory of mesh.yaml.
        package var terraformDirectory: String
        package var variablesFrom: VariableSource
        /// Variables of the coordinator's environment that Terraform gets: its providers' and its backend's credentials. Names only.
        package var environment: [String]?
        /// Parts that are planned and applied one after the other; absent when the directory is provisioned in one go.
        package var phases: [Phase]?
        package init(
            terraformDirectory: String, variablesFrom: VariableSource = .files, environment: [String]? = nil, phases: [Phase]? = nil
        ) {
            self.terraformDirectory = terraformDirectory
            self.variablesFrom = variablesFrom
            self.environment = environment
            self.phases = phases
        }

        /// One part of a Terraform configuration: the addresses it may change, and no others.
        package struct Phase: Hashable, Sendable, Codable {
            package var name: String
            /// Modules, resources or instances, each with everything below it; empty: the whole configuration.
            package var addresses: [String]
            /// Values for variables of the configuration; never secrets.
            package var variables: [String: String]
            /// True when even a change in place is refused.
            package var createsOnly: Bool?
            package init(name: String, addresses: [String] = [], variables: [String: String] = [:], createsOnly: Bool? = nil) {
                self.name = name
                self.addresses = addresses
                self.variables = variables
                self.createsOnly = createsOnly
            }
        }

        /// The phases in their order, or one `nil` for the whole.
        package var phasesOrWhole: [Phase?] {
            guard let phases, !phases.isEmpty else { return [nil] }
            return phases
        }
    }

    package struct Secrets: Hashable, Sendable, Codable {
        package var dopplerProject: String
        package var dopplerConfig: String
        package init(dopplerProject: String, dopplerConfig: String) {
            self.dopplerProject = dopplerProject
            self.dopplerConfig = dopplerConfig
        }
    }

    /// Something installed after the mesh stands.
    package struct Service: Hashable, Sendable, Codable {
        package enum Source: Hashable, Sendable, Codable {
            case chart(repository: String, name: String, version: String)
            case manifest(path: String)
            case playbook(path: String)
            /// A phase of `provision`, applied when the clusters of the service stand, once for all of them.
            case terraform(phase: String)
            /// Meshgate itself brings it; only for names of the catalogue.
            case builtIn
        }
        /// Where a secret value is read when it is needed. The value itself is in no file, plan or journal of ours.
        package enum SecretReference: Hashable, Sendable, Codable {
            /// A variable of the coordinator's environment.
            case environment(variable: String)
            /// A file, relative to the directory of mesh.yaml; one line end at its end does not count.
            case file(path: String)
        }
        package var name: String
        package var source: Source
        /// In the order of the file; `all` is already expanded.
        package var clusters: [ClusterName]
        /// Where it is installed; absent for the catalogue's choice, or its own name.
        package var namespace: String?
        /// Helm values, or variables of a playbook; absent when there are none.
        package var values: [String: HelmValue]?
        /// The same, for values that are secret, by dotted key.
        package var secretValues: [String: SecretReference]?
        /// Of the manifest, or of the chart's archive: what is fetched is applied only when it has this digest.
        package var sha256: Digest?
        /// The Python environment that has `bin/ansible-playbook`, relative to the directory of mesh.yaml.
        package var virtualEnvironment: String?
        /// The hosts outside of its cluster that it may be configured to talk to; absent where that is recorded only.
        package var egress: [HostPattern]?
        package init(
            name: String, source: Source, clusters: [ClusterName], namespace: String? = nil, values: [String: HelmValue]? = nil,
            secretValues: [String: SecretReference]? = nil, sha256: Digest? = nil, virtualEnvironment: String? = nil,
            egress: [HostPattern]? = nil
        ) {
            self.name = name
            self.source = source
            self.clusters = clusters
            self.namespace = namespace
            self.values = values
            self.secretValues = secretValues
            self.sha256 = sha256
            self.virtualEnvironment = virtualEnvironment
            self.egress = egress
        }
    }

    package struct Policy: Hashable, Sendable, Codable {
        /// Evidence older than this is stale.
        package var evidenceMaxAge: TimeSpan
        /// Distinct keys that must sign a warrant, 1 or 2.
        package var warrantSignatures: Int
        /// Steps that may run at once.
        package var parallelism: Int
        /// How wipes are witnessed and proven; absent in plans of earlier versions.
        package var wipes: Wipes?
        /// How long the clusters must stay connected before that counts; absent for a minute.
        package var steadyFor: TimeSpan?
        /// What becomes of gates that close again once their step has begun; absent for `Watch()`.
        package var watch: Watch?
        /// Whether clusters that run with CAs of their own are brought to the mesh's one; absent for no.
        package var migratesCA: Bool?
        /// What steps want to see of the hosts' telemetry; absent for nothing.
        package var telemetry: Telemetry?
        package init(
            evidenceMaxAge: TimeSpan = TimeSpan(.seconds(600)), warrantSignatures: Int = 1, parallelism: Int = 16, wipes: Wipes? = Wipes(),
            steadyFor: TimeSpan? = nil, watch: Watch? = nil, migratesCA: Bool? = nil,
            telemetry: Telemetry? = nil
        ) {
            self.evidenceMaxAge = evidenceMaxAge
            self.warrantSignatures = warrantSignatures
            self.parallelism = parallelism
            self.wipes = wipes
            self.steadyFor = steadyFor
            self.watch = watch
            self.migratesCA = migratesCA
            self.telemetry = telemetry
        }
    }

    /// Gates of the ground (links, routes, clocks, kernels, reach) are judged on after they opened. A regression is always told.
    package struct Watch: Hashable, Sendable, Codable {
        /// Whether steps that stand on a step whose ground gave way wait until it is good again.
        package var holdOnRegression: Bool
        /// Whether to go on when the run is over, which costs a few questions per node in every half of `evidence.maxAge`.
        package var afterRun: Bool
        package init(holdOnRegression: Bool = false, afterRun: Bool = false) {
            self.holdOnRegression = holdOnRegression
            self.afterRun = afterRun
        }
    }

    /// What has to be seen on the feed before Cilium is installed and clusters are connected. Without it no step waits for telemetry, as a mesh
    /// may have none.
    package struct Telemetry: Hashable, Sendable, Codable {
        /// The longest that an agent and its tracer may say nothing.
        package var silence: TimeSpan
        /// The share of a minute's events that may be lost, in percent.
        package var loss: Int
        /// Whether each node must have been seen to start a program in the last minutes.
        package var executions: Bool
        /// The kernel's reasons for which no packet between clusters may have been dropped in the last minute.
        package var drops: [String]
        /// The share of TCP segments that may be sent again, in percent; absent for any.
        package var resent: Int?
        /// What Hubble has to show of connectivity tests; absent where it is not asked.
        package var flows: Flows?
        /// Tracing policies that each node's Tetragon must have enabled, by name or as `NAMESPACE/NAME`; absent for none.
        package var policies: [String]?
        package init(
            silence: TimeSpan = TimeSpan(.seconds(30)), loss: Int = 1, executions: Bool = false, drops: [String] = [], resent: Int? = nil,
            flows: Flows? = nil, policies: [String]? = nil
        ) {
            self.silence = silence
            self.loss = loss
            self.executions = executions
            self.drops = drops
            self.resent = resent
            self.flows = flows
            self.policies = policies
        }
    }

    /// What Hubble has to show of connectivity tests: flows that arrive both ways, and no drop between the two clusters but those for expected
    /// reasons.
    package struct Flows: Hashable, Sendable, Codable {
        /// Reasons, as Hubble writes them, that are no fault of the way between clusters. Policies deny, in the test's own scenarios as elsewhere.
        package var expectedDrops: [String]
        package init(expectedDrops: [String] = ["POLICY_DENIED", "POLICY_DENY", "AUTH_REQUIRED"]) { self.expectedDrops = expectedDrops }
    }

    package struct Wipes: Hashable, Sendable, Codable {
        /// 2: a node's disk must be the same for the node and for its hypervisor, where mesh.yaml names one. 1: the node's word is enough.
        package var witnesses: Int
        /// A disk up to this size is read back byte by byte after method `zero`; a larger one in strata.
        package var readBack: ByteCount
        /// The share of a zeroed disk, in percent, that is read once more where a seed says after the wipe is over.
        package var sample: Int
        package init(witnesses: Int = 2, readBack: ByteCount = ByteCount(bytes: 256 << 30), sample: Int = 10) {
            self.witnesses = witnesses
            self.readBack = readBack
            self.sample = sample
        }

        /// How a wipe of a disk of this size is verified.
        package func verification(_ method: WarrantTerms.Method, size: UInt64) -> WarrantTerms.Verification {
            method == .zero && size > readBack.bytes ? .strata : .full
        }

        /// The share that the proof after the wipe must cover: nothing between the labels where only labels were cleared.
        package func share(_ method: WarrantTerms.Method) -> Int { method == .labels ? 0 : sample }
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

extension MeshSpec.Node {
    /// The interface that carries the node's own address, and its network; absent where no interface is in a network that holds it.
    package func home(in spec: MeshSpec) -> (interface: Interface, network: MeshSpec.Network)? {
        for interface in interfaces {
            if let network = spec.network(interface.network), network.cidr.contains(address) { return (interface, network) }
        }
        return nil
    }
}

/// A Helm value; integers and fractions stay apart so that `1` is not written back as `1.0`.
package indirect enum HelmValue: Hashable, Sendable, Codable {
    case null
    case bool(Bool)
    case integer(Int64)
    case number(Double)
    case string(String)
    case list([HelmValue])
    case map([String: HelmValue])

    package init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if container.decodeNil() {
            self = .null
        } else if let value = try? container.decode(Bool.self) {
            self = .bool(value)
        } else if let value = try? container.decode(Int64.self) {
            self = .integer(value)
        } else if let value = try? container.decode(Double.self) {
            self = .number(value)
        } else if let value = try? container.decode(String.self) {
            self = .string(value)
        } else if let value = try? container.decode([HelmValue].self) {
            self = .list(value)
        } else {
            self = .map(try container.decode([String: HelmValue].self))
        }
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        switch self {
        case .null: try container.encodeNil()
        case .bool(let value): try container.encode(value)
        case .integer(let value): try container.encode(value)
        case .number(let value): try container.encode(value)
        case .string(let value): try container.encode(value)
        case .list(let value): try container.encode(value)
        case .map(let value): try container.encode(value)
        }
    }
}
