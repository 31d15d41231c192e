// SPDX-License-Identifier: Apache-2.0

import MeshSystem
import Testing

@Suite("gzip within limits")
struct GzipTests {
    private let generous = Gzip.Limits(outputBytes: 64 << 20, ratio: 2000)

    private func noise(_ count: Int) throws -> [UInt8] { try KernelEntropy().bytes(count) }

    @Test("what is packed unpacks to the same, empty and large", arguments: [0, 1, 32_768, 65_536, 3_000_001])
    func roundTrip(count: Int) throws {
        let bytes = try noise(count)
        #expect(try Gzip.decompress(Gzip.compress(bytes), limits: generous) == bytes)
        let zeros = [UInt8](repeating: 0, count: count)
        #expect(try Gzip.decompress(Gzip.compress(zeros, level: 9), limits: generous) == zeros)
    }

    @Test("gzip of Debian reads what we write and writes what we read")
    func foreign() async throws {
        let text = Array("the quick brown fox\n".utf8)
        let runner = ProcessCommandRunner()
        let unpacked = try await runner.run(Invocation("gzip", ["-dc"], standardInput: Gzip.compress(text), deadline: .seconds(20)))
        #expect(unpacked.standardOutput == text)
        let packed = try await runner.run(Invocation("gzip", ["-c"], standardInput: text, deadline: .seconds(20)))
        #expect(try Gzip.decompress(packed.standardOutput, limits: generous) == text)
    }

    @Test("pieces of any size make the same stream")
    func pieces() throws {
        let bytes = Array(String(repeating: "abc,", count: 5000).utf8)
        let writer = try GzipWriter()
        var packed: [UInt8] = []
        for start in stride(from: 0, to: bytes.count, by: 777) {
            packed += try writer.feed(Array(bytes[start..<min(start + 777, bytes.count)]))
        }
        packed += try writer.finish()
        let reader = try GzipReader(limits: generous)
        var unpacked: [UInt8] = []
        for byte in packed { unpacked += try reader.feed([byte]) }
        try reader.finish()
        #expect(unpacked == bytes)
    }

    @Test("a bomb is refused by its ratio, and by size when the ratio is allowed")
    func bomb() throws {
        let bomb = try Gzip.compress([UInt8](repeating: 0, count: 50 << 20))
        #expect(throws: SystemError.gzip(.ratioTooHigh(limit: 100))) {
            try Gzip.decompress(bomb, limits: Gzip.Limits(outputBytes: 1 << 30))
        }
        #expect(throws: SystemError.gzip(.tooLarge(limit: 1 << 20))) {
            try Gzip.decompress(bomb, limits: Gzip.Limits(outputBytes: 1 << 20, ratio: 2000))
        }
    }

    @Test("every truncation is refused")
    func truncated() throws {
        let packed = try Gzip.compress(Array("some words to pack".utf8))
        for length in 0..<packed.count {
            #expect(throws: SystemError.gzip(.truncated)) { try Gzip.decompress(Array(packed.prefix(length)), limits: generous) }
        }
    }

    @Test("a wrong checksum, a wrong length, foreign data and bytes after the end are refused")
    func damaged() throws {
        let packed = try Gzip.compress(Array("some words to pack".utf8))
        for offset in [8, 4] {
            var wrong = packed
            wrong[wrong.count - offset] ^= 1
            #expect(throws: SystemError.self) { try Gzip.decompress(wrong, limits: generous) }
        }
        #expect(throws: SystemError.self) { try Gzip.decompress(Array("not gzip at all".utf8), limits: generous) }
        #expect(throws: SystemError.gzip(.trailingBytes(3))) { try Gzip.decompress(packed + [0, 1, 2], limits: generous) }
        #expect(throws: SystemError.gzip(.trailingBytes(packed.count))) { try Gzip.decompress(packed + packed, limits: generous) }
        let reader = try GzipReader(limits: generous)
        _ = try reader.feed(packed)
        #expect(throws: SystemError.gzip(.trailingBytes(1))) { try reader.feed([0]) }
    }
}
