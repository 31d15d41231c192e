// SPDX-License-Identifier: Apache-2.0

import Glibc
import MeshModel
import Testing

@testable import HostProbe

/// The kernel's own lists, with programs that these tests load.
@Suite("eBPF programs", .serialized, .enabled(if: Kernel.loads, "needs a kernel that lets this process load eBPF"))
struct BPFInventoryTests {
    @Test("a program is listed with its kind, name, tag and who keeps it, and goes when it is closed")
    func listed() throws {
        let program = try Kernel.load(kind: 1, "mg_listed")
        let found = try #require(try BPFInventory.read().programs.first { $0.name == "mg_listed" })
        #expect(found.kind == "socket_filter" && found.attachments.isEmpty && !found.isCiliums)
        #expect(found.tag.count == 16 && found.tag.allSatisfy(\.isHexDigit))
        #expect(found.owners.contains { $0.pid == Int(getpid()) && !$0.command.isEmpty })
        close(program)
        // The kernel frees it a moment later.
        var rest = 200
        while try BPFInventory.read().programs.contains(where: { $0.id == found.id }), rest > 0 {
            usleep(10_000)
            rest -= 1
        }
        #expect(rest > 0)
    }

    @Test("what a program is attached to is told: a tracepoint, and a network link by its name")
    func attached() throws {
        let lab = try NetworkLab()
        try lab.inside(lab.here) {
            let traced = try Kernel.load(kind: 17, "mg_traced")
            let tracing = try Kernel.attach(traced, tracepoint: "sched_process_exec")
            let dropped = try Kernel.load(kind: 6, "mg_dropped")
            let dropping = try Kernel.attach(dropped, link: "pair0")
            defer { for file in [tracing, traced, dropping, dropped] { close(file) } }
            let programs = try BPFInventory.read().programs
            let point = try #require(programs.first { $0.name == "mg_traced" })
            #expect(point.kind == "raw_tracepoint")
            #expect(point.attachments == [.init(kind: "raw_tracepoint", place: "sched_process_exec")])
            let device = try #require(programs.first { $0.name == "mg_dropped" })
            #expect(device.kind == "xdp" && device.attachments == [.init(kind: "xdp", place: "pair0", isLink: true)])
            // Once through the program itself, once through its link: one process.
            #expect(device.owners.count == 1)
        }
    }

    @Test("maps, memory and user of a program are told, and what it ran between two readings") func costs() throws {
        let map = try Kernel.map("mg_map")
        let program = try Kernel.load(kind: 1, "mg_mapped", using: map)
        defer { for file in [program, map] { close(file) } }
        let (before, after) = try BPFInventory.counting {
            let before = try BPFInventory.read()
            try Kernel.run(program, times: 5)
            return (before, try BPFInventory.read())
        }
        let found = try #require(after.since(before).programs.first { $0.name == "mg_mapped" })
        #expect(found.user == getuid() && (found.memoryInBytes ?? 0) > 0 && found.runs == 5 && (found.runTimeInNanoseconds ?? 0) > 0)
        let seen = try #require(after.maps.first { $0.name == "mg_map" })
        #expect(found.maps == [seen.id] && seen.kind == "array" && seen.entries == 3 && seen.memoryInBytes > 0)
        #expect(after.links >= 0 && after.maps == after.maps.sorted { $0.id < $1.id })
    }

    @Test("runs and time are what came on top, and a program that has another's number is another one") func since() {
        func inventory(_ runs: UInt64, tag: String) -> BPFInventory {
            let program = BPFProgram(id: 1, kind: "xdp", name: "n", tag: tag, runs: runs, runTimeInNanoseconds: runs * 10)
            return BPFInventory(programs: [program], maps: [], links: 0)
        }
        #expect(inventory(12, tag: "a").since(inventory(5, tag: "a")).programs.first?.runs == 7)
        #expect(inventory(12, tag: "a").since(inventory(5, tag: "a")).programs.first?.runTimeInNanoseconds == 70)
        #expect(inventory(12, tag: "a").since(inventory(5, tag: "b")).programs.first?.runs == 12)
        #expect(inventory(3, tag: "a").since(inventory(5, tag: "a")).programs.first?.runs == 3)
    }

    @Test("where the kernel shows nothing, the probe says what it needs, and the rest of the platform is told")
    func refused() throws {
        var unseen: [String] = []
        #expect(HostProbeError.bpf(errno: EPERM).description.contains("CAP_SYS_ADMIN"))
        #expect(HostProber(agentVersion: "0.1.0").bpfPrograms(&unseen) != nil && unseen.isEmpty)
    }
}
