// SPDX-License-Identifier: Apache-2.0

internal import CBpf
internal import Glibc
internal import MeshSystem

/// All eBPF programs, maps and links in the kernel, whoever loaded them, with what they cost.
package struct ProgramInventory: Hashable, Sendable {
    /// One program.
    package struct Program: Hashable, Sendable {
        package var id: UInt32
        /// libbpf's word, such as `sched_cls` or `tracing`.
        package var type: String
        package var name: String
        /// The digest of its instructions, which is the same wherever the same program is loaded.
        package var tag: String
        package var user: UInt32
        /// Counted only while statistics are on.
        package var runs: UInt64
        package var runTime: Duration
        package var memory: UInt64
        package var maps: [UInt32]
        /// Processes that hold it open, by name; none when only a pin, a link or a network interface keeps it.
        package var owners: [String]
    }

    /// One map.
    package struct Map: Hashable, Sendable {
        package var id: UInt32
        package var type: String
        package var name: String
        package var entries: UInt32
        package var memory: UInt64
    }

    /// One link: what a program is attached by.
    package struct Link: Hashable, Sendable {
        package var id: UInt32
        package var type: String
        package var program: UInt32
    }

    package var programs: [Program]
    package var maps: [Map]
    package var links: [Link]

    /// At most so many of each are read.
    static let most = 10_000

    /// Reads what is loaded now. Needs CAP_SYS_ADMIN, as the kernel shows programs of others to nobody else.
    package static func read() throws(HostTraceError) -> ProgramInventory {
        let owners = Owners.ofPrograms()
        let programs = try each("programs", bpf_prog_get_next_id, bpf_prog_get_fd_by_id, program).map { program in
            var program = program
            program.owners = owners[program.id] ?? []
            return program
        }
        return ProgramInventory(
            programs: programs, maps: try each("maps", bpf_map_get_next_id, bpf_map_get_fd_by_id, map),
            links: try each("links", bpf_link_get_next_id, bpf_link_get_fd_by_id, link))
    }

    /// What happened between two readings: the later one, with the runs and the time that came on top.
    package func since(_ earlier: ProgramInventory) -> ProgramInventory {
        let before = Dictionary(earlier.programs.map { ($0.id, $0) }) { first, _ in first }
        var copy = self
        copy.programs = programs.map { program in
            guard let old = before[program.id], old.tag == program.tag, program.runs >= old.runs, program.runTime >= old.runTime else {
                return program
            }
            var program = program
            program.runs -= old.runs
            program.runTime -= old.runTime
            return program
        }
        return copy
    }

    /// Has the kernel count runs and their time while `body` runs; it costs every program some ten nanoseconds a run.
    package static func counting<Value>(_ body: () throws -> Value) throws -> Value {
        let descriptor = bpf_enable_stats(BPF_STATS_RUN_TIME)
        guard descriptor >= 0 else { throw HostTraceError.notShown("the kernel's statistics", errno: -descriptor) }
        defer { close(descriptor) }
        return try body()
    }

    private static func each<Item>(
        _ what: String, _ next: (UInt32, UnsafeMutablePointer<UInt32>?) -> Int32, _ open: (UInt32) -> Int32, _ read: (Int32) -> Item?
    ) throws(HostTraceError) -> [Item] {
        var items: [Item] = []
        var id: UInt32 = 0
        for _ in 0..<most {
            let code = next(id, &id)
            if code == -ENOENT { return items }
            guard code == 0 else { throw HostTraceError.notShown("the \(what) in the kernel", errno: -code) }
            // It may be gone by now.
            let descriptor = open(id)
            if descriptor == -ENOENT { continue }
            guard descriptor >= 0 else { throw HostTraceError.notShown("the \(what) in the kernel", errno: -descriptor) }
            if let item = read(descriptor) { items.append(item) }
            close(descriptor)
        }
        return items
    }

    private static func program(_ descriptor: Int32) -> Program? {
        var info = bpf_prog_info()
        var identifiers = [UInt32](repeating: 0, count: 64)
        let code = identifiers.withUnsafeMutableBufferPointer { room in
            info.nr_map_ids = UInt32(room.count)
            info.map_ids = UInt64(UInt(bitPattern: room.baseAddress))
            return information(descriptor, &info)
        }
        guard code else { return nil }
        let tag = withUnsafeBytes(of: info.tag) { $0.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined() }
        return Program(
            id: info.id, type: word(libbpf_bpf_prog_type_str(bpf_prog_type(info.type)), info.type), name: text(info.name), tag: tag,
            user: info.created_by_uid, runs: info.run_cnt, runTime: .nanoseconds(Int64(clamping: info.run_time_ns)),
            memory: locked(descriptor), maps: Array(identifiers.prefix(Int(min(info.nr_map_ids, 64)))), owners: [])
    }

    private static func map(_ descriptor: Int32) -> Map? {
        var info = bpf_map_info()
        guard information(descriptor, &info) else { return nil }
        return Map(
            id: info.id, type: word(libbpf_bpf_map_type_str(bpf_map_type(info.type)), info.type), name: text(info.name),
            entries: info.max_entries, memory: locked(descriptor))
    }

    private static func link(_ descriptor: Int32) -> Link? {
        var info = bpf_link_info()
        guard information(descriptor, &info) else { return nil }
        return Link(id: info.id, type: word(libbpf_bpf_link_type_str(bpf_link_type(info.type)), info.type), program: info.prog_id)
    }

    private static func information<Info>(_ descriptor: Int32, _ info: inout Info) -> Bool {
        var length = UInt32(MemoryLayout<Info>.size)
        return withUnsafeMutableBytes(of: &info) { bpf_obj_get_info_by_fd(descriptor, $0.baseAddress, &length) } == 0
    }

    private static func text(_ name: some BitwiseCopyable) -> String {
        withUnsafeBytes(of: name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
    }

    /// A kernel may have types that this libbpf has no word for.
    private static func word(_ known: UnsafePointer<CChar>?, _ number: UInt32) -> String {
        known.map { String(cString: $0) } ?? "type_\(number)"
    }

    /// Bytes that the kernel charges for what is behind the descriptor.
    private static func locked(_ descriptor: Int32) -> UInt64 { Owners.field("memlock", of: "/proc/self/fdinfo/\(descriptor)") ?? 0 }
}

/// Who holds programs open, found as `lsof` finds it: by looking at the open files of every process that we may look at.
enum Owners {
    static func ofPrograms(procroot: String = "/proc") -> [UInt32: [String]] {
        var owners: [UInt32: [String]] = [:]
        for pid in names(procroot) where UInt32(pid) != nil {
            let directory = "\(procroot)/\(pid)/fd"
            var name: String?
            for file in names(directory).prefix(10_000) {
                let target = link("\(directory)/\(file)")
                guard target == "anon_inode:bpf-prog" || target == "anon_inode:bpf_link" || target == "anon_inode:bpf-link",
                    let id = field("prog_id", of: "\(procroot)/\(pid)/fdinfo/\(file)")
                else { continue }
                let known = name ?? (read("\(procroot)/\(pid)/comm").map { String($0.prefix { $0 != "\n" }) } ?? pid)
                name = known
                if owners[UInt32(truncatingIfNeeded: id)]?.contains(known) != true {
                    owners[UInt32(truncatingIfNeeded: id), default: []].append(known)
                }
            }
        }
        return owners
    }

    /// A number behind `name:` in a file of /proc/PID/fdinfo.
    static func field(_ name: String, of path: String) -> UInt64? {
        let line = read(path)?.split(separator: "\n").first { $0.hasPrefix(name + ":") }
        return line.flatMap { $0.split(whereSeparator: { $0 == "\t" || $0 == " " }).last }.flatMap { UInt64($0) }
    }

    private static func names(_ path: String) -> [String] {
        guard let directory = opendir(path) else { return [] }
        defer { closedir(directory) }
        var names: [String] = []
        while let entry = readdir(directory) {
            names.append(withUnsafeBytes(of: entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) })
        }
        return names
    }

    private static func link(_ path: String) -> String? {
        var room = [CChar](repeating: 0, count: 256)
        let count = readlink(path, &room, room.count)
        return count > 0 ? String(decoding: room.prefix(count).map(UInt8.init(bitPattern:)), as: UTF8.self) : nil
    }

    private static func read(_ path: String) -> String? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var room = [UInt8](repeating: 0, count: 4096)
        let count = Glibc.read(descriptor, &room, room.count)
        return count >= 0 ? String(decoding: room.prefix(count), as: UTF8.self) : nil
    }
}
