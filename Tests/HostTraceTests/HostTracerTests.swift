// SPDX-License-Identifier: Apache-2.0

import Foundation
import Glibc
import LocalLink
import MeshModel
import MeshSystem
import Telemetry
import Testing

@testable import HostTrace

/// Whether programs can be brought into this machine's kernel, and why not.
enum Kernel {
    static let refusal: String? = {
        do {
            let tracer = try HostTracer([.exec])
            return tracer.refused.first?.why
        } catch {
            return "\(error)"
        }
    }()
    static var takesPrograms: Bool { refusal == nil }
    /// Without the refusal's words: comments are made when tests are listed, in every process that runs any, and programs must not be loaded then.
    static let reason: Comment = "needs root (CAP_BPF, CAP_PERFMON) and a kernel with BTF"
}

/// Runs a program to its end and returns what it printed.
@discardableResult
func run(_ path: String, _ arguments: String...) throws -> String {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: path)
    process.arguments = arguments
    let output = Pipe()
    process.standardOutput = output
    try process.run()
    let bytes = try output.fileHandleForReading.readToEnd() ?? Data()
    process.waitUntilExit()
    return String(decoding: bytes, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
}

/// Real programs in the real kernel. What they see happens before our own calls return, so nothing here waits.
@Suite(.enabled(if: Kernel.takesPrograms, Kernel.reason), .serialized) struct HostTracerTests {
    private func events(_ tracer: HostTracer) -> [TraceEvent] {
        var events: [TraceEvent] = []
        tracer.drain { events.append($0) }
        return events
    }

    @Test("a program that starts is seen with its arguments and its parent, and its end with its code") func execAndExit() throws {
        let tracer = try HostTracer([.exec, .exit])
        #expect(tracer.refused.isEmpty)
        let mark = UUID().uuidString
        let before = Date().timeIntervalSince1970
        try run("/bin/sh", "-c", "exit 3", mark)
        let after = Date().timeIntervalSince1970
        let seen = events(tracer)
        let start = try #require(
            seen.compactMap { event -> (TraceEvent.Exec, Int64)? in
                if case .exec(let exec) = event.what, exec.arguments.contains(mark) { (exec, event.time) } else { nil }
            }.first)
        #expect(start.0.path == "/bin/sh" && start.0.arguments == ["/bin/sh", "-c", "exit 3", mark] && !start.0.argumentsAreCut)
        #expect(start.0.process.name == "sh" && start.0.process.uid == getuid())
        #expect((before - 1...after + 1).contains(Double(start.1) / 1e9), "on the wall clock")
        let end = seen.compactMap { event -> TraceEvent.Exit? in
            if case .exit(let exit) = event.what, exit.process.pid == start.0.process.pid { exit } else { nil }
        }.first
        #expect(end?.code == 3 && end?.signal == 0 && end?.parent == start.0.parent)
        #expect(tracer.unreadable == 0)
    }

    @Test("a long command line is cut at 256 bytes, and said to be") func longCommandLine() throws {
        let tracer = try HostTracer([.exec])
        let mark = UUID().uuidString
        try run("/bin/true", mark, String(repeating: "y", count: 5000))
        let exec = try #require(
            events(tracer).compactMap { if case .exec(let exec) = $0.what, exec.arguments.contains(mark) { exec } else { nil } }.first)
        #expect(exec.argumentsAreCut)
        #expect(exec.arguments.map { $0.utf8.count + 1 }.reduce(0, +) <= 257)
    }

    @Test("a connect that nobody answers is seen with who tried, and how it failed") func refusedConnect() throws {
        let tracer = try HostTracer([.tcp])
        // Bound and not listening: nobody else gets the port meanwhile.
        let holder = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(holder) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                #expect(bind(holder, $0, length) == 0)
                #expect(getsockname(holder, $0, &length) == 0)
            }
        }
        let client = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(client) }
        withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                #expect(connect(client, $0, length) == -1 && errno == ECONNREFUSED)
            }
        }
        let port = UInt16(bigEndian: address.sin_port)
        let mine = events(tracer).compactMap { event -> (TraceEvent.Connection, TCPState)? in
            if case .tcp(let connection, _, let to) = event.what, connection.flow.destinationPort == port { (connection, to) } else { nil }
        }
        #expect(mine.map(\.1) == [.synSent, .close])
        #expect(mine.allSatisfy { $0.0.owner?.pid == UInt32(getpid()) && $0.0.flow.destination == IPAddress("127.0.0.1") })
        #expect(mine.last?.0.error == UInt16(ECONNREFUSED))
        #expect(mine.last?.0.flow.sourcePort != 0, "the port is told although the socket has given it back")
    }

    @Test("a packet that a firewall throws away is seen with the reason, in its namespace") func drop() throws {
        let tracer = try HostTracer([.drop])
        let said = try run(
            "/usr/bin/unshare", "-n", "/bin/bash", "-c",
            """
            ip link set lo up; nft add table inet f
            nft 'add chain inet f i { type filter hook input priority 0; }'; nft add rule inet f i udp dport 9 drop
            # More than one, as of what a busy machine drops at the same moment only some is told.
            for i in {1..30}; do echo hello >/dev/udp/127.0.0.1/9; sleep 0.02; done
            stat -L -c %i /proc/self/ns/net
            """)
        let namespace = try #require(UInt32(said))
        let drops = events(tracer).compactMap { if case .drop(let drop) = $0.what { drop } else { nil } }
        let mine = try #require(drops.first { $0.flow.namespace == namespace && $0.flow.destinationPort == 9 })
        #expect(KernelWords().reason(mine.reason) == "NETFILTER_DROP")
        #expect(mine.flow.protocol == 17 && mine.flow.destination == IPAddress("127.0.0.1") && mine.etherType == 0x0800)
        #expect(mine.length == 20 + 8 + 6)
        let counted = try tracer.figures().drops.first { $0.reason == mine.reason && $0.protocol == 17 }
        #expect((counted?.packets ?? 0) >= 1)
    }

    @Test("a flood of drops of one kind does not hide those of another") func rareDrop() throws {
        let tracer = try HostTracer([.drop])
        let said = try run(
            // On one CPU, as limits are for each.
            "/usr/bin/taskset", "-c", "0", "/usr/bin/unshare", "-n", "/bin/bash", "-c",
            """
            ip link set lo up; nft add table inet f
            nft 'add chain inet f i { type filter hook input priority 0; }'; nft add rule inet f i tcp dport 10 drop
            exec 3<>/dev/udp/127.0.0.1/9
            # Signals that can be blocked are, in what tests start.
            while :; do echo x >&3; done 2>/dev/null >&2 & flood=$!
            sleep 0.2; timeout -s KILL 0.3 bash -c 'echo </dev/tcp/127.0.0.1/10' 2>/dev/null
            kill -9 $flood; wait 2>/dev/null
            stat -L -c %i /proc/self/ns/net
            """)
        let namespace = try #require(UInt32(said))
        let drops = events(tracer).compactMap { if case .drop(let drop) = $0.what { drop } else { nil } }
        let mine = drops.filter { $0.flow.namespace == namespace }
        #expect(mine.contains { $0.flow.destinationPort == 10 && KernelWords().reason($0.reason) == "NETFILTER_DROP" })
        let books = try #require(try tracer.figures().programs[.packetDrop])
        #expect(books.limited > 500 && books.produced == books.sent + books.ringFull + books.limited)
    }

    @Test("a process ends once, as its first thread: with that one's name and age") func lastThread() throws {
        let tracer = try HostTracer([.exit])
        let pid = try run(
            "/usr/bin/python3", "-c",
            """
            import ctypes, os, threading, time
            def other():
                libc.prctl(15, b'other', 0, 0, 0)
                time.sleep(0.2)
                libc.syscall(60, 7)
            libc = ctypes.CDLL(None)
            print(os.getpid(), flush=True)
            time.sleep(0.2)
            for _ in range(8): threading.Thread(target=other).start()
            libc.syscall(60, 5)
            """)
        let exits = events(tracer).compactMap { event -> TraceEvent.Exit? in
            if case .exit(let exit) = event.what, exit.process.pid == UInt32(pid) { exit } else { nil }
        }
        #expect(exits.count == 1)
        let exit = try #require(exits.first)
        // As wait(2) has it: since Linux 5.18 that is the last thread's word.
        #expect(exit.code == 7 && exit.signal == 0 && exit.process.name.hasPrefix("python3"), "\(exit)")
        #expect(exit.lifetime > .milliseconds(390), "both naps, and the threads had one only")
    }

    @Test("a flood of drops is counted to the packet, and told only in part") func flood() throws {
        let tracer = try HostTracer([.drop])
        try run(
            "/usr/bin/unshare", "-n", "/bin/bash", "-c",
            "ip link set lo up; exec 3<>/dev/udp/127.0.0.1/9; for i in {1..2000}; do echo x >&3; done 2>/dev/null")
        let told = events(tracer).count
        let figures = try tracer.figures()
        let books = try #require(figures.programs[.packetDrop])
        #expect(books.produced == books.sent + books.ringFull + books.limited)
        #expect(books.produced == figures.drops.reduce(0) { $0 + $1.packets })
        #expect(told == Int(books.sent) && books.limited > 500, "\(told) told, \(books.limited) limited")
    }

    @Test("what does not fit into the ring is counted, and the books balance") func overflow() throws {
        let tracer = try HostTracer([.exec], ringBytes: 4096)
        for _ in 0..<20 { try run("/bin/true") }
        let told = events(tracer).count
        let books = try #require(try tracer.figures().programs[.exec])
        #expect(told > 0 && told < 20 && books.ringFull > 0)
        #expect(books.produced == books.sent + books.ringFull && Int(books.sent) == told)
    }

    @Test("a round takes at most what it was told to, and the rest next time") func bounded() throws {
        let tracer = try HostTracer([.exec])
        for _ in 0..<5 { try run("/bin/true") }
        var first = 0
        tracer.drain(most: 2) { _ in first += 1 }
        #expect(first == 2 && events(tracer).count >= 3)
    }

    @Test("a program that this kernel refuses is named with the reason, and the others run") func refused() throws {
        let tracer = try HostTracer([.exec, .tcp], ringBytes: 1 << 16, object: object())
        #expect(tracer.running == [.exec])
        #expect(tracer.refused.map(\.program) == [.tcpState])
        #expect(tracer.refused.first?.why.contains("inet_sock_set_stats") == true, "\(tracer.refused)")
        try run("/bin/true")
        #expect(!events(tracer).isEmpty)
    }

    /// The same object, asking for a tracepoint that no kernel has in place of `there`.
    private func object(without there: String = "inet_sock_set_state") -> [UInt8] {
        let (there, nowhere) = (Array("tp_btf/\(there)".utf8), Array("tp_btf/\(there.dropLast())s".utf8))
        var object = ProgramLoader.object
        var index = 0
        while index + there.count <= object.count {
            if object[index..<index + there.count].elementsEqual(there) {
                object.replaceSubrange(index..<index + there.count, with: nowhere)
            }
            index += 1
        }
        return object
    }

    @Test("a kernel that takes none of the programs stops the tracer with its reason") func allRefused() throws {
        do {
            let tracer = try HostTracer([.tcp], ringBytes: 1 << 16, object: object())
            Issue.record("it runs \(tracer.running), and \(tracer.refused)")
        } catch {
            #expect("\(error)".contains("inet_sock_set_stats"), "\(error)")
        }
        // Refused by our own scope, and not by the kernel.
        #expect(try HostTracer([.oom], scope: .netns, ringBytes: 1 << 16, object: object()).refused.count == 1)
    }

    @Test("a program that only helps another one does not run without it") func helper() throws {
        let tracer = try HostTracer([.exec, .disk], ringBytes: 1 << 16, object: object(without: "block_rq_complete"))
        #expect(tracer.running == [.exec])
        #expect(tracer.refused.map(\.program) == [.blockComplete, .blockIssue])
        #expect(tracer.refused.last?.why == "without block_rq_complete it tells nothing")
    }

    @Test("with less than the right to trace, /proc is read instead, and the feed says why", arguments: [Hardening.Capabilities(), .bpf])
    func fewerRights(_ rights: Hardening.Capabilities) async throws {
        let (queue, stop) = (RelayQueue(), StopSignal())
        let loop = TracerLoop(topics: Set(TraceTopic.allCases), ringBytes: 1 << 16, queue: queue, version: "test") { _, _ in }
        stop.set()
        // Nothing is resumed from this thread: what it starts would have no more rights than it has itself, threads of the pool too.
        let isOver = StopSignal()
        try OwnThread.start(named: "tracer") {
            if (try? Hardening.keepOnly(rights)) != nil { loop.run(until: stop) }
            isOver.set()
        }
        while !isOver.isSet { try await Task.sleep(for: .milliseconds(5)) }
        #expect(loop.status.running.isEmpty && loop.status.withoutPrograms?.contains("CAP_PERFMON") == true, "\(loop.status)")
        let events = try PackedEvents.events(in: #require(queue.next()).events.bytes)
        #expect(events.contains { $0.kind == .sourceLimited && $0.attributes.reason == "programs" })
    }

    @Test("an object that is none stops the tracer with a reason") func broken() {
        #expect(throws: HostTraceError.self) { try HostTracer([.exec], ringBytes: 4096, object: [1, 2, 3]) }
        #expect(throws: HostTraceError.self) { try HostTracer([.exec], ringBytes: 4096, object: Array(ProgramLoader.object.prefix(9000))) }
    }

    @Test("requests to a disk are timed, and one that fails is told with its sector") func disk() throws {
        let file = NSTemporaryDirectory() + "trace-\(UUID().uuidString)"
        try Data(count: 1 << 20).write(to: URL(fileURLWithPath: file))
        defer { unlink(file) }
        let device = try run("/sbin/losetup", "-f", "--show", file)
        try #require(device.hasPrefix("/dev/loop"))
        defer { _ = try? run("/sbin/losetup", "-d", device) }
        let name = String(device.dropFirst("/dev/".count))
        let tracer = try HostTracer([.disk])
        let words = KernelWords()
        try run("/bin/dd", "if=/dev/zero", "of=\(device)", "bs=64k", "count=4", "oflag=direct", "status=none")
        let writes = try #require(
            try tracer.figures().disks.first { words.disk($0.major, $0.minor) == name && $0.operation == .write })
        #expect(writes.requests == 4 && writes.bytes == 4 << 16 && writes.errors == 0)
        #expect(writes.slots.reduce(0, +) == 4 && writes.time > .zero && writes.quantile(0.5) ?? .zero > .zero)

        try #require(truncate(file, 0) == 0)
        try run("/bin/dd", "if=\(device)", "of=/dev/null", "bs=4k", "count=1", "skip=16", "iflag=direct", "status=none")
        let errors = events(tracer).compactMap { if case .diskError(let error) = $0.what { error } else { nil } }
        let mine = try #require(errors.first { words.disk($0.major, $0.minor) == name })
        #expect(mine.operation == .read && KernelWords.diskStatus(mine.status) == "I/O error" && mine.sector == 128)
    }
}
