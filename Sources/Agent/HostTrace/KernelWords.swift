// SPDX-License-Identifier: Apache-2.0

internal import CBpf
internal import Glibc
internal import MeshSystem

/// The words behind the numbers in events: what the running kernel calls a reason, an interface or a disk. For one thread at a time.
package final class KernelWords {
    private let reasons: [UInt32: String]
    /// Our own network namespace: interfaces have names in it only.
    private let ownNamespace: UInt32
    private let root: String
    private var interfaces: [UInt32: String] = [:]
    private var disks: [UInt64: String] = [:]

    package init() {
        reasons = Self.dropReasons()
        root = ""
        var status = stat()
        ownNamespace = stat("/proc/self/ns/net", &status) == 0 ? UInt32(truncatingIfNeeded: status.st_ino) : 0
    }

    /// `root` stands before the path of /sys.
    init(reasons: [UInt32: String], root: String = "") {
        self.reasons = reasons
        self.root = root
        ownNamespace = 0
    }

    /// The kernel's word without its prefix, such as `NO_SOCKET`. Parts of the kernel that count their own reasons (from bit 16 on) have no words here.
    package func reason(_ number: UInt32) -> String {
        if let word = reasons[number] { return word }
        return number >> 16 == 0 ? "REASON_\(number)" : "SUBSYSTEM_\(number >> 16)_REASON_\(number & 0xffff)"
    }

    /// The interface's name, or `nil` when it lies in another network namespace.
    package func interface(_ flow: TraceEvent.Flow) -> String? {
        guard flow.interface != 0, flow.namespace == ownNamespace else { return nil }
        if let known = interfaces[flow.interface] { return known }
        let name = withUnsafeTemporaryAllocation(of: CChar.self, capacity: Int(IF_NAMESIZE)) { room -> String? in
            if_indextoname(flow.interface, room.baseAddress).map { String(cString: $0) }
        }
        if interfaces.count > 512 { interfaces = [:] }
        interfaces[flow.interface] = name
        return name
    }

    /// The disk's name, such as `vda`, or its numbers.
    package func disk(_ major: UInt32, _ minor: UInt32) -> String {
        let key = UInt64(major) << 32 | UInt64(minor)
        if let known = disks[key] { return known }
        var room = [CChar](repeating: 0, count: 512)
        let count = readlink("\(root)/sys/dev/block/\(major):\(minor)", &room, room.count)
        let target = room.prefix(max(count, 0)).map { UInt8(bitPattern: $0) }
        let name = target.split(separator: UInt8(ascii: "/")).last.map { String(decoding: $0, as: UTF8.self) } ?? "\(major):\(minor)"
        if disks.count > 512 { disks = [:] }
        disks[key] = name
        return name
    }

    /// Forgets the names of interfaces and disks: they are renamed, pulled out and put in, and their numbers are used again. To be called from time
    /// to time; without it a name that was known once stays.
    package func forgetNames() { (interfaces, disks) = ([:], [:]) }

    /// What a disk answered, as the kernel's own log words it.
    package static func diskStatus(_ number: UInt32) -> String {
        let words = [
            1: "operation not supported", 2: "timeout", 3: "critical space allocation", 4: "recoverable transport", 5: "critical target",
            6: "reservation conflict", 7: "critical medium", 8: "protection", 9: "kernel resource", 10: "I/O error",
            13: "device resource", 14: "zone resource", 17: "device offline", 18: "duration limit exceeded",
        ]
        return words[Int(number)] ?? "status \(number)"
    }

    /// A protocol of the IP header, or what was in the frame in place of IP.
    package static func transport(_ number: UInt8, etherType: UInt16 = 0x0800) -> String {
        guard etherType == 0x0800 || etherType == 0x86dd else {
            return etherType == 0x0806 ? "arp" : "ethertype_0x" + String(etherType, radix: 16)
        }
        let words: [UInt8: String] = [
            1: "icmp", 2: "igmp", 4: "ipip", 6: "tcp", 17: "udp", 47: "gre", 50: "esp", 58: "icmpv6", 132: "sctp",
        ]
        return words[number] ?? "protocol_\(number)"
    }

    /// An errno of a connection, such as `Connection refused`.
    package static func error(_ number: UInt16) -> String { explain(Int32(number)) }

    /// A signal's name, such as `SIGKILL`.
    package static func signal(_ number: UInt8) -> String {
        let words: [UInt8: String] = [
            1: "SIGHUP", 2: "SIGINT", 3: "SIGQUIT", 4: "SIGILL", 5: "SIGTRAP", 6: "SIGABRT", 7: "SIGBUS", 8: "SIGFPE", 9: "SIGKILL",
            10: "SIGUSR1", 11: "SIGSEGV", 12: "SIGUSR2", 13: "SIGPIPE", 14: "SIGALRM", 15: "SIGTERM", 24: "SIGXCPU", 25: "SIGXFSZ",
            31: "SIGSYS",
        ]
        return words[number] ?? "signal \(number)"
    }

    /// The enumeration skb_drop_reason of the running kernel; empty where it has no BTF. Numbers move from version to version.
    private static func dropReasons() -> [UInt32: String] {
        guard let btf = btf__load_vmlinux_btf() else { return [:] }
        defer { btf__free(btf) }
        let identifier = btf__find_by_name_kind(btf, "skb_drop_reason", UInt32(BTF_KIND_ENUM))
        guard identifier > 0, let type = btf__type_by_id(btf, UInt32(identifier)), let members = btf_enum(type) else { return [:] }
        let prefixes = ["SKB_DROP_REASON_", "SKB_"]
        var words: [UInt32: String] = [:]
        for index in 0..<Int(btf_vlen(type)) {
            guard let name = btf__name_by_offset(btf, members[index].name_off).map({ String(cString: $0) }) else { continue }
            let prefix = prefixes.first { name.hasPrefix($0) } ?? ""
            words[UInt32(bitPattern: members[index].val)] = String(name.dropFirst(prefix.count))
        }
        return words
    }
}
