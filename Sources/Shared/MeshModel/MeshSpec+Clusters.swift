// SPDX-License-Identifier: Apache-2.0

/// The clusters of a mesh, and what Cilium is to be in them.
extension MeshSpec {
    /// One Kubernetes cluster of the mesh.
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
}
