// SPDX-License-Identifier: Apache-2.0

package import MeshModel

/// A mesh of any size that has no fault and no lint finding: the spec, and the mesh.yaml that says the same. For tests and benches of scale.
package struct LargeMesh: Sendable {
    /// What reading `yaml` must give.
    package let spec: MeshSpec
    package let yaml: String
}

/// Makes a mesh of 1 to 255 clusters with 1 to 256 nodes each; up to three nodes of a cluster are control planes, every worker has a Ceph disk.
package func makeLargeMesh(clusters: Int, nodesPerCluster: Int) -> LargeMesh {
    precondition((1...255).contains(clusters) && (1...256).contains(nodesPerCluster), "a mesh has 1 to 255 clusters of 1 to 256 nodes here")
    let plots = (1...clusters).map { Plot(id: $0, nodes: nodesPerCluster) }
    let hosts = (0..<3 * ((clusters + 7) / 8)).map { Host(index: $0, plots: plots) }
    let spec = MeshSpec(
        name: "large", versions: .init(talos: .init(1, 11, 3), cilium: .init(1, 18, 5), gatewayAPI: .init(1, 3, 0)),
        networks: plots.compactMap(\.network), hypervisors: hosts.compactMap(\.spec), clusters: plots.compactMap(\.cluster))
    return LargeMesh(spec: spec, yaml: text(plots, hosts))
}

private func text(_ plots: [Plot], _ hosts: [Host]) -> String {
    """
    apiVersion: meshgate.dev/v1alpha1
    kind: Mesh
    metadata:
      name: large
    spec:
      versions: { talos: 1.11.3, cilium: 1.18.5, gatewayAPI: 1.3.0 }
      networks:
    \(plots.map(\.networkText).joined(separator: "\n"))
      hypervisors:
    \(hosts.map(\.text).joined(separator: "\n"))
      clusters:
    \(plots.map(\.clusterText).joined(separator: "\n"))

    """
}

/// The addresses and names of one cluster: nodes in 172.16.0.0/12, pods in 10.0.0.0/8, services in 100.64.0.0/10.
private struct Plot {
    let id: Int
    let nodes: Int
    private var nodeBase: String { "172.\(16 + id / 16).\(id % 16 * 16)" }
    private var name: String { "c-\(id)" }
    private var lan: String { "lan-\(id)" }
    private var podCIDR: String { "10.\(id).0.0/16" }
    private var serviceCIDR: String { "100.\(64 + id / 4).\(id % 4 * 64).0/18" }
    private var endpoint: String { "https://\(nodeBase).5:6443" }
    private var controlPlanes: Int { nodes < 3 ? 1 : 3 }
    /// Three hypervisors carry eight clusters.
    var firstHost: Int { (id - 1) / 8 * 3 }

    var network: MeshSpec.Network? {
        guard let cidr = CIDR("\(nodeBase).0/20"), let gateway = IPAddress("\(nodeBase).1") else { return nil }
        return MeshSpec.Network(name: lan, vlan: 100 + id, cidr: cidr, gateway: gateway)
    }

    var networkText: String {
        "    - { name: \(lan), vlan: \(100 + id), cidr: \(nodeBase).0/20, gateway: \(nodeBase).1, mtu: 1500 }"
    }

    var bridgeText: String { "        - { name: vlan\(100 + id), network: \(lan) }" }
    var bridge: MeshSpec.Hypervisor.Bridge { .init(name: "vlan\(100 + id)", network: lan) }

    var cluster: MeshSpec.Cluster? {
        guard let cluster = ClusterName(name), let pods = CIDR(podCIDR), let services = CIDR(serviceCIDR) else { return nil }
        var cilium = MeshSpec.Cilium()
        cilium.k8sServiceHost = "localhost"
        cilium.k8sServicePort = 7445
        cilium.clustermesh.nodePort = 32378 + id
        return MeshSpec.Cluster(
            name: cluster, id: id, context: "admin@\(name)", endpoint: endpoint, network: lan, podCIDRs: [pods], serviceCIDRs: [services],
            cilium: cilium, nodes: (0..<nodes).compactMap(node))
    }

    var clusterText: String {
        """
            - name: \(name)
              id: \(id)
              endpoint: \(endpoint)
              network: \(lan)
              podCIDRs: [\(podCIDR)]
              serviceCIDRs: [\(serviceCIDR)]
              kubeProxy: false
              nodes:
        \((0..<nodes).map(nodeText).joined(separator: "\n"))
        """
    }

    private func node(_ index: Int) -> MeshSpec.Node? {
        guard let node = NodeID("n-\(id)-\(index)"), let host = NodeID("pve-\(firstHost + index % 3)"), let address = IPAddress(at(index))
        else { return nil }
        let disk = MeshSpec.Node.Disk(name: "vdb", serial: "n-\(id)-\(index)-data", size: .gibibytes(128))
        return MeshSpec.Node(
            name: node, role: index < controlPlanes ? .controlPlane : .worker, address: address, hypervisor: host,
            interfaces: [.init(name: "ens18", network: lan)], disks: index < controlPlanes ? [] : [disk])
    }

    private func nodeText(_ index: Int) -> String {
        let control = index < controlPlanes
        let head = "        - { name: n-\(id)-\(index), role: \(control ? "controlPlane" : "worker"), address: \(at(index)), "
        let disk = ", disks: [ { name: vdb, serial: n-\(id)-\(index)-data, size: 128GiB, use: rook-ceph } ]"
        return head + "hypervisor: pve-\(firstHost + index % 3), interfaces: [ { name: ens18, network: \(lan) } ]\(control ? "" : disk) }"
    }

    private func at(_ index: Int) -> String {
        let host = id % 16 * 16 * 256 + 10 + index
        return "172.\(16 + id / 16).\(host / 256).\(host % 256)"
    }
}

/// One hypervisor with the bridges of the clusters it carries.
private struct Host {
    let index: Int
    let plots: [Plot]
    private var address: String { "192.168.\(index / 200).\(10 + index % 200)" }
    private var carried: [Plot] { plots.filter { $0.firstHost == index / 3 * 3 } }

    var spec: MeshSpec.Hypervisor? {
        guard let name = NodeID("pve-\(index)"), let address = IPAddress(address) else { return nil }
        return MeshSpec.Hypervisor(
            name: name, address: address, capacity: .init(cores: 128, memory: .gibibytes(768)), bridges: carried.map(\.bridge))
    }

    var text: String {
        """
            - name: pve-\(index)
              kind: proxmox
              address: \(address)
              capacity: { cores: 128, memory: 768GiB }
              bridges:
        \(carried.map(\.bridgeText).joined(separator: "\n"))
        """
    }
}
