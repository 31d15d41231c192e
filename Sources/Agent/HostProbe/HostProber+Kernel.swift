// SPDX-License-Identifier: Apache-2.0

import Glibc
import MeshModel
import MeshSystem

extension HostProber {
    private static let configLimit = 4 << 20
    private static let tableLimit = 1 << 20

    /// What the kernel offers to Cilium and Rook. Without a readable configuration `options` is empty and `optionsFrom` absent.
    func kernelFact() throws -> KernelFact {
        let release = try kernelRelease()
        let (options, source) = try kernelOptions(release: release)
        let mounts = MountTable(try bytes("the mounts", "\(procroot)/self/mountinfo", limit: Self.tableLimit) ?? [])
        return KernelFact(
            release: release, options: options, optionsFrom: source, btf: access("\(sysroot)/kernel/btf/vmlinux", F_OK) == 0,
            bpffs: mounts.has("bpf", at: ["/sys/fs/bpf"]),
            // The second place is where systemd puts the unified hierarchy next to version 1.
            cgroup2: mounts.has("cgroup2", at: ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"]),
            lockdown: try lockdown(), loadedModules: try loadedModules(), tracefs: try tracefs(mounts),
            loadableModules: loadableModules(release: release), platform: try platformFact(options))
    }

    /// Mounted, or known to the kernel, which then mounts it where somebody asks.
    private func tracefs(_ mounts: MountTable) throws -> Bool {
        if mounts.has("tracefs") { return true }
        let known = try bytes("the file systems", "\(procroot)/filesystems", limit: 1 << 16) ?? []
        return String(decoding: known, as: UTF8.self).split(whereSeparator: \.isWhitespace).contains("tracefs")
    }

    /// A directory that is hidden from us, as a hardened service has it, tells nothing: that is not an empty one.
    private func loadableModules(release: String) -> [String]? {
        guard !release.contains("/"), let index = try? LinuxFileStore().read("\(moduleroot)/\(release)/modules.dep", limit: 16 << 20) else {
            return nil
        }
        let builtIn = (try? LinuxFileStore().read("\(moduleroot)/\(release)/modules.builtin", limit: 4 << 20)) ?? []
        return KernelModules.wanted.intersection(KernelModules.names(index) + KernelModules.names(builtIn)).sorted()
    }

    private func kernelOptions(release: String) throws -> ([String: KernelFact.Option], String?) {
        let packed = "\(procroot)/config.gz"
        if let bytes = try bytes("the kernel configuration", packed, limit: 1 << 20) {
            do {
                let text = try Gzip.decompress(bytes, limits: .init(outputBytes: Self.configLimit))
                return (KernelOptions.parse(text), packed)
            } catch {
                throw HostProbeError.cannotRead(what: "the kernel configuration", path: packed, cause: String(describing: error))
            }
        }
        // A release with a slash would lead out of the directory.
        let plain = "\(bootroot)/config-\(release)"
        guard !release.contains("/"), let bytes = try bytes("the kernel configuration", plain, limit: Self.configLimit) else {
            return ([:], nil)
        }
        return (KernelOptions.parse(bytes), plain)
    }

    /// `[none] integrity confidentiality`: the word in brackets is in force. A kernel without lockdown has no such file next to the list of
    /// its security modules; where that is missing too, securityfs is not mounted and nothing can be said.
    private func lockdown() throws -> String? {
        guard let bytes = try bytes("the lockdown mode", "\(sysroot)/kernel/security/lockdown", limit: 256) else {
            return access("\(sysroot)/kernel/security/lsm", F_OK) == 0 ? "none" : nil
        }
        let text = String(decoding: bytes, as: UTF8.self)
        guard let open = text.firstIndex(of: "["), let close = text[open...].firstIndex(of: "]") else { return nil }
        return String(text[text.index(after: open)..<close])
    }

    /// First words of /proc/modules; none for a kernel without modules.
    func loadedModules() throws -> [String] {
        let bytes = try bytes("the loaded modules", "\(procroot)/modules", limit: Self.tableLimit) ?? []
        return bytes.split(separator: UInt8(ascii: "\n")).compactMap { line in
            line.split(separator: UInt8(ascii: " "), maxSplits: 1).first.map { String(decoding: $0, as: UTF8.self) }
        }.sorted()
    }
}

/// The options that a gate asks for (checks.md G-HST-04 and G-HST-07), read from a kernel configuration.
enum KernelOptions {
    static let wanted: Set<String> = [
        // Cilium, always
        "BPF", "BPF_SYSCALL", "BPF_JIT", "NET_CLS_BPF", "NET_CLS_ACT", "NET_SCH_INGRESS", "CRYPTO_SHA1", "CRYPTO_USER_API_HASH", "CGROUPS",
        "CGROUP_BPF", "PERF_EVENTS", "SCHEDSTATS",
        // tunnels, encryption, datapath devices
        "VXLAN", "GENEVE", "FIB_RULES", "WIREGUARD", "VETH", "NETKIT", "VLAN_8021Q",
        // masquerading with iptables, L7 policies
        "IP_SET", "IP_SET_HASH_IP", "NETFILTER_XT_SET", "NETFILTER_XT_MATCH_COMMENT", "NETFILTER_XT_TARGET_TPROXY",
        "NETFILTER_XT_TARGET_MARK", "NETFILTER_XT_TARGET_CT", "NETFILTER_XT_MATCH_MARK", "NETFILTER_XT_MATCH_SOCKET",
        // the old iptables, which has tables of its own
        "IP_NF_NAT", "IP6_NF_NAT",
        // Rook
        "BLK_DEV_RBD", "CEPH_LIB", "CEPH_FS", "BLK_DEV_NBD",
        // what tracing tools need, and whether a missing module could be loaded at all
        "DEBUG_INFO_BTF", "MODULES", "KPROBES", "FTRACE",
    ]

