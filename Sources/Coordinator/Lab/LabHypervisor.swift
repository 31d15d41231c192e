// SPDX-License-Identifier: Apache-2.0

internal import MeshModel

/// The lab's hypervisor: Proxmox' own files about the guests, written for the disk images behind the nodes' loop devices, and a real agent
/// that reads both. The images are what a node's disk really is, so what this host sees of a disk is a second look at the same bytes.
struct LabHypervisor {
    let topology: LabTopology
    let paths: LabPaths

    static let name = LabTopology.hypervisor

    /// One guest for each node: `qemu-server/VMID.conf`.
    func write() throws {
        try LabFiles.write("dir: lab\n\tpath \(paths.disks)\n\tcontent images\n", to: paths.hypervisor + "/storage.cfg")
        for node in topology.nodes {
            try LabFiles.write(configuration(of: node), to: "\(paths.hypervisor)/qemu-server/\(100 + node.number).conf")
        }
    }

    func configuration(of node: LabTopology.Node) -> String {
        var lines = ["cores: 2", "memory: 4096", "name: \(node.name)", "net0: virtio=\(node.mac.uppercased()),bridge=vmbr0"]
        if let disk = node.disk {
            lines.append("virtio1: \(paths.image(disk)),discard=on,serial=\(disk.serial),size=\(disk.size.bytes >> 30)G")
        }
        return lines.map { $0 + "\n" }.joined()
    }
}
