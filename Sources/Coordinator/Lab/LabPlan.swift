// SPDX-License-Identifier: Apache-2.0

package import MeshModel

/// What a lab shall be: everything that its topology, disks and processes follow from. Kept as `lab.json` in the lab's directory.
package struct LabPlan: Hashable, Sendable, Codable {
    /// An absolute path; everything a lab writes is below it.
    package var directory: String
    package var mode: Mode
    /// Begins the name of every namespace, link and table, so that two labs can share a machine.
    package var prefix: String
    /// Third byte of the management network 198.18.X.0/24 (a range reserved for bench tests, RFC 2544).
    package var managementByte: UInt8
    package var clusterCount: Int
    /// One control plane, the rest workers with a data disk each.
    package var nodesPerCluster: Int
    package var diskSize: ByteCount
    /// What lies on data disks before the story begins; blank where nothing is said.
    package var contents: [DiskContent]
    /// Agents that start with a wall clock that is off.
    package var skews: [Skew]
    /// What mesh.yaml lists for the clusters once Cilium runs.
    package var services: Services
    /// Machines of metal: no hypervisor, and a second NIC that carries a tagged network of their own.
    package var hasTrunks: Bool
    /// Nodes have had a life before: their probers list the packet filter, which is asked for in mesh.yaml.
    package var listsPacketFilter: Bool

    /// What a lab can be on this machine.
    package enum Mode: String, Hashable, Sendable, Codable {
        /// Namespaces, loop disks, broken wires: everything.
        case full
        /// Without root: agents on the loopback interface and checks on plain files; no namespaces, disks or faults on the wire.
        case loopback
    }

    /// How much of day 2 a lab's mesh.yaml asks for.
    package enum Services: String, Hashable, Sendable, Codable, CaseIterable {
        /// Storage and metrics: what every other story needs.
        case core
        /// Every service that the product knows by name.
        case catalogue
    }

    /// The former life of one data disk.
    package struct DiskContent: Hashable, Sendable, Codable {
        package enum Kind: String, Hashable, Sendable, Codable, CaseIterable {
            case blank
            /// Ceph BlueStore labels at 0, 1 and 10 GiB.
            case bluestore
            /// An LVM physical volume.
            case lvm
            case ext4
        }
        package var node: NodeID
        package var kind: Kind
        package init(node: NodeID, kind: Kind) {
            self.node = node
            self.kind = kind
        }
    }

    /// A wall clock that is off by some seconds.
    package struct Skew: Hashable, Sendable, Codable {
        package var node: NodeID
        package var seconds: Int
        package init(node: NodeID, seconds: Int) {
            self.node = node
            self.seconds = seconds
        }
    }

    package init(
        directory: String, mode: Mode = .full, prefix: String = LabPlan.defaultPrefix, managementByte: UInt8? = nil, clusterCount: Int = 2,
        nodesPerCluster: Int = 3, diskSize: ByteCount = .gibibytes(12), contents: [DiskContent] = [], skews: [Skew] = [],
        services: Services = .core, hasTrunks: Bool = false, listsPacketFilter: Bool = false
    ) {
        self.directory = directory
        self.mode = mode
        self.prefix = prefix
        self.managementByte = managementByte ?? Self.managementByte(for: prefix)
        self.clusterCount = clusterCount
        self.nodesPerCluster = nodesPerCluster
        self.diskSize = diskSize
        self.contents = contents
        self.skews = skews
        self.services = services
        self.hasTrunks = hasTrunks
        self.listsPacketFilter = listsPacketFilter
    }

    package static let defaultPrefix = "mgl"

    /// 77 for the usual lab; labs with other prefixes get out of its way.
    static func managementByte(for prefix: String) -> UInt8 {
        if prefix == defaultPrefix { return 77 }
        return UInt8(100 + prefix.utf8.reduce(0) { ($0 * 31 + Int($1)) % 150 })
    }

    /// What is wrong with this plan, in words; empty when it can be built.
    package var problems: [String] {
        var found: [String] = []
        if !directory.hasPrefix("/") || directory.contains("\n") || directory.utf8.count > 70 {
            found.append("the directory must be an absolute path of at most 70 bytes (Unix sockets live in it)")
        }
        if !(2...4).contains(prefix.utf8.count) || !prefix.utf8.allSatisfy({ (UInt8(ascii: "a")...UInt8(ascii: "z")).contains($0) }) {
            found.append("the name prefix is two to four letters a-z")
        }
        if !(1...LabTopology.regions.count).contains(clusterCount) {
            found.append("the number of clusters is 1 to \(LabTopology.regions.count)")
        }
        if !(2...20).contains(nodesPerCluster) { found.append("the number of nodes in a cluster is 2 to 20") }
        if contents.contains(where: { $0.kind == .bluestore }), diskSize < .gibibytes(11) {
            found.append("BlueStore labels reach to 10 GiB, so the disks need at least 11GiB")
        }
        if diskSize.bytes < 64 << 20 || diskSize.bytes % 4096 != 0 {
            found.append("a data disk has at least 64MiB and a whole number of 4 KiB blocks")
        }
        return found
    }
}
