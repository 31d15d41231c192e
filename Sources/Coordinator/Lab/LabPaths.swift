// SPDX-License-Identifier: Apache-2.0

/// Where a lab keeps what. Pure text; nothing is looked up.
package struct LabPaths: Hashable, Sendable {
    package let directory: String
    package init(_ directory: String) { self.directory = directory }

    package var plan: String { directory + "/lab.json" }
    package var disks: String { directory + "/disks" }
    package var logs: String { directory + "/logs" }
    package var processes: String { directory + "/processes" }
    /// The stand-in tools, first on the coordinator's PATH.
    package var bin: String { directory + "/bin" }
    /// The state of the stand-in clusters.
    package var world: String { directory + "/world" }
    package var coordinatorState: String { directory + "/coordinator" }
    package var agents: String { directory + "/agents" }
    package var approver: String { directory + "/approver" }
    package var mesh: String { directory + "/mesh.yaml" }
    package var kubeconfig: String { directory + "/kubeconfig" }
    /// Where talosctl looks in the home of the coordinator.
    package var talosconfig: String { directory + "/.talos/config" }
    package var terraform: String { directory + "/terraform" }
    package var manifests: String { directory + "/manifests" }
    /// What Proxmox keeps in /etc/pve.
    package var hypervisor: String { directory + "/pve" }
    /// The identity of the stand-in Proxmox API.
    package var proxmox: String { directory + "/proxmox" }
    package var allowedSigners: String { directory + "/allowed_signers" }

    package func image(_ disk: LabTopology.Disk) -> String { "\(disks)/\(disk.serial).img" }
    package func log(_ process: String) -> String { "\(logs)/\(process).log" }
    package func world(of cluster: LabTopology.Cluster) -> String { "\(world)/\(cluster.name)" }
    package func agentState(of node: LabTopology.Node) -> String { "\(agents)/\(node.name)" }

    /// Every directory that `up` makes.
    package var all: [String] {
        [
            directory, disks, logs, processes, bin, world, coordinatorState, agents, approver, terraform, manifests, hypervisor,
            hypervisor + "/nodes", hypervisor + "/nodes/\(LabTopology.hypervisor)",
            hypervisor + "/nodes/\(LabTopology.hypervisor)/qemu-server", directory + "/.talos",
        ]
    }
}
