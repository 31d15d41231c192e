// SPDX-License-Identifier: Apache-2.0

internal import MeshModel

/// The wires of a lab as lines for `ip -batch`, in the order in which they are laid.
struct LabNetworkScript {
    /// Lines for one network namespace; `nil` is the root namespace.
    struct Part: Hashable {
        var namespace: String?
        var lines: [String]
    }

    /// Links of the root namespace that the script makes, in the order of making.
    let rootLinks: [String]
    let parts: [Part]

    init(_ topology: LabTopology, labID: String) {
        rootLinks = topology.rootLinks
        parts =
            [Self.root(topology, labID), Self.fabric(topology)]
            + topology.clusters.flatMap { cluster in cluster.nodes.map { Self.node($0, in: cluster, of: topology) } }
    }

    /// Marks a link of the root namespace as made by one lab; `down` removes no link without this mark.
    static func alias(_ labID: String) -> String { "meshgate-lab-\(labID)" }

    private static func root(_ topology: LabTopology, _ labID: String) -> Part {
        let bridge = topology.managementBridge
        var lines = [
            "link add name \(bridge) type bridge", "link set dev \(bridge) alias \(alias(labID))",
            "address add \(topology.coordinator)/24 dev \(bridge)", "link set dev \(bridge) up",
        ]
        let ends = [(topology.hypervisorPort, topology.fabric)] + topology.nodes.map { ($0.managementPort, $0.namespace) }
        for (port, namespace) in ends {
            lines += [
                "link add name \(port) type veth peer name \(LabTopology.managementNIC) netns \(namespace)",
                "link set dev \(port) alias \(alias(labID))", "link set dev \(port) master \(bridge) up",
            ]
        }
        return Part(namespace: nil, lines: lines)
    }

    private static func fabric(_ topology: LabTopology) -> Part {
        var lines = [
            "link set dev lo up", "address add \(topology.hypervisorManagement)/24 dev \(LabTopology.managementNIC)",
            "link set dev \(LabTopology.managementNIC) up",
        ]
        for cluster in topology.clusters {
            lines += [
                "link add name \(cluster.bridge) type bridge", "address add \(cluster.gateway)/24 dev \(cluster.bridge)",
                "link set dev \(cluster.bridge) up",
            ]
            for node in cluster.nodes {
                lines += [
                    "link add name \(node.fabricPort) mtu 1500 type veth peer name \(LabTopology.nic) address \(node.mac) mtu 1500 "
                        + "netns \(node.namespace)",
                    "link set dev \(node.fabricPort) alias \(node.name)",
                    "link set dev \(node.fabricPort) master \(cluster.bridge) up",
                ]
            }
        }
        if topology.hasTrunks {
            let bridge = LabTopology.trunkSwitch
            lines += ["link add name \(bridge) type bridge", "link set dev \(bridge) up"]
            for node in topology.nodes {
                lines += [
                    "link add name \(node.trunkPort) mtu 1500 type veth peer name \(LabTopology.trunkNIC) address \(node.trunkMAC) mtu 1500 "
                        + "netns \(node.namespace)",
                    "link set dev \(node.trunkPort) alias \(node.name)", "link set dev \(node.trunkPort) master \(bridge) up",
                ]
            }
        }
        return Part(namespace: topology.fabric, lines: lines)
    }

    private static func node(_ node: LabTopology.Node, in cluster: LabTopology.Cluster, of topology: LabTopology) -> Part {
        var lines = [
            "link set dev lo up",
            "address add \(node.address)/24 dev \(LabTopology.nic)", "link set dev \(LabTopology.nic) up",
            "route add default via \(cluster.gateway)",
            "address add \(node.management)/24 dev \(LabTopology.managementNIC)", "link set dev \(LabTopology.managementNIC) up",
        ]
        if topology.hasTrunks { lines.append("link set dev \(LabTopology.trunkNIC) up") }
        if node.name == cluster.nodes.first?.name { lines.append("address add \(cluster.endpoint)/24 dev \(LabTopology.nic)") }
        return Part(namespace: node.namespace, lines: lines)
    }
}
