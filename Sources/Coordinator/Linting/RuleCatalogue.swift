// SPDX-License-Identifier: Apache-2.0

package import MeshModel

/// Everything that the rules find in a spec, by place and then by rule. Depends on the spec alone.
package func lint(_ spec: MeshSpec) -> [Finding] {
    inOrder(checks.flatMap { $0(spec) })
}

/// Findings by place and then by rule.
package func inOrder(_ findings: [Finding]) -> [Finding] {
    findings.sorted { left, right in
        if left.path != right.path { return comesBefore(left.path, right.path) }
        return (left.rule, left.message) < (right.rule, right.message)
    }
}

private let checks: [@Sendable (MeshSpec) -> [Finding]] = [
    clusterIDs, clusterIDsDiffer, clusterNames, clusterCounts, markBits, contextsDiffer, endpointsDiffer, nodePortRanges, nodePortsDiffer,
    meshEndpoints, podRangesDiffer, rangesDiffer, serviceRangesDiffer, podRangeSizes, nativeRouting, networksDiffer, gateways,
    nodeAddresses,
    addressesDiffer, datapathParity, tunnelMTU, kubeProxies, apiWithoutKubeProxy, l2Requirements, l2Rates, gatewayVersions, talosVersion,
    guessedInterfaces, vlans, bridgesCarry, macsDiffer, controlPlaneCounts, endpointsAreNodes, diskSerials, diskSizes, diskWitnesses,
    agentlessNodes, hypervisorLoads,
    controlPlanesSpread, rookCharts, rookNodes, pinnedSources, digitalOceanDriver, poolsAreAttached, poolsAreFree, bgpSessions,
    timeSources, installImages,
]

/// Every rule, by id; documentation and SARIF list them from here.
package let ruleCatalogue: [Rule] = [
    Rule(id: "L-ADDR-1", severity: .error, summary: "A node's address lies in one of the networks it is attached to"),
    Rule(id: "L-ADDR-2", severity: .error, summary: "No two nodes, hypervisors or gateways share an address"),
    Rule(id: "L-ADDR-3", severity: .error, summary: "A node's address is not its network's own or broadcast address"),
    Rule(id: "L-AGT-1", severity: .error, summary: "A machine without an agent can be reached and its disks looked into by another way"),
    Rule(
        id: "L-BGP-1", severity: .error, summary: "BGP sessions can come up: AS numbers, timers, router ids and peers that can be reached"),
    Rule(
        id: "L-CAP-2", severity: .error,
        summary: "The nodes of a hypervisor fit its memory and cores, and control planes do not share one host"),
    Rule(id: "L-CIDR-1", severity: .error, summary: "Pod ranges of all clusters are disjoint"),
    Rule(id: "L-CIDR-2", severity: .error, summary: "Pod and service ranges are disjoint from networks, hosts and each other"),
    Rule(id: "L-CIDR-3", severity: .warning, summary: "Service ranges of all clusters are disjoint"),
    Rule(id: "L-CIDR-4", severity: .error, summary: "The pod ranges of a cluster have room for all its nodes"),
    Rule(id: "L-CIDR-5", severity: .error, summary: "In tunnel mode ipv4NativeRoutingCIDR does not switch source NAT off for a LAN"),
    Rule(id: "L-CM-1", severity: .error, summary: "A cluster id is between 1 and the largest that the mesh allows"),
    Rule(id: "L-CM-2", severity: .error, summary: "Cluster ids differ"),
    Rule(id: "L-CM-3", severity: .error, summary: "A cluster name can be used in a mesh"),
    Rule(id: "L-CM-4", severity: .error, summary: "maxConnectedClusters is equal everywhere"),
    Rule(id: "L-CM-6", severity: .warning, summary: "Cluster ids from 128 to 255 are not used with ENI, Alibaba Cloud or aws-cni"),
    Rule(id: "L-CP-1", severity: .error, summary: "A cluster has an odd number of control planes"),
    Rule(id: "L-CSI-1", severity: .error, summary: "The DigitalOcean driver is not installed on other machines"),
    Rule(id: "L-CTX-2", severity: .error, summary: "Clusters have contexts of their own"),
    Rule(id: "L-DISK-1", severity: .error, summary: "Each data disk has a serial that no other disk has"),
    Rule(id: "L-DISK-2", severity: .error, summary: "Each disk is larger than 1GiB"),
    Rule(id: "L-DISK-3", severity: .info, summary: "Each data disk has a second witness, the hypervisor"),
    Rule(id: "L-DP-1", severity: .error, summary: "Datapath settings are equal on all clusters"),
    Rule(id: "L-DP-2", severity: .error, summary: "A pod packet with its overhead fits every link"),
    Rule(id: "L-EP-1", severity: .warning, summary: "The API endpoint does not depend on one node"),
    Rule(id: "L-EP-2", severity: .error, summary: "Clusters have API endpoints of their own"),
    Rule(id: "L-GW-1", severity: .error, summary: "The Gateway API release is one that Cilium expects"),
    Rule(id: "L-KPR-1", severity: .error, summary: "Either kube-proxy or Cilium's replacement runs, not both and not neither"),
    Rule(id: "L-KPR-2", severity: .error, summary: "Without kube-proxy the agent has an address for the API server"),
    Rule(id: "L-L2-1", severity: .error, summary: "L2 announcements have what they need"),
    Rule(id: "L-L2-2", severity: .warning, summary: "The API client's rate limit has room for L2 lease renewals"),
    Rule(id: "L-L2-3", severity: .error, summary: "A load balancer pool lies on a network of the nodes, or BGP tells where it is"),
    Rule(id: "L-LB-1", severity: .error, summary: "Load balancer pools hold nobody else's addresses"),
    Rule(id: "L-MAC-1", severity: .error, summary: "MAC addresses differ and are unicast"),
    Rule(id: "L-NET-1", severity: .error, summary: "A node's hypervisor carries the networks of the node's interfaces"),
    Rule(id: "L-NET-2", severity: .error, summary: "A network's gateway lies in the network"),
    Rule(id: "L-NET-3", severity: .error, summary: "Networks are disjoint"),
    Rule(id: "L-NIC-1", severity: .warning, summary: "Interfaces are not chosen by a guessed name"),
    Rule(id: "L-NIC-2", severity: .error, summary: "A VLAN id is valid and tagged once"),
    Rule(id: "L-NP-1", severity: .error, summary: "A NodePort lies in the cluster's range"),
    Rule(id: "L-NP-2", severity: .error, summary: "NodePorts differ across clusters"),
    Rule(id: "L-NP-3", severity: .warning, summary: "More than one node carries a cluster's mesh link"),
    Rule(id: "L-PIN-1", severity: .warning, summary: "What is installed cannot change under its address"),
    Rule(id: "L-ROOK-1", severity: .error, summary: "Rook is pinned and takes planned disks only"),
    Rule(id: "L-ROOK-2", severity: .warning, summary: "At least three nodes of a cluster with Rook have disks for it"),
    Rule(id: "L-TAL-2", severity: .warning, summary: "The installer image holds the extensions that the machines run with"),
    Rule(id: "L-TIME-1", severity: .warning, summary: "Each Talos cluster has two time servers, the same as the others"),
    Rule(id: "L-VER-1", severity: .error, summary: "A mesh with Talos clusters names the Talos release"),
]
