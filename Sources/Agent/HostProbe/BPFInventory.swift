// SPDX-License-Identifier: Apache-2.0

internal import CLinux
import Glibc
package import MeshModel
import MeshSystem

/// All eBPF programs and maps of the kernel, whoever loaded them: what they cost, what they are attached to, and which processes keep them open.
/// bpf(2) alone, and no library: whoever probes a host has to be small. Each program of a `tc` filter has its place from `LinkPrograms`.
package struct BPFInventory: Hashable, Sendable {
    /// What programs share with each other and with user space.
    package struct Map: Hashable, Sendable {
        package var id: Int
        /// `hash`, `lru_hash`, `ringbuf`... or the number of a kind that this version does not know.
        package var kind: String
        package var name: String
        package var entries: UInt32
        package var memoryInBytes: UInt64
        package init(id: Int, kind: String, name: String, entries: UInt32, memoryInBytes: UInt64) {
            self.id = id
            self.kind = kind
            self.name = name
            self.entries = entries
            self.memoryInBytes = memoryInBytes
        }
    }

    /// By id, as are the maps.
    package var programs: [BPFProgram]
    package var maps: [Map]
    /// How many links of the kernel hold programs in their places.
    package var links: Int

    /// What is more than this is no longer a list that anybody reads.
    static let most = 4096
    static let mostOwners = 16

    package init(programs: [BPFProgram], maps: [Map], links: Int) {
        self.programs = programs
        self.maps = maps
        self.links = links
    }

    /// What is loaded now. Throws `HostProbeError.bpf` where the kernel does not show it to this process.
    package static func read(procroot: String = "/proc") throws(HostProbeError) -> BPFInventory {
        var programs: [Int: BPFProgram] = [:]
        try each(meshgate_bpf_next_program) { id in
            var raw = meshgate_bpf_program()
            let code = meshgate_bpf_describe_program(id, &raw)
            guard code == 0 else { return code }
            programs[Int(id)] = program(raw)
            return 0
        }
        var programOfLink: [Int: Int] = [:]
        try each(meshgate_bpf_next_link) { id in
            var raw = meshgate_bpf_link()
            let code = meshgate_bpf_describe_link(id, &raw)
            guard code == 0 else { return code }
            programOfLink[Int(id)] = Int(raw.program)
            programs[Int(raw.program)]?.attachments.append(attachment(raw))
            return 0
        }
        var maps: [Map] = []
        try each(meshgate_bpf_next_map) { id in
            var raw = meshgate_bpf_map()
            let code = meshgate_bpf_describe_map(id, &raw)
            guard code == 0 else { return code }
            maps.append(
                Map(
                    id: Int(raw.id), kind: named(raw.kind, mapKinds), name: text(&raw.name), entries: raw.entries, memoryInBytes: raw.memory
                ))
            return 0
        }
        for (link, program) in LinkPrograms.placed() { addPlace(link, program, to: &programs) }
        for (owner, id) in BPFOwners(procroot: procroot).openings(programOfLink) {
            guard let owners = programs[id]?.owners, owners.count < mostOwners, !owners.contains(owner) else { continue }
            programs[id]?.owners.append(owner)
        }
        return BPFInventory(programs: programs.values.sorted { $0.id < $1.id }, maps: maps, links: programOfLink.count)
    }

    /// What happened between two readings: the later one, with the runs and the time that came on top.
    package func since(_ earlier: BPFInventory) -> BPFInventory {
        let before = Dictionary(earlier.programs.map { ($0.id, $0) }) { first, _ in first }
        var copy = self
        copy.programs = programs.map { program in
            guard let old = before[program.id], old.tag == program.tag, let (runs, time) = program.counts,
                let (oldRuns, oldTime) = old.counts,
                runs >= oldRuns, time >= oldTime
            else { return program }
            var program = program
            program.runs = runs - oldRuns
            program.runTimeInNanoseconds = time - oldTime
            return program
        }
        return copy
    }

    /// Has the kernel count runs and their time while `body` runs; it costs every program some ten nanoseconds a run.
    package static func counting<Value>(_ body: () throws -> Value) throws -> Value {
        let descriptor = meshgate_bpf_count_runs()
        guard descriptor >= 0 else { throw HostProbeError.bpf(errno: -descriptor) }
        defer { close(descriptor) }
        return try body()
    }

    /// A program of XDP is told by both lists, where it was attached by a link of the kernel.
    private static func addPlace(_ link: String, _ program: LinkFact.Program, to programs: inout [Int: BPFProgram]) {
        guard let id = program.id, programs[id]?.attachments.contains(where: { $0.isLink && $0.place == link }) == false else { return }
        programs[id]?.attachments.append(.init(kind: program.hook, place: link, isLink: true))
    }

    /// What goes while it is looked at is passed over.
    private static func each(_ next: (UInt32) -> Int64, _ describe: (UInt32) -> Int32) throws(HostProbeError) {
        var id: UInt32 = 0
        for _ in 0..<most {
            let found = next(id)
            if found == -Int64(ENOENT) { return }
            guard found > 0 else { throw .bpf(errno: Int32(-found)) }
            id = UInt32(found)
            let code = describe(id)
            guard code == 0 || code == -ENOENT else { throw .bpf(errno: -code) }
        }
    }

    private static func program(_ raw: meshgate_bpf_program) -> BPFProgram {
        var raw = raw
        let tag = withUnsafeBytes(of: &raw.tag) { encodeHex(Array($0)) }
        let maps = withUnsafeBytes(of: &raw.maps) { Array($0.bindMemory(to: UInt32.self).prefix(Int(raw.map_count))) }
        return BPFProgram(
            id: Int(raw.id), kind: named(raw.kind, programKinds), name: text(&raw.name), tag: tag, runs: raw.runs > 0 ? raw.runs : nil,
            runTimeInNanoseconds: raw.runs > 0 ? raw.nanoseconds : nil, user: raw.user, memoryInBytes: raw.memory,
            maps: maps.map { Int($0) })
    }

    private static func text(_ name: inout some BitwiseCopyable) -> String {
        withUnsafeBytes(of: &name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
    }

    private static func attachment(_ raw: meshgate_bpf_link) -> BPFProgram.Attachment {
        var raw = raw
        let kind = named(raw.kind, linkKinds)
        guard raw.ifindex == 0 else {
            var name = [CChar](repeating: 0, count: Int(IF_NAMESIZE))
            // A link of another network namespace has no name here.
            let place = if_indextoname(raw.ifindex, &name).map { String(cString: $0) } ?? "#\(raw.ifindex)"
            let way = raw.attach == UInt32.max ? "" : ways[raw.attach].map { " " + $0 } ?? ""
            return .init(kind: kind + way, place: place, isLink: true)
        }
        let text = withUnsafeBytes(of: &raw.place) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
        if !text.isEmpty { return .init(kind: kind, place: text) }
        return .init(kind: kind, place: raw.attach == UInt32.max ? nil : ways[raw.attach] ?? "attach type \(raw.attach)")
    }

    /// `enum bpf_prog_type`, `enum bpf_map_type`, `enum bpf_link_type` and some of `enum bpf_attach_type` (linux/bpf.h), under bpftool's names.
    private static let programKinds = [
        "unspec", "socket_filter", "kprobe", "sched_cls", "sched_act", "tracepoint", "xdp", "perf_event", "cgroup_skb", "cgroup_sock",
        "lwt_in", "lwt_out", "lwt_xmit", "sock_ops", "sk_skb", "cgroup_device", "sk_msg", "raw_tracepoint", "cgroup_sock_addr",
        "lwt_seg6local", "lirc_mode2", "sk_reuseport", "flow_dissector", "cgroup_sysctl", "raw_tracepoint_writable", "cgroup_sockopt",
        "tracing", "struct_ops", "ext", "lsm", "sk_lookup", "syscall", "netfilter",
    ]
    private static let mapKinds = [
        "unspec", "hash", "array", "prog_array", "perf_event_array", "percpu_hash", "percpu_array", "stack_trace", "cgroup_array",
        "lru_hash",
        "lru_percpu_hash", "lpm_trie", "array_of_maps", "hash_of_maps", "devmap", "sockmap", "cpumap", "xskmap", "sockhash",
        "cgroup_storage", "reuseport_sockarray", "percpu_cgroup_storage", "queue", "stack", "sk_storage", "devmap_hash", "struct_ops",
        "ringbuf", "inode_storage", "task_storage", "bloom_filter", "user_ringbuf", "cgrp_storage", "arena",
    ]
    private static let linkKinds = [
        "unspec", "raw_tracepoint", "tracing", "cgroup", "iter", "netns", "xdp", "perf_event", "kprobe_multi", "struct_ops", "netfilter",
        "tcx", "uprobe_multi", "netkit", "sockmap",
    ]
    private static let ways: [UInt32: String] = [
        0: "ingress", 1: "egress", 2: "sock_create", 3: "sock_ops", 6: "device", 8: "bind4", 9: "bind6", 10: "connect4", 11: "connect6",
        12: "post_bind4", 13: "post_bind6", 14: "sendmsg4", 15: "sendmsg6", 18: "sysctl", 19: "recvmsg4", 20: "recvmsg6", 21: "getsockopt",
        22: "setsockopt", 23: "raw_tp", 24: "fentry", 25: "fexit", 26: "modify_return", 27: "lsm_mac", 28: "iter", 29: "getpeername4",
        30: "getpeername6", 31: "getsockname4", 32: "getsockname6", 34: "sock_release", 36: "sk_lookup", 37: "xdp", 46: "ingress",
        47: "egress", 54: "primary", 55: "peer",
    ]

    private static func named(_ number: UInt32, _ names: [String]) -> String {
        Int(number) < names.count ? names[Int(number)] : "kind \(number)"
    }
}

extension BPFProgram {
    fileprivate var counts: (runs: UInt64, time: UInt64)? { (runs ?? 0, runTimeInNanoseconds ?? 0) }
}
