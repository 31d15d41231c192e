// SPDX-License-Identifier: Apache-2.0

import MeshModel
import MeshTesting
import Telemetry
import Testing

@Suite("Batches keep their numbers over the wire, and nothing that breaks a rule gets in")
struct BatchCodingTests {
    static func stream() throws -> TelemetryStream {
        TelemetryStream(source: .tetragon, boot: try #require(BootID("0123abcd-0000")), instance: 0xfeed_beef_0000_0001)
    }

    static func batch() throws -> TelemetryBatch {
        var events = PackedEvents()
        for _ in 0..<3 { events.append(EventCodingTests.full) }
        return TelemetryBatch(
            stream: try stream(), first: 41, runs: [.events(2), .lost(9, .ringFull), .events(1)], packed: events.bytes,
            plainBytes: UInt64(events.sizeInBytes))
    }

    @Test("a batch comes back as it was, and its events with it")
    func roundTrip() throws {
        let back = try TelemetryBatch(decoding: try Self.batch().encoded)
        #expect(back == (try Self.batch()))
        #expect((back.count, back.next, back.eventCount) == (12, 53, 3))
        #expect(try PackedEvents.events(in: back.packed) == Array(repeating: EventCodingTests.full, count: 3))
    }

    @Test("a batch whose events are gone still accounts for each number")
    func allLost() throws {
        let gone = try Self.batch().allLost(.spoolFull)
        #expect(gone.runs == [.lost(9, .ringFull), .lost(3, .spoolFull)])
        #expect((gone.first, gone.next, gone.eventCount) == (41, 53, 0))
        #expect(try TelemetryBatch(decoding: gone.encoded) == gone)
    }

    static let hostile: [(String, @Sendable (inout TelemetryBatch) -> Void)] = [
        ("batch.first", { $0.first = 0 }),
        ("batch.first", { $0.first = .max }),
        ("batch.runs", { $0.runs = [] }),
        ("batch.runs", { $0.runs = [.events(1), .lost(1 << 63, .ringFull)] }),
        ("batch.runs", { $0.runs = [.lost(.max, .ringFull), .lost(.max, .ringFull), .events(1)] }),
        ("batch.runs", { $0.runs = [.events(1 << 40)] }),
        ("batch.run", { $0.runs = [.events(0)] }),
        ("batch.runs", { $0.runs = Array(repeating: .lost(1, .other), count: 2000) }),
        ("batch.packed", { $0.runs = [.lost(1, .other)] }),
        (
            "batch.packed",
            {
                $0.packed = []; $0.plainBytes = 0
            }
        ),
        ("batch.packed", { $0.packed = [UInt8](repeating: 0, count: 2 << 20) }),
        ("batch.plain_bytes", { $0.plainBytes = 7 }),
        (
            "batch.plain_bytes",
            {
                $0.packing = .gzip; $0.plainBytes = 1 << 40
            }
        ),
    ]

    @Test("a hostile batch is refused with the field that is wrong", arguments: hostile.indices)
    func refusals(_ index: Int) throws {
        var batch = try Self.batch()
        Self.hostile[index].1(&batch)
        #expect {
            try TelemetryBatch(decoding: batch.encoded)
        } throws: {
            "\($0)".contains(Self.hostile[index].0)
        }
    }

    @Test("a reason of a later version is counted as another one, a source of a later version is refused")
    func laterWords() throws {
        var bytes = try Self.batch().encoded
        let word = Array("ring_full".utf8)
        let place = try #require(bytes.indices.first { bytes[$0...].starts(with: word) })
        bytes.replaceSubrange(place..<place + word.count, with: "ring_fuzz".utf8)
        #expect(try TelemetryBatch(decoding: bytes).runs[1] == .lost(9, .other))
        bytes = try Self.batch().encoded
        bytes[4] = UInt8(ascii: "x")
        #expect(throws: TelemetryFault.self) { try TelemetryBatch(decoding: bytes) }
    }

    @Test("ten thousand damaged batches never end the program, and a ledger that takes them stays balanced")
    func fuzz() throws {
        var random = SplitMix(seed: 7)
        let good = try Self.batch().encoded
        var ledger = StreamLedger()
        for _ in 0..<10_000 {
            var bytes = good
            for _ in 0..<Int.random(in: 1...3, using: &random) {
                bytes[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
            }
            guard let batch = try? TelemetryBatch(decoding: bytes) else { continue }
            ledger.take(batch)
            _ = try? PackedEvents.events(in: batch.packed)
        }
        #expect(ledger.account.isBalanced)
    }

    @Test("the checksum is the one of RFC 3720")
    func checksum() {
        #expect(CRC32C.checksum([UInt8](repeating: 0, count: 32)) == 0x8a91_36aa)
        #expect(CRC32C.checksum([UInt8](repeating: 0xff, count: 32)) == 0x62a8_ab43)
        #expect(CRC32C.checksum(Array(0...31)) == 0x46dd_794e)
        #expect(CRC32C.checksum(Array("123456789".utf8)) == 0xe306_9283)
        let bytes = [UInt8]((0..<100).map { UInt8($0) })
        #expect(CRC32C.checksum(Array(bytes[37...]), seed: CRC32C.checksum(Array(bytes[..<37]))) == CRC32C.checksum(bytes))
    }
}
