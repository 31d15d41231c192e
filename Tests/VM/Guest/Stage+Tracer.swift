// SPDX-License-Identifier: Apache-2.0

import Glibc
import HostProbe
import HostTrace
import MeshModel
import MeshSystem

/// Our own eBPF programs on a kernel that people run: what they tell is compared with what was done.
extension Stage {
    /// Programs, memory, disks, and what all of it costs.
    func tracer() async throws {
        let watch = try watch(Set(TraceTopic.allCases))
        let cgroup = try await Cgroup(machine, named: "small", memory: 16 << 20)
        try await processes(watch, cgroup)
        try await memory(watch, cgroup)
        try await requests(watch)
        try await cost(watch)
        try expectBalance(watch)
    }

    private func processes(_ watch: TraceWatch, _ cgroup: Cgroup) async throws {
        _ = try await shell("exit 3", "mark-of-exit")
        let exec = watch.start("mark-of-exit")
        checks.expect(
            exec?.path == "/bin/sh" && exec?.arguments == ["/bin/sh", "-c", "exit 3", "mark-of-exit"] && exec?.argumentsAreCut == false
                && exec?.parent == UInt32(getpid()) && exec?.process.uid == 0 && exec?.process.name == "sh",
            "a program that starts, with path, arguments, parent and user", "\(String(describing: exec))")
        let end = watch.end(exec?.process.pid)
        checks.expect(
            end?.code == 3 && end?.signal == 0 && end?.lifetime ?? .zero > .zero, "its end, with its code", "\(String(describing: end))")

        _ = try await shell("kill -TERM $$", "mark-of-signal")
        let killed = watch.end(watch.start("mark-of-signal")?.process.pid)
        checks.expect(killed?.signal == 15 && killed?.code == 0, "an end by a signal", "\(String(describing: killed))")

        _ = try await shell("\(cgroup.enter); exec /bin/true mark-of-cgroup", "-")
        let inside = watch.start("mark-of-cgroup")
        checks.expect(
            inside?.cgroupName == "small" && inside?.cgroup == cgroup.id, "the cgroup that it is in", "\(String(describing: inside))")

        _ = try await shell("exit 0", String(repeating: "x", count: 5000))
        let long = watch.await { if case .exec(let exec) = $0, exec.argumentsAreCut { exec } else { nil } }
        checks.expect(
            (long?.arguments.map { $0.utf8.count + 1 }.reduce(0, +)).map { (200...257).contains($0) } == true,
            "a long command line, cut and said to be", "\(String(describing: long))")
    }

    private func memory(_ watch: TraceWatch, _ cgroup: Cgroup) async throws {
        let ending = try await shell("\(cgroup.enter); exec /bin/dd if=/dev/zero of=/dev/null bs=64M count=1", "-")
        let exec = watch.start("count=1")
        let victim = watch.await { if case .oomKill(let process) = $0 { process } else { nil } }
        say("# the kernel's killing, \(ending.exit): \(String(describing: victim))")
        // Kernels before 6.8 tell no more than the number.
        checks.expect(
            victim != nil && victim?.pid == exec?.process.pid && ["", "dd"].contains(victim?.name),
            "who was killed for want of memory", "\(String(describing: victim)), started \(String(describing: exec))")
        checks.expect(watch.end(exec?.process.pid)?.signal == 9, "and that it was killed")
    }

    private func requests(_ watch: TraceWatch) async throws {
        let disk = try machine.disk("DISK-1").name
        let (wrote, read) = (try watch.count(disk, .write), try watch.count(disk, .read))
        try await machine.tool("dd", "if=/dev/zero", "of=/dev/\(disk)", "bs=64k", "count=4", "oflag=direct", "conv=notrunc")
        try await machine.tool("dd", "if=/dev/\(disk)", "of=/dev/null", "bs=4k", "count=8", "iflag=direct")
        for (operation, before, requests, bytes) in [(DiskOperation.write, wrote, 4, 4 << 16), (.read, read, 8, 8 << 12)] {
            let now = try watch.count(disk, operation)
            checks.expect(
                now?.requests == (before?.requests ?? 0) + UInt64(requests) && now?.bytes == (before?.bytes ?? 0) + UInt64(bytes)
                    && now?.errors == 0 && now?.time ?? .zero > before?.time ?? .zero && now?.slots.reduce(0, +) == now?.requests,
                "\(requests) requests to \(operation.word), \(bytes) bytes, each with its time", "\(String(describing: now))")
        }
        let broken = try machine.disk("BROKEN").name
        let failed = try await machine.attempt(
            "dd", "if=/dev/zero", "of=/dev/\(broken)", "bs=4k", "seek=8192", "count=1", "oflag=direct", "conv=notrunc")
        checks.expect(!failed.succeeded, "the faulty disk fails", "\(failed.exit)")
        let told = watch.await { if case .diskError(let error) = $0 { error } else { nil } }
        checks.expect(
            told.map { watch.words.disk($0.major, $0.minor) == broken } == true && told?.operation == .write && told?.sector == 65_536
                && told.map { KernelWords.diskStatus($0.status) } == "I/O error",
            "a disk's error, with operation, sector and the kernel's word", "\(String(describing: told))")
        checks.expect(try watch.count(broken, .write)?.errors == 1, "and it is counted")
    }

