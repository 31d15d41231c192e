// SPDX-License-Identifier: Apache-2.0

import MeshTesting
import MeshWire
import Testing

@Suite("FrameReader")
struct FrameReaderTests {
    @Test("frames come out whole, however the bytes were cut")
    func cuts() throws {
        let frames = try Samples.agentFrames()
        let stream = frames.flatMap(\.framed)
        for step in [1, 2, 3, 5, 7, 64, 1000, stream.count] {
            var reader = FrameReader(limit: 1 << 20)
            var read: [AgentFrame] = []
            for start in stride(from: 0, to: stream.count, by: step) {
                reader.append(stream[start..<min(start + step, stream.count)])
                while let bytes = try reader.next() { read.append(try AgentFrame(decoding: bytes)) }
            }
            #expect(read == frames)
            #expect(reader.pendingBytes == 0)
        }
    }

    @Test("a length above the limit is refused before its bytes are waited for")
    func tooLong() {
        var reader = FrameReader(limit: 1024)
        reader.append([0, 0, 4, 1])
        #expect(throws: WireError.frameTooLong(bytes: 1025, limit: 1024)) { try reader.next() }
        var full = FrameReader(limit: 1 << 20)
        full.append([0xff, 0xff, 0xff, 0xff])
        #expect(throws: WireError.frameTooLong(bytes: Int(UInt32.max), limit: 1 << 20)) { try full.next() }
    }

    @Test("a frame of exactly the limit passes and an empty one does not")
    func edges() throws {
        var reader = FrameReader(limit: 8)
        reader.append(FrameReader.frame([UInt8](repeating: 1, count: 8)))
        #expect(try reader.next()?.count == 8)
        reader.append([0, 0, 0, 0])
        #expect(throws: WireError.emptyFrame) { try reader.next() }
    }

    @Test("mutated streams never break the reader or the decoders, and never make it hold more than one frame")
    func fuzz() throws {
        var random = SplitMix(seed: 0x5eed)
        let agent = try Samples.agentFrames().map(\.framed)
        let coordinator = try Samples.coordinatorFrames().map(\.framed)
        var refused = 0
        var read = 0
        for _ in 0..<20_000 {
            var bytes = (Bool.random(using: &random) ? agent : coordinator).randomElement(using: &random) ?? []
            mutate(&bytes, using: &random)
            var reader = FrameReader(limit: 64 << 10)
            reader.append(bytes)
            do {
                while let frame = try reader.next() {
                    if (try? AgentFrame(decoding: frame)) != nil { read += 1 }
                    if (try? CoordinatorFrame(decoding: frame)) != nil { read += 1 }
                }
            } catch {
                refused += 1
            }
            #expect(reader.pendingBytes <= bytes.count)
        }
        #expect(refused > 0 && read > 0)
    }

    @Test("bodies with flipped, cut and spliced bytes decode or are refused, and what decodes survives its own encoding")
    func bodies() throws {
        var random = SplitMix(seed: 0xf00d)
        let samples = try Samples.agentFrames().map { body(of: $0.framed) }
        var decoded = 0
        for _ in 0..<20_000 {
            var bytes = samples.randomElement(using: &random) ?? []
            mutate(&bytes, using: &random)
            guard let frame = try? AgentFrame(decoding: bytes) else { continue }
            decoded += 1
            #expect(try AgentFrame(decoding: body(of: frame.framed)) == frame)
        }
        #expect(decoded > 100)
    }

    private func mutate(_ bytes: inout [UInt8], using random: inout SplitMix) {
        for _ in 0..<Int.random(in: 1...4, using: &random) where !bytes.isEmpty {
            let index = Int.random(in: bytes.indices, using: &random)
            switch Int.random(in: 0..<5, using: &random) {
            case 0: bytes[index] ^= 1 << UInt8.random(in: 0..<8, using: &random)
            case 1: bytes[index] = [0, 1, 0x7f, 0x80, 0xff].randomElement(using: &random) ?? 0
            case 2: bytes.removeSubrange(index...)
            case 3: bytes.insert(contentsOf: bytes[index...].prefix(16), at: index)
            default: bytes.remove(at: index)
            }
        }
    }
}