    /// Every wanted option has an entry: what the file does not set is absent from the kernel.
    static func parse(_ text: [UInt8]) -> [String: KernelFact.Option] {
        var options = Dictionary(uniqueKeysWithValues: wanted.map { ($0, KernelFact.Option.absent) })
        let prefix = Array("CONFIG_".utf8)
        for line in text.split(separator: UInt8(ascii: "\n")) where line.count < 128 && line.starts(with: prefix) {
            let halves = String(decoding: line.dropFirst(prefix.count), as: UTF8.self).split(separator: "=", maxSplits: 1)
            guard halves.count == 2, wanted.contains(String(halves[0])), let option = KernelFact.Option(rawValue: String(halves[1])) else {
                continue
            }
            options[String(halves[0])] = option
        }
        return options
    }
}

/// The kernel modules that a gate asks for (G-HST-07), found in what depmod(8) wrote.
enum KernelModules {
    static let wanted: Set<String> = ["rbd", "ceph", "libceph", "nbd"]

    /// `kernel/drivers/block/rbd.ko.xz: kernel/net/ceph/libceph.ko.xz` is the module rbd.
    static func names(_ index: [UInt8]) -> [String] {
        index.split(separator: UInt8(ascii: "\n")).compactMap { line in
            let file = String(decoding: line.prefix { $0 != UInt8(ascii: ":") }, as: UTF8.self)
            return file.split(separator: "/").last?.split(separator: ".").first.map { String($0).replacing("-", with: "_") }
        }
    }
}

/// Mount points by file system, from /proc/self/mountinfo (proc(5)): the type follows the lone `-` after the optional fields.
struct MountTable {
    private var points: [String: Set<String>] = [:]

    init(_ text: [UInt8]) {
        for line in text.split(separator: UInt8(ascii: "\n")) {
            let fields = line.split(separator: UInt8(ascii: " ")).map { String(decoding: $0, as: UTF8.self) }
            guard fields.count > 6, let dash = fields[6...].firstIndex(of: "-"), dash + 1 < fields.count else { continue }
            points[fields[dash + 1], default: []].insert(fields[4])
        }
    }

    func has(_ type: String) -> Bool { points[type] != nil }

    func has(_ type: String, at places: [String]) -> Bool { !(points[type] ?? []).isDisjoint(with: places) }
}
