// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import MeshModel

/// The lab's hypervisor: Proxmox' own files about the guests, written for the disk images behind the nodes' loop devices, and a real agent
/// that reads both. The images are what a node's disk really is, so what this host sees of a disk is a second look at the same bytes.
struct LabHypervisor {
    let topology: LabTopology
    let paths: LabPaths

    static let name = LabTopology.hypervisor

    /// One guest for each node: `qemu-server/VMID.conf`, where Proxmox has it, with its links and what its daemon tells every ten seconds.
    func write() throws {
        let own = "nodes/\(Self.name)"
        for (link, target) in [("local", own), ("qemu-server", own + "/qemu-server")] {
            let path = "\(paths.hypervisor)/\(link)"
            guard LabFiles.exists(path) || symlink(target, path) == 0 else {
                throw LabError.system(doing: "make the link", on: path, errno: errno)
            }
        }
        try LabFiles.write(statistics, to: paths.hypervisor + "/.rrd")
        try LabFiles.write("dir: lab\n\tpath \(paths.disks)\n\tcontent images\n", to: paths.hypervisor + "/storage.cfg")
        for node in topology.nodes { try write(node) }
    }

    /// The guest's file as it is, or with its frames in another VLAN.
    func write(_ node: LabTopology.Node, tag: Int? = nil) throws {
        let path = "\(paths.hypervisor)/nodes/\(Self.name)/qemu-server/\(Self.number(of: node)).conf"
        try LabFiles.write(try configuration(of: node, tag: tag), to: path + ".new")
        // In one step, as pmxcfs does it: nobody reads half a guest.
        guard rename(path + ".new", path) == 0 else { throw LabError.system(doing: "replace a file", on: path, errno: errno) }
    }

    static func number(of node: LabTopology.Node) -> Int { 100 + node.number }

    /// `/etc/pve/.rrd`: this host, then its guests, all of them running.
    private var statistics: String {
        let guests = topology.nodes.map { node in
            "pve2.3-vm/\(Self.number(of: node)):60:\(node.name):running:0:0:2:0:4294967296:0:0:0:0:0:0:0"
        }
        return (["pve2-node/\(Self.name):60:lab:0:0:32:0:0:137438953472:17179869184:0:0:0:0:0:0"] + guests).map { $0 + "\n" }.joined()
    }

    func configuration(of node: LabTopology.Node, tag: Int? = nil) throws -> String {
        let bridge = try topology.cluster(of: node).bridge
        var lines = [
            "cores: 2", "cpu: host", "memory: 4096", "name: \(node.name)",
            "net0: virtio=\(node.mac.uppercased()),bridge=\(bridge)" + (tag.map { ",tag=\($0)" } ?? ""),
        ]
        if let disk = node.disk {
            lines.append("virtio1: \(paths.image(disk)),discard=on,serial=\(disk.serial),size=\(disk.size.bytes >> 30)G")
        }
        return lines.map { $0 + "\n" }.joined()
    }
}
