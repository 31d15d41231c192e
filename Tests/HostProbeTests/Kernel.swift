// SPDX-License-Identifier: Apache-2.0

import Glibc
import Testing

/// bpf(2) as these tests need it; the product loads nothing.
enum Kernel {
    static let loads: Bool = {
        guard NetworkLab.isPossible, let file = try? load(kind: 1, "mg_try") else { return false }
        close(file)
        return true
    }()

    /// `return 2`, which lets a frame pass (XDP_PASS), of `enum bpf_prog_type`; with a map, it looks at that before.
    static func load(kind: UInt32, _ name: String, using map: Int32? = nil) throws -> Int32 {
        // BPF_LD_MAP_FD(R1, map) in two halves; BPF_MOV64_IMM(R0, 2); BPF_EXIT.
        let pointer = map.map { map in
            [0x18, 0x11, 0, 0] + withUnsafeBytes(of: map.littleEndian) { Array($0) } + [UInt8](repeating: 0, count: 8)
        }
        let code: [UInt8] = (pointer ?? []) + [0xb7, 0, 0, 0, 2, 0, 0, 0, 0x95, 0, 0, 0, 0, 0, 0, 0]
        let license = Array("GPL".utf8) + [0]
        return try code.withUnsafeBytes { code in
            try license.withUnsafeBytes { license in
                var attributes = [UInt8](repeating: 0, count: 128)
                put(kind, at: 0, &attributes)
                put(UInt32(code.count / 8), at: 4, &attributes)
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

    /// An array with three entries.
    static func map(_ name: String) throws -> Int32 {
        var attributes = [UInt8](repeating: 0, count: 128)
        for (index, value) in [UInt32(2), 4, 8, 3].enumerated() { put(value, at: 4 * index, &attributes) }
        for (index, byte) in name.utf8.prefix(15).enumerated() { attributes[28 + index] = byte }
        return try call(0, attributes)
    }

    /// Pins it in a bpffs.
    static func pin(_ object: Int32, at path: String) throws {
        let path = Array(path.utf8) + [0]
        try path.withUnsafeBytes { path in
            var attributes = [UInt8](repeating: 0, count: 128)
            put(UInt64(UInt(bitPattern: path.baseAddress)), at: 0, &attributes)
            put(UInt32(object), at: 8, &attributes)
            _ = try call(6, attributes)
        }
    }

    /// Runs a program on an empty frame (BPF_PROG_TEST_RUN).
    static func run(_ program: Int32, times: UInt32) throws {
        let frame = [UInt8](repeating: 0, count: 64)
        try frame.withUnsafeBytes { frame in
            var attributes = [UInt8](repeating: 0, count: 128)
            put(UInt32(program), at: 0, &attributes)
            put(UInt32(frame.count), at: 8, &attributes)
            put(UInt64(UInt(bitPattern: frame.baseAddress)), at: 16, &attributes)
            put(times, at: 32, &attributes)
            _ = try call(10, attributes)
        }
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
