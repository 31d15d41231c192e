// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import Telemetry

/// What can be seen of a host without eBPF: processes that are there at one look and not at another, and the kernel's counters. Whoever comes
/// and goes between two looks is not seen. For one thread at a time.
final class ProcTracer {
    /// More new processes in one look are counted and not told one by one.
    static let most = 500

    private let root: String
    /// /proc shows processes of its own process namespace and sockets of our own network namespace; the rest is the whole machine's.
    private let scope: TraceScope
    /// Pid and start, so that a pid that is used again is another process.
    private var known: [UInt32: Known]?
    private var before: [String: UInt64] = [:]
    private var disksBefore: [String: ProcText.Disk] = [:]

    private struct Known {
        var start: UInt64
        var name: String
    }

    init(procroot: String, scope: TraceScope = .host) {
        root = procroot
        self.scope = scope
    }

    /// Processes that began and ended since the last look, and how many more there were. The first look tells of nobody.
    func processes(at time: EventTime) -> (events: [TelemetryEvent], left: UInt64) {
        let old = known
        var now: [UInt32: Known] = [:]
        var events: [TelemetryEvent] = []
        var left: UInt64 = 0
        for pid in pids() {
            // It may end while we look.
            guard let text = read("\(pid)/stat"), let (parent, start) = ProcText.parentAndStart(text) else { continue }
            if let same = old?[pid], same.start == start {
                now[pid] = same
                continue
            }
            let path = link("\(pid)/exe")
            let name = path ?? read("\(pid)/comm").map { String($0.prefix { $0 != "\n" }) } ?? "?"
            now[pid] = Known(start: start, name: name)
            guard old != nil else { continue }
            if events.count < Self.most { events.append(began(pid, parent, name, at: time)) } else { left += 1 }
        }
        for (pid, process) in old ?? [:] where now[pid]?.start != process.start {
            guard events.count < 2 * Self.most else {
                left += 1
                continue
            }
            events.append(
                TelemetryEvent(
                    time: time, kind: .processExit, attributes: EventAttributes(binary: process.name, pid: pid, reason: "seen_in_proc")))
        }
        known = now
        return (events, left)
    }

    private func began(_ pid: UInt32, _ parent: UInt32, _ name: String, at time: EventTime) -> TelemetryEvent {
        var line = JSONLine()
        line.put("pid", pid)
        line.put("parent_pid", parent)
        line.put("binary", name)
        let words = read("\(pid)/cmdline", limit: 256)?.split(separator: "\0").map(String.init) ?? []
        line.put("arguments", words)
        return TelemetryEvent(
            time: time, kind: .processExec, attributes: EventAttributes(binary: name, pid: pid, reason: "seen_in_proc"),
            body: EventBody(.json, line.closed))
    }

    /// What the kernel counted since the last call: one event, and one more when it killed processes for want of memory. The first call
    /// counts from there on and tells nothing. `watched`: the tracepoints that programs of ours stand at, told along, as proof that they do.
    func figures(at time: EventTime, watched: [String] = []) -> [TelemetryEvent] {
        var now: [String: UInt64] = [:]
        let network = ProcText.netstat((read("net/snmp") ?? "") + (read("net/netstat") ?? ""))
        for name in ["Tcp.RetransSegs", "Tcp.OutSegs", "Tcp.InErrs", "Udp.RcvbufErrors", "TcpExt.ListenDrops", "TcpExt.TCPTimeouts"] {
            now[name] = network[name]
        }
        let isWhole = scope == .host
        if isWhole {
            now["oom_kill"] = ProcText.pairs(read("vmstat") ?? "")["oom_kill"]
            for resource in ["cpu", "memory", "io"] {
                for (who, value) in ProcText.pressure(read("pressure/\(resource)") ?? "") {
                    now["pressure.\(resource).\(who)_us"] = value
                }
            }
        }
        let disks = isWhole ? ProcText.disks(read("diskstats") ?? "").prefix(64) : []
        defer {
            before = now
            disksBefore = Dictionary(disks.map { ($0.name, $0) }) { first, _ in first }
        }
        guard !before.isEmpty else { return [] }
        var line = JSONLine()
        for (name, value) in now.sorted(by: { $0.key < $1.key }) {
            if let old = before[name], value >= old { line.put(name, value - old) }
        }
        line.put("watched", watched)
        line.put("disks", disks.compactMap { disk in disksBefore[disk.name].flatMap { Self.json(disk, since: $0) } })
        var events = [TelemetryEvent(time: time, kind: .hostFigures, body: EventBody(.json, line.closed))]
        if let kills = now["oom_kill"], let old = before["oom_kill"], kills > old {
            var line = JSONLine()
            line.put("count", kills - old)
            events.append(
                TelemetryEvent(
                    time: time, kind: .oomKill, attributes: EventAttributes(reason: "seen_in_proc"), body: EventBody(.json, line.closed)))
        }
        return events
    }

    private static func json(_ disk: ProcText.Disk, since old: ProcText.Disk) -> JSONLine? {
        guard disk.reads > old.reads || disk.writes > old.writes else { return nil }
        var line = JSONLine()
        line.put("device", disk.name)
        for (name, now, before) in [
            ("reads", disk.reads, old.reads), ("read_sectors", disk.sectorsRead, old.sectorsRead),
            ("read_ms", disk.millisecondsReading, old.millisecondsReading), ("writes", disk.writes, old.writes),
            ("written_sectors", disk.sectorsWritten, old.sectorsWritten), ("write_ms", disk.millisecondsWriting, old.millisecondsWriting),
        ] { line.put(name, now &- before) }
        return line
    }

    private func pids() -> [UInt32] {
        guard let directory = opendir(root) else { return [] }
        defer { closedir(directory) }
        var pids: [UInt32] = []
        while let entry = readdir(directory) {
            let name = withUnsafeBytes(of: entry.pointee.d_name) { bytes in
                String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            if let pid = UInt32(name) { pids.append(pid) }
        }
        return pids.sorted()
    }

    /// Files of /proc tell no length: as much as there is, at most `limit` bytes, and what lies beyond is left.
    private func read(_ name: String, limit: Int = 256 << 10) -> String? {
        let descriptor = open("\(root)/\(name)", O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var room = [UInt8](repeating: 0, count: min(limit, 16 << 10))
        while bytes.count < limit {
            let count = Glibc.read(descriptor, &room, min(room.count, limit - bytes.count))
            if count < 0 { return nil }
            if count == 0 { break }
            bytes += room.prefix(count)
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    private func link(_ name: String) -> String? {
        var room = [CChar](repeating: 0, count: 1024)
        let count = readlink("\(root)/\(name)", &room, room.count)
        return count > 0 ? String(decoding: room.prefix(count).map(UInt8.init(bitPattern:)), as: UTF8.self) : nil
    }
}
