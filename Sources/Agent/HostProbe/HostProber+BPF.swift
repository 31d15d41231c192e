// SPDX-License-Identifier: Apache-2.0

internal import CLinux
import Glibc
package import MeshModel
import MeshSystem

extension HostProber {
    /// The eBPF programs of the host. `nil` when the kernel does not show them, and `unseen` says why.
    func bpfPrograms(_ unseen: inout [String]) -> [BPFProgram]? {
        do throws(HostProbeError) {
            return try BPFInventory(procroot: procroot).programs()
        } catch {
            unseen.append("eBPF programs: \(error)")
            return nil
        }
    }
}

/// All eBPF programs of the kernel, what they are attached to by links, and which processes keep them open. Filters that `tc` attached the old
/// way have no link: they are listed without a place.
package struct BPFInventory: Sendable {
    /// What is more than this is no longer a list that anybody reads.
    static let most = 2048
    private static let mostOwners = 16

    let procroot: String

    package init(procroot: String = "/proc") { self.procroot = procroot }

    /// By id. Throws `HostProbeError.bpf` where the kernel does not show them to this process.
    package func programs() throws(HostProbeError) -> [BPFProgram] {
        var programs: [Int: BPFProgram] = [:]
        try Self.each(meshgate_bpf_next_program) { id in
            var raw = meshgate_bpf_program()
            let code = meshgate_bpf_describe_program(id, &raw)
            guard code == 0 else { return code }
            programs[Int(id)] = Self.program(raw)
            return 0
        }
        var programOfLink: [Int: Int] = [:]
        try Self.each(meshgate_bpf_next_link) { id in
            var raw = meshgate_bpf_link()
            let code = meshgate_bpf_describe_link(id, &raw)
            guard code == 0 else { return code }
            programOfLink[Int(id)] = Int(raw.program)
            programs[Int(raw.program)]?.attachments.append(Self.attachment(raw))
            return 0
        }
        for (owner, id) in openings(programOfLink) {
            guard let owners = programs[id]?.owners, owners.count < Self.mostOwners, !owners.contains(owner) else { continue }
            programs[id]?.owners.append(owner)
        }
        return programs.values.sorted { $0.id < $1.id }
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
        let name = withUnsafeBytes(of: &raw.name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
        let tag = withUnsafeBytes(of: &raw.tag) { encodeHex(Array($0)) }
        return BPFProgram(
            id: Int(raw.id), kind: named(raw.kind, programKinds), name: name, tag: tag, runs: raw.runs > 0 ? raw.runs : nil,
            runTimeInNanoseconds: raw.runs > 0 ? raw.nanoseconds : nil)
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

    /// `enum bpf_prog_type`, `enum bpf_link_type` and some of `enum bpf_attach_type` (linux/bpf.h), under bpftool's names.
    private static let programKinds = [
        "unspec", "socket_filter", "kprobe", "sched_cls", "sched_act", "tracepoint", "xdp", "perf_event", "cgroup_skb", "cgroup_sock",
        "lwt_in", "lwt_out", "lwt_xmit", "sock_ops", "sk_skb", "cgroup_device", "sk_msg", "raw_tracepoint", "cgroup_sock_addr",
        "lwt_seg6local", "lirc_mode2", "sk_reuseport", "flow_dissector", "cgroup_sysctl", "raw_tracepoint_writable", "cgroup_sockopt",
        "tracing", "struct_ops", "ext", "lsm", "sk_lookup", "syscall", "netfilter",
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

    // MARK: owners

    /// Of every process: the programs that it has open itself or through a link (proc(5), `fdinfo`). Bounded, because anybody may open files.
    private func openings(_ programOfLink: [Int: Int]) -> [(BPFProgram.Owner, program: Int)] {
        var found: [(BPFProgram.Owner, program: Int)] = []
        for pid in Self.names(in: procroot, most: 8192).compactMap({ Int($0) }).sorted() {
            var owner: BPFProgram.Owner?
            for file in Self.names(in: "\(procroot)/\(pid)/fd", most: 4096) {
                guard let kind = Self.target(of: "\(procroot)/\(pid)/fd/\(file)"),
                    kind == "anon_inode:bpf-prog" || kind == "anon_inode:bpf_link",
                    let id = program(behind: "\(procroot)/\(pid)/fdinfo/\(file)", programOfLink)
                else { continue }
                let named = owner ?? BPFProgram.Owner(pid: pid, command: command(of: pid))
                owner = named
                found.append((named, id))
            }
        }
        return found
    }

    private func program(behind path: String, _ programOfLink: [Int: Int]) -> Int? {
        guard let bytes = try? LinuxFileStore().read(path, limit: 4096) else { return nil }
        var program: Int?
        for line in String(decoding: bytes, as: UTF8.self).split(separator: "\n") {
            let words = line.split(whereSeparator: \.isWhitespace)
            guard words.count == 2, let number = Int(words[1]) else { continue }
            if words[0] == "prog_id:" { program = number }
            if words[0] == "link_id:" { program = program ?? programOfLink[number] }
        }
        return program
    }

    private func command(of pid: Int) -> String {
        let bytes = (try? LinuxFileStore().read("\(procroot)/\(pid)/comm", limit: 64)) ?? nil
        return bytes.flatMap { String(decoding: $0, as: UTF8.self).split(separator: "\n").first.map(String.init) } ?? "?"
    }

    private static func names(in path: String, most: Int) -> [String] {
        guard let directory = opendir(path) else { return [] }
        defer { closedir(directory) }
        var names: [String] = []
        while let entry = readdir(directory), names.count < most {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
            if name.first?.isNumber == true { names.append(name) }
        }
        return names
    }

    private static func target(of path: String) -> String? {
        var target = [CChar](repeating: 0, count: 64)
        let length = readlink(path, &target, target.count)
        guard length > 0 else { return nil }
        return String(decoding: target.prefix(length).map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