    /// The inventory of what is in the kernel, with our own programs in it.
    private func cost(_ watch: TraceWatch) async throws {
        try await machine.tool("ip", "link", "set", "dev", "lo", "up")
        let rounds = 200
        let (before, after) = try BPFInventory.counting {
            let before = try BPFInventory.read()
            for _ in 0..<rounds {
                let end = try TCPEnd(.v4)
                _ = end.connect(to: Self.loopback, 9)
                end.close()
                watch.look()
            }
            return (before, try BPFInventory.read())
        }
        let ours = after.since(before).programs.filter { $0.owners.contains { $0.pid == Int(getpid()) } }
        // The kernel keeps the first 15 bytes of a name.
        let names: Set = [
            "trace_exec", "trace_exit", "trace_tcp_state", "trace_tcp_retra", "trace_packet_dr", "trace_oom_kill", "trace_block_iss",
            "trace_block_com",
        ]
        checks.expect(
            Set(ours.map(\.name)) == names, "the inventory has each of our programs, and that they are ours", "\(ours.map(\.name))")
        checks.expect(
            ours.allSatisfy { $0.user == 0 && $0.attachments.count == 1 && ($0.memoryInBytes ?? 0) > 0 },
            "where each stands, who loaded it and what memory it takes", "\(ours)")
        let state = ours.first { $0.name == "trace_tcp_state" }
        checks.expect(
            (state?.runs ?? 0) >= UInt64(2 * rounds) && (state?.runTimeInNanoseconds ?? 0) > 0, "how often one ran, and for how long",
            "\(String(describing: state))")
        let mapped = Set(ours.flatMap { $0.maps ?? [] })
        let ring = after.maps.filter { $0.kind == "ringbuf" && mapped.contains($0.id) }
        checks.expect(
            ring.map(\.entries) == [UInt32(HostTracer.ringBytes)], "one ring, which all of them share", "\(ring), of \(after.maps)")
        for program in ours {
            guard let runs = program.runs, let time = program.runTimeInNanoseconds, runs > 0 else { continue }
            say("# \(program.name), \(program.kind): \(runs) runs of \(time / runs) ns")
        }
    }

    static let loopback = IPAddress(family: .v4, value: 0x7f00_0001)

    /// /bin/sh with this script and one argument to be known by. How it ended is for the caller to judge.
    private func shell(_ script: String, _ mark: String) async throws -> CommandResult {
        try await machine.attempt("/bin/sh", "-c", script, mark)
    }
}

/// A group of processes with little memory.
private struct Cgroup {
    private let path: String
    /// As the kernel's helper numbers it: the inode.
    let id: UInt64
    /// For a shell, to go inside.
    var enter: String { "echo $$ >\(path)/cgroup.procs" }

    init(_ machine: Machine, named name: String, memory: UInt64) async throws {
        let root = "/sys/fs/cgroup"
        try await machine.tool("mount", "-t", "cgroup2", "cgroup2", root)
        path = "\(root)/\(name)"
        // The files take what is written as a command, and no new file in their place.
        try await machine.tool(
            "sh", "-c", "echo +memory >\(root)/cgroup.subtree_control && mkdir \(path) && echo \(memory) >\(path)/memory.max")
        var status = stat()
        guard stat(path, &status) == 0 else { throw Stuck("there is no \(path): \(errno)") }
        id = UInt64(status.st_ino)
    }
}
