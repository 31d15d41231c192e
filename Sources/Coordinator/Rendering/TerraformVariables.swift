// SPDX-License-Identifier: Apache-2.0

package import MeshModel

/// The machines of a mesh as Terraform variables, so that a tree of Terraform has one source for what mesh.yaml says already.
package struct TerraformVariables {
    private let spec: MeshSpec

    package init(_ spec: MeshSpec) { self.spec = spec }

    /// `terraform/meshgate.auto.tfvars.json`, which Terraform reads by itself. `null` is what mesh.yaml leaves to the tree.
    package func file(of clusters: [MeshSpec.Cluster], node: NodeID? = nil) -> RenderedFile {
        var machines: [String: HelmValue] = [:]
        for cluster in clusters {
            for member in cluster.nodes where node == nil || member.name == node { machines[member.name.text] = machine(member, cluster) }
        }
        return RenderedFile(
            path: "terraform/meshgate.auto.tfvars.json", form: .json(.map(["meshgate_machines": .map(machines)])))
    }

    private func machine(_ node: MeshSpec.Node, _ cluster: MeshSpec.Cluster) -> HelmValue {
        .map([
            "cluster": .string(cluster.name.text), "role": .string(node.role.rawValue), "address": .string(node.address.description),
            "hypervisor": text(node.hypervisor?.text), "vm_id": number(node.vmid), "cores": number(node.cores),
            // Proxmox counts in MiB.
            "memory_mib": number(node.memory.map { Int(clamping: $0.bytes >> 20) }),
            "interfaces": .list(node.interfaces.map { interface(of: node, $0) }), "disks": .list(node.disks.map(disk)),
        ])
    }

    private func interface(of node: MeshSpec.Node, _ interface: MeshSpec.Node.Interface) -> HelmValue {
        let network = spec.network(interface.network)
        let bridge = spec.hypervisors.first { $0.name == node.hypervisor }?.bridges.first { $0.network == interface.network }
        return .map([
            "name": .string(interface.name), "network": .string(interface.network), "mac": text(interface.mac?.description),
            "bridge": text(bridge?.name), "vlan": number(network?.vlan), "mtu": number(network?.mtu),
        ])
    }

    private func disk(_ disk: MeshSpec.Node.Disk) -> HelmValue {
        .map([
            "name": .string(disk.name), "serial": text(disk.serial), "size_gib": number(Int(clamping: disk.size.bytes >> 30)),
        ])
    }

    private func text(_ text: String?) -> HelmValue { text.map { .string($0) } ?? .null }
    private func number(_ number: Int?) -> HelmValue { number.map { .integer(Int64($0)) } ?? .null }
}
