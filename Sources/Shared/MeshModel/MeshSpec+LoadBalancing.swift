// SPDX-License-Identifier: Apache-2.0

extension MeshSpec.Cilium {
    /// Addresses for services of type LoadBalancer.
    package struct LBPool: Hashable, Sendable, Codable {
        package var name: String
        package var blocks: [AddressBlock]
        /// Labels that a service must have to be served from here; empty for all services.
        package var services: [String: String]
        package init(name: String, blocks: [AddressBlock], services: [String: String] = [:]) {
            self.name = name
            self.blocks = blocks
            self.services = services
        }
    }

    /// Which services' addresses are announced by ARP and NDP, by which nodes, on which interfaces.
    package struct L2Policy: Hashable, Sendable, Codable {
        package var name: String
        /// Regular expressions in Go's syntax; empty for all interfaces.
        package var interfaces: [String]
        /// Empty for all nodes.
        package var nodes: [NodeID]
        package var services: [String: String]
        package init(name: String, interfaces: [String] = [], nodes: [NodeID] = [], services: [String: String] = [:]) {
            self.name = name
            self.interfaces = interfaces
            self.nodes = nodes
            self.services = services
        }
    }

    /// Sessions with the routers around, and what they are told.
    package struct BGP: Hashable, Sendable, Codable {
        /// What a route leads to.
        package enum Advertisement: String, Hashable, Sendable, Codable, CaseIterable {
            case podCIDR = "PodCIDR"
            case loadBalancerIP = "LoadBalancerIP"
            case clusterIP = "ClusterIP"
            case externalIP = "ExternalIP"
        }
        package struct Peer: Hashable, Sendable, Codable {
            package var name: String
            package var address: IPAddress
            package var asn: Int
            package var port: Int
            /// Seconds.
            package var holdTime: Int
            /// Seconds.
            package var keepalive: Int
            /// How many hops away an external peer may be.
            package var multihop: Int
            package init(
                name: String, address: IPAddress, asn: Int, port: Int = 179, holdTime: Int = 90, keepalive: Int = 30, multihop: Int = 1
            ) {
                self.name = name
                self.address = address
                self.asn = asn
                self.port = port
                self.holdTime = holdTime
                self.keepalive = keepalive
                self.multihop = multihop
            }
        }
        package struct RouterID: Hashable, Sendable, Codable {
            package var node: NodeID
            package var id: IPAddress
            package init(node: NodeID, id: IPAddress) {
                self.node = node
                self.id = id
            }
        }
        package var localASN: Int
        package var peers: [Peer]
        package var advertise: [Advertisement]
        /// The nodes that speak BGP; empty for all.
        package var nodes: [NodeID]
        /// Where a node's own IPv4 address is not to be its router id.
        package var routerIDs: [RouterID]
        package init(
            localASN: Int, peers: [Peer], advertise: [Advertisement] = [.loadBalancerIP], nodes: [NodeID] = [], routerIDs: [RouterID] = []
        ) {
            self.localASN = localASN
            self.peers = peers
            self.advertise = advertise
            self.nodes = nodes
            self.routerIDs = routerIDs
        }

        /// Who speaks BGP, of the nodes of a cluster.
        package func speakers(of cluster: MeshSpec.Cluster) -> [NodeID] {
            nodes.isEmpty ? cluster.nodes.map(\.name) : nodes
        }
    }
}
