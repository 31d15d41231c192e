// SPDX-License-Identifier: Apache-2.0

import CHostTrace
import MeshModel
import Telemetry
import Testing

@testable import HostTrace

@Suite struct TraceRecordTests {
    /// Numbers from a seed, so that a failure can be played again (SplitMix64).
    struct Seeded: RandomNumberGenerator {
        var state: UInt64
        mutating func next() -> UInt64 {
            state &+= 0x9e37_79b9_7f4a_7c15
            var value = state
            value = (value ^ (value >> 30)) &* 0xbf58_476d_1ce4_e5b9
            value = (value ^ (value >> 27)) &* 0x94d0_49bb_1331_11eb
            return value ^ (value >> 31)
        }
    }

    private func bytes(of record: some BitwiseCopyable) -> [UInt8] { withUnsafeBytes(of: record, Array.init) }
    private func read(_ bytes: [UInt8]) -> TraceEvent? { bytes.withUnsafeBytes { TraceRecord.event($0, offset: 1000) } }
    private func header(_ kind: trace_kind) -> trace_header { trace_header(time: 500, kind: kind.rawValue, unused: 0) }

    /// A record of an exec with a path and argument bytes as given.
    private func exec(path: [UInt8], arguments: [UInt8], length: UInt32, total: UInt64) -> [UInt8] {
        var record = trace_exec()
        record.header = header(TRACE_EXEC)
        record.pid = 7
        record.parent = 1
        record.uid = 1000
        record.arguments_length = length
        record.arguments_total = total
        withUnsafeMutableBytes(of: &record.path) { $0.copyBytes(from: path.prefix($0.count)) }
        withUnsafeMutableBytes(of: &record.arguments) { $0.copyBytes(from: arguments.prefix($0.count)) }
        withUnsafeMutableBytes(of: &record.comm) { $0.copyBytes(from: Array("curl".utf8)) }
        return bytes(of: record)
    }

    @Test("an exec has its path, its arguments one by one, and its time on the wall clock") func execs() throws {
        let event = try #require(read(exec(path: Array("/bin/curl".utf8), arguments: Array("curl\0\0a b\0".utf8), length: 10, total: 10)))
        guard case .exec(let exec) = event.what else { throw Unexpected(event) }
        #expect(event.time == 1500)
        #expect(exec.path == "/bin/curl" && exec.process == .init(pid: 7, uid: 1000, name: "curl") && exec.parent == 1)
        #expect(exec.arguments == ["curl", "", "a b"])
        #expect(!exec.argumentsAreCut)
    }

    @Test("arguments that are cut, without a last zero, or stated longer than their field, are taken as far as they are there")
    func cutArguments() throws {
        let long = [UInt8](repeating: UInt8(ascii: "x"), count: 256)
        for length in [UInt32(256), 257, .max] {
            let event = try #require(read(exec(path: [], arguments: long, length: length, total: 4096)))
            guard case .exec(let exec) = event.what else { throw Unexpected(event) }
            #expect(exec.arguments == [String(repeating: "x", count: 256)] && exec.argumentsAreCut && exec.path.isEmpty)
        }
    }

    @Test("texts that are no UTF-8 are mended, not refused") func notUTF8() throws {
        let event = try #require(read(exec(path: [0x2f, 0xff, 0xfe], arguments: [0xc3, 0x28, 0], length: 3, total: 3)))
        guard case .exec(let exec) = event.what else { throw Unexpected(event) }
        #expect(exec.path == "/\u{fffd}\u{fffd}" && exec.arguments == ["\u{fffd}("])
    }

    @Test("a connection has its addresses in their order, and no owner when nobody saw its connect") func connections() throws {
        var record = trace_tcp()
        record.header = header(TRACE_TCP_STATE)
        record.flow.version = 6
        withUnsafeMutableBytes(of: &record.flow.source) { $0[15] = 1 }
        withUnsafeMutableBytes(of: &record.flow.destination) { bytes in
            bytes[0] = 0xfd
            bytes[15] = 2
        }
        record.flow.source_port = 40000
        record.flow.destination_port = 443
        record.old_state = 2
        record.new_state = 1
        let event = try #require(read(bytes(of: record)))
        guard case .tcp(let connection, .synSent, .established) = event.what else { throw Unexpected(event) }
        #expect(connection.flow.source == IPAddress("::1") && connection.flow.destination == IPAddress("fd00::2"))
        #expect(connection.flow.sourcePort == 40000 && connection.flow.destinationPort == 443)
        #expect(connection.owner == nil && connection.age == nil)
        record.flow.version = 4
        record.new_state = 250
        guard case .tcp(let old, _, .unknown) = try #require(read(bytes(of: record))).what else { throw Unexpected(event) }
        #expect(old.flow.destination == IPAddress("253.0.0.0"))
        record.flow.version = 9
        guard case .tcp(let none, _, _) = try #require(read(bytes(of: record))).what else { throw Unexpected(event) }
        #expect(none.flow.source == nil && none.flow.destination == nil)
    }

    @Test("a process that was killed has a signal, one that ended has a code") func ends() throws {
        for (status, code, signal) in [(0, 0, 0), (3 << 8, 3, 0), (9, 0, 9), (0x8b, 0, 11)] as [(UInt32, UInt8, UInt8)] {
            var record = trace_exit()
            record.header = header(TRACE_EXIT)
            record.status = status
            record.lifetime = .max
            guard case .exit(let exit) = try #require(read(bytes(of: record))).what else { throw Unexpected(nil) }
            #expect((exit.code, exit.signal) == (code, signal))
        }
    }

    @Test("whatever bytes come, they are an event or refused, and every event can be written as JSON") func fuzz() {
        var random = Seeded(state: 20_261_128)
        let words = KernelWords(reasons: [:])
        var read = 0
        for _ in 0..<5000 {
            var bytes = (0..<Int.random(in: 0...700, using: &random)).map { _ in UInt8.random(in: .min ... .max, using: &random) }
            // Mostly with a kind that exists, so that the bodies are reached.
            if bytes.count > 12, Int.random(in: 0..<10, using: &random) > 0 {
                bytes.replaceSubrange(8..<12, with: [UInt8.random(in: 0...8, using: &random), 0, 0, 0])
            }
            guard let event = self.read(bytes) else { continue }
            read += 1
            let line = event.json(words).closed
            #expect(line.first == UInt8(ascii: "{") && line.last == UInt8(ascii: "}"))
            #expect(!line.contains { $0 < 0x20 }, "a control character in \(String(decoding: line, as: UTF8.self))")
        }
        #expect(read > 500)
    }

    @Test("a record that is a byte too short is refused") func short() {
        let sizes = [
            (TRACE_EXEC, MemoryLayout<trace_exec>.size), (TRACE_EXIT, MemoryLayout<trace_exit>.size),
            (TRACE_TCP_STATE, MemoryLayout<trace_tcp>.size), (TRACE_TCP_RETRANSMIT, MemoryLayout<trace_tcp>.size),
            (TRACE_PACKET_DROP, MemoryLayout<trace_drop>.size), (TRACE_OOM_KILL, MemoryLayout<trace_oom>.size),
            (TRACE_DISK_ERROR, MemoryLayout<trace_disk_error>.size),
        ]
        for (kind, size) in sizes {
            var whole = [UInt8](repeating: 0, count: 1024)
            whole[8] = UInt8(kind.rawValue)
            #expect((0...1024).first { read(Array(whole.prefix($0))) != nil } == size)
        }
    }
}

/// An event of another kind than was expected.
struct Unexpected: Error {
    let event: TraceEvent?
    init(_ event: TraceEvent?) { self.event = event }
}
