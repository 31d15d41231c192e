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
        let found = try #require(try BPFInventory().programs().first { $0.name == "mg_listed" })
        #expect(found.kind == "socket_filter" && found.attachments.isEmpty && !found.isCiliums)
        #expect(found.tag.count == 16 && found.tag.allSatisfy(\.isHexDigit))
        #expect(found.owners.contains { $0.pid == Int(getpid()) && !$0.command.isEmpty })
        close(program)
        // The kernel frees it a moment later.
        var rest = 200
        while try BPFInventory().programs().contains(where: { $0.id == found.id }), rest > 0 {
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
            let programs = try BPFInventory().programs()
            let point = try #require(programs.first { $0.name == "mg_traced" })
            #expect(point.kind == "raw_tracepoint")
            #expect(point.attachments == [.init(kind: "raw_tracepoint", place: "sched_process_exec")])
            let device = try #require(programs.first { $0.name == "mg_dropped" })
            #expect(device.kind == "xdp" && device.attachments == [.init(kind: "xdp", place: "pair0", isLink: true)])
            // Once through the program itself, once through its link: one process.
            #expect(device.owners.count == 1)
        }
    }

    @Test("where the kernel shows nothing, the probe says what it needs, and the rest of the platform is told")
    func refused() throws {
        var unseen: [String] = []
        #expect(HostProbeError.bpf(errno: EPERM).description.contains("CAP_SYS_ADMIN"))
        #expect(HostProber(agentVersion: "0.1.0").bpfPrograms(&unseen) != nil && unseen.isEmpty)
    }
}

/// bpf(2) as these tests need it; the product loads nothing.
enum Kernel {
    static let loads: Bool = {
        guard geteuid() == 0, NetworkLab.isPossible, let file = try? load(kind: 1, "mg_try") else { return false }
        close(file)
        return true
    }()

    /// `return 2`, which lets a frame pass (XDP_PASS), of `enum bpf_prog_type`.
    static func load(kind: UInt32, _ name: String) throws -> Int32 {
        // BPF_MOV64_IMM(R0, 2); BPF_EXIT.
        let code: [UInt8] = [0xb7, 0, 0, 0, 2, 0, 0, 0, 0x95, 0, 0, 0, 0, 0, 0, 0]
        let license = Array("GPL".utf8) + [0]
        return try code.withUnsafeBytes { code in
            try license.withUnsafeBytes { license in
                var attributes = [UInt8](repeating: 0, count: 128)
                put(kind, at: 0, &attributes)
                put(UInt32(2), at: 4, &attributes)
                put(UInt64(UInt(bitPattern: code.baseAddress)), at: 8, &attributes)
                put(UInt64(UInt(bitPattern: license.baseAddress)), at: 16, &attributes)
                for (index, byte) in name.utf8.prefix(15).enumerated() { attributes[48 + index] = byte }
                return try call(5, attributes)
            }
        }
    }

    static func attach(_ program: Int32, tracepoint: String) throws -> Int32 {
        let name = Array(tracepoint.utf8) + [0]
        return try name.withUnsafeBytes { name in
            var attributes = [UInt8](repeating: 0, count: 128)
            put(UInt64(UInt(bitPattern: name.baseAddress)), at: 0, &attributes)
            put(UInt32(program), at: 8, &attributes)
            return try call(17, attributes)
        }
    }

    static func attach(_ program: Int32, link: String) throws -> Int32 {
        var attributes = [UInt8](repeating: 0, count: 128)
        put(UInt32(program), at: 0, &attributes)
        put(if_nametoindex(link), at: 4, &attributes)
        put(UInt32(37), at: 8, &attributes)
        return try call(28, attributes)
    }

    private static func put<Value: FixedWidthInteger>(_ value: Value, at place: Int, _ bytes: inout [UInt8]) {
        withUnsafeBytes(of: value) { bytes.replaceSubrange(place..<place + $0.count, with: $0) }
    }

    private static func call(_ command: Int, _ attributes: [UInt8]) throws -> Int32 {
        typealias Call = @convention(c) (Int, Int, UnsafeMutableRawPointer?, Int) -> Int
        guard let symbol = dlsym(nil, "syscall") else { throw ShellFailure(description: "no syscall(2)") }
        var attributes = attributes
        // SYS_bpf: 321 on x86-64, 280 on arm64.
        #if arch(arm64)
            let number = 280
        #else
            let number = 321
        #endif
        let count = attributes.count
        let result = attributes.withUnsafeMutableBytes { unsafeBitCast(symbol, to: Call.self)(number, command, $0.baseAddress, count) }
        guard result >= 0 else { throw ShellFailure(description: "bpf(\(command)): \(errno)") }
        return Int32(result)
    }
}
