// SPDX-License-Identifier: Apache-2.0

/// One eBPF program that is loaded, and what it is attached to.
package struct BPFProgram: Hashable, Sendable, Codable {
    /// Something that a program is attached to, by a link of the kernel.
    package struct Attachment: Hashable, Sendable, Codable {
        /// `tcx`, `xdp`, `cgroup`, `tracing`... or the number of a kind that this version does not know.
        package var kind: String
        /// Which one: a network interface, a tracepoint, an attach type; absent where the kernel does not say.
        package var place: String?
        /// Whether `place` is a network interface of this host.
        package var isLink: Bool
        package init(kind: String, place: String? = nil, isLink: Bool = false) {
            self.kind = kind
            self.place = place
            self.isLink = isLink
        }
    }

    /// Of a process that keeps it open.
    package struct Owner: Hashable, Sendable, Codable {
        package var pid: Int
        package var command: String
        package init(pid: Int, command: String) {
            self.pid = pid
            self.command = command
        }
    }

    package var id: Int
    /// `sched_cls`, `xdp`, `cgroup_sock_addr`... or the number of a kind that this version does not know.
    package var kind: String
    package var name: String
    /// The kernel's digest of the instructions, in hex.
    package var tag: String
    package var attachments: [Attachment]
    package var owners: [Owner]
    /// Counted by the kernel only while statistics are on (`kernel.bpf_stats_enabled`), here and below.
    package var runs: UInt64?
    package var runTimeInNanoseconds: UInt64?
    /// Who loaded it. This and all below is absent from agents of earlier versions.
    package var user: UInt32?
    /// What the kernel charges for it, without its maps.
    package var memoryInBytes: UInt64?
    /// The kernel's numbers of the maps that it uses.
    package var maps: [Int]?

    package init(
        id: Int, kind: String, name: String, tag: String, attachments: [Attachment] = [], owners: [Owner] = [], runs: UInt64? = nil,
        runTimeInNanoseconds: UInt64? = nil, user: UInt32? = nil, memoryInBytes: UInt64? = nil, maps: [Int]? = nil
    ) {
        self.id = id
        self.kind = kind
        self.name = name
        self.tag = tag
        self.attachments = attachments
        self.owners = owners
        self.runs = runs
        self.runTimeInNanoseconds = runTimeInNanoseconds
        self.user = user
        self.memoryInBytes = memoryInBytes
        self.maps = maps
    }

    /// As a line of a table: id, kind, name, tag, places, owners, how often it ran, and how long once takes.
    package var columns: [String] {
        let places = attachments.map { $0.kind + ($0.place.map { " \($0)" } ?? "") }
        let keepers = owners.map { "\($0.command)[\($0.pid)]" }
        let each = runs.flatMap { runs in runTimeInNanoseconds.map { "\(runs > 0 ? $0 / runs : 0) ns" } }
        return [
            String(id), kind, name.isEmpty ? "-" : name, tag, places.isEmpty ? "-" : places.joined(separator: ", "),
            keepers.isEmpty ? "-" : keepers.joined(separator: ", "), runs.map { String($0) } ?? "-", each ?? "-",
        ]
    }

    /// Whose it is, as far as names tell: Cilium's datapath is called `cil_...` and `tail_...`, and what else it loads its agent keeps open.
    package var isCiliums: Bool {
        Self.isCiliums(name) || name.hasPrefix("tail_") || name.hasPrefix("bpf_sock") || owners.contains { $0.command.hasPrefix("cilium") }
    }

    /// Whether an entrance of Cilium's datapath is called so: `cil_from_netdev`, or `bpf_netdev_ens18.o:[from-netdev]` before Cilium 1.12.
    package static func isCiliums(_ name: String) -> Bool {
        name.hasPrefix("cil_")
            || ["bpf_host", "bpf_lxc", "bpf_netdev", "bpf_network", "bpf_overlay", "bpf_xdp"].contains { part in
                name.hasPrefix(part) && name.contains(".o:[")
            }
    }
    package var isOurs: Bool { name.hasPrefix("meshgate") || owners.contains { $0.command.hasPrefix("meshgate") } }
}
