// SPDX-License-Identifier: Apache-2.0

import CLinux
import Glibc
import MeshModel
import MeshSystem
import MeshTesting
import Telemetry
import Testing

@testable import TelemetryStore

@Suite("The store keeps each event once, and its books are what it keeps", .timeLimit(.minutes(2)))
struct StoreTests {
    @Test("events come back as they came, with node, cluster and number")
    func plain() async throws {
        let bench = try StoreBench()
        #expect(try await bench.append(try StoreBench.batch(1, 3), try StoreBench.batch(4, 2, packed: false)) == [nil, nil])
        let events = try await bench.all()
        #expect(events.map(\.number) == [1, 4, 2, 5, 3])
        #expect(events.allSatisfy { $0.node.text == "wrk-e-1" && $0.cluster?.text == "east" })
        #expect(events[1].event.attributes.pid == 4)
        #expect(events[1].event.body == .json(#"{"number":4}"#))
        #expect(try bench.account() == TelemetryAccount(produced: 5, delivered: 5))
    }

    @Test("what comes again, whole or in part, is stored once")
    func again() async throws {
        let bench = try StoreBench()
        try await bench.append(try StoreBench.batch(1, 5))
        try await bench.append(try StoreBench.batch(1, 5))
        try await bench.append(try StoreBench.batch(4, 4))
        #expect(try await bench.all().map(\.number).sorted() == Array(1...7))
        try bench.restart()
        try await bench.append(try StoreBench.batch(1, 7))
        #expect(try await bench.all().map(\.number).sorted() == Array(1...7))
        #expect(try bench.account() == TelemetryAccount(produced: 7, delivered: 7))
        #expect(bench.store.status.events == 7)
    }

    @Test("losses, holes and refusals are in the books, also after a restart")
    func losses() async throws {
        let bench = try StoreBench()
        var events = PackedEvents()
        for _ in 0..<2 { events.append(TelemetryEvent(time: EventTime(bench.now), kind: .oomKill)) }
        try await bench.append(try StoreBench.batch(1, [.events(1), .lost(7, .ringFull), .events(1)], events))
        try await bench.append(try StoreBench.batch(20, 1))
        var bad = try StoreBench.batch(21, 2)
        bad.packed[bad.packed.count / 2] ^= 0xff
        #expect(try await bench.append(bad, try StoreBench.batch(23, 1))[0]?.contains("gzip") == true)
        let expected = TelemetryAccount(produced: 23, delivered: 4, lost: [.ringFull: 7, .missing: 10, .refused: 2])
        #expect(try bench.account() == expected)
        #expect(try await bench.all().map(\.number).sorted() == [1, 9, 20, 23])
        try bench.restart()
        #expect(try bench.account() == expected)
    }

    static let hostile: [@Sendable (inout TelemetryBatch) throws -> Void] = [
        { $0.packed = [1, 2, 3] },
        { $0.packing = .plain },
        { $0.plainBytes -= 1 },
        { $0.runs = [.events(4)] },
        {
            $0.packed = try Gzip.compress([UInt8](repeating: 0, count: 64 << 20)); $0.plainBytes = 1 << 20
        },
        {
            $0.packed = try Gzip.compress([UInt8](repeating: 0x0a, count: 1000)); $0.plainBytes = 1000
        },
        { $0.packed += [0] },
    ]

    @Test("bombs, lies and garbage are refused, counted, and disturb nobody", arguments: hostile.indices)
    func refused(_ index: Int) async throws {
        let bench = try StoreBench()
        var bad = try StoreBench.batch(1, 3)
        try Self.hostile[index](&bad)
        let answers = try await bench.append(bad, try StoreBench.batch(bad.next, 1))
        #expect(answers[0] != nil && answers[1] == nil)
        #expect(try bench.account()?.lost == [.refused: bad.eventCount])
        #expect(bench.store.status.refusedBatches == 1)
        try await bench.append(try StoreBench.batch(1, 3), node: "wrk-w-1", cluster: "west")
        #expect(try bench.account("wrk-w-1") == TelemetryAccount(produced: 3, delivered: 3))
    }

    @Test(
        "a clock that is decades off moves the event to its arrival and keeps what it said",
        arguments: [0, 4_102_444_800, Int64.max / 1_000_000_000, -1])
    func clocks(seconds: Int64) async throws {
        let bench = try StoreBench()
        var events = PackedEvents()
        let stated = EventTime(nanoseconds: seconds * 1_000_000_000)
        events.append(TelemetryEvent(time: stated, kind: .processExec, body: .json("{}")))
        events.append(TelemetryEvent(time: EventTime(bench.now), kind: .processExit))
        try await bench.append(try StoreBench.batch(1, [.events(2)], events))
        let now = EventTime(bench.now)
        let found = try await bench.all(TelemetryQuery(since: now, until: EventTime(nanoseconds: now.nanoseconds + 1)))
        #expect(found.map(\.event.statedTime) == [stated, nil])
        #expect(bench.store.status.correctedTimes == 1)
        try bench.restart()
        #expect(try await bench.all().count == 2)
    }

    @Test("what was not finished when the power went is cut off; what was acknowledged is there", arguments: [1, 8, 9, 200])
    func torn(cut: Int) async throws {
        let bench = try StoreBench()
        try await bench.append(try StoreBench.batch(1, 50))
        try await bench.append(try StoreBench.batch(51, 50))
        try bench.damage(try #require(bench.segments.last)) { $0.removeLast(cut) }
        try bench.restart()
        #expect(try bench.account() == TelemetryAccount(produced: 50, delivered: 50))
        try await bench.append(try StoreBench.batch(51, 50))
        try bench.restart()
        #expect(try await bench.all().count == 100)
        #expect(try bench.account() == TelemetryAccount(produced: 100, delivered: 100))
    }

    @Test("the oldest goes when there are too many bytes or too many days; the books stay")
    func retention() async throws {
        let bench = try StoreBench { ($0.segmentBytes, $0.retainedBytes, $0.retainedFor) = (4000, 20_000, .seconds(8000)) }
        for index in 0..<60 as Range<UInt64> { try await bench.append(try StoreBench.batch(index * 20 + 1, 20)) }
        let status = bench.store.status
        #expect(status.bytes <= 20_000 + 8000)
        #expect(status.segments > 2)
        #expect(try await bench.all().map(\.number).max() == 1200)
        #expect(try await bench.all().count < 1200)
        #expect(try bench.account() == TelemetryAccount(produced: 1200, delivered: 1200))
        bench.advance(.seconds(9000))
        try await bench.append(try StoreBench.batch(1201, 1, at: 9000))
        try await bench.append(try StoreBench.batch(1202, 1, at: 9000))
        #expect(try await bench.all().map(\.number) == [1201, 1202])
        try bench.restart()
        #expect(try bench.account() == TelemetryAccount(produced: 1202, delivered: 1202))
    }

    @Test("a full disk refuses and loses nothing; with room again the same batch is stored", .enabled(if: geteuid() == 0))
    func fullDisk() async throws {
        let path = "/tmp/meshgate-small-\(try KernelEntropy().hexID(byteCount: 6))"
        mkdir(path, 0o700)
        defer { rmdir(path) }
        #expect(meshgate_mount("tmpfs", path, "tmpfs", 0, "size=200k") == 0)
        defer { umount2(path, Int32(MNT_DETACH)) }
        let filler = open(path + "/filler", O_CREAT | O_WRONLY, 0o600)
        #expect(posix_fallocate(filler, 0, 120 << 10) == 0)
        close(filler)
        let bench = try StoreBench(in: path)
        var stored: UInt64 = 0
        await #expect(throws: StoreError.self) {
            while true {
                try await bench.append(try StoreBench.batch(stored + 1, 200, packed: false))
                stored += 200
            }
        }
        #expect(stored > 0)
        #expect(bench.store.status.lastFailure?.contains("No space left") == true)
        #expect(try bench.account() == TelemetryAccount(produced: stored, delivered: stored))
        unlink(path + "/filler")
        try await bench.append(try StoreBench.batch(stored + 1, 200, packed: false))
        try bench.restart()
        #expect(try await bench.all().count == Int(stored) + 200)
        #expect(try bench.account() == TelemetryAccount(produced: stored + 200, delivered: stored + 200))
    }

    @Test("numbers that an agent can tell nothing of any more are missing, and the stream is closed")
    func statements() async throws {
        let bench = try StoreBench()
        let (node, old, new) = (try #require(NodeID("wrk-e-1")), try StoreBench.stream(), try StoreBench.stream(instance: 2))
        try await bench.append(try StoreBench.batch(1, 10))
        bench.store.state(SpoolStatement(streams: [old: 15]), of: node, in: nil, at: Moment(wall: bench.now, boot: 0))
        try await bench.append(try StoreBench.batch(11, 2))
        #expect(try bench.account() == TelemetryAccount(produced: 15, delivered: 12))
        // A power cut: the agent has forgotten the last three, and counts anew.
        for _ in 0..<2 { bench.store.state(SpoolStatement(streams: [new: 4]), of: node, in: nil, at: Moment(wall: bench.now, boot: 0)) }
        try await bench.append(try StoreBench.batch(1, 1, stream: new))
        #expect(try bench.account() == TelemetryAccount(produced: 19, delivered: 13, lost: [.missing: 3]))
        try bench.restart()
        #expect(try bench.account()?.lost == [.missing: 3])
        #expect(try bench.account()?.delivered == 13)
    }

    @Test("random deliveries with restarts and torn tails: what is stored is what the books say")
    func walk() async throws {
        for seed in 0..<4 as Range<UInt64> {
            var random = SplitMix(seed: seed)
            let bench = try StoreBench { $0.segmentBytes = 3000 }
            var reached: UInt64 = 0
            for _ in 0..<60 {
                switch Int.random(in: 0..<10, using: &random) {
                case 0: try bench.restart()
                case 1:
                    guard let name = bench.segments.last else { continue }
                    try bench.damage(name) { $0 += [UInt8](repeating: 7, count: 20) }
                    try bench.restart()
                default:
                    let first = UInt64.random(in: max(1, reached > 20 ? reached - 20 : 1)...reached + 1, using: &random)
                    let count = Int.random(in: 1...30, using: &random)
                    try await bench.append(try StoreBench.batch(first, count))
                    reached = max(reached, first + UInt64(count) - 1)
                }
            }
            #expect(try bench.account() == TelemetryAccount(produced: reached, delivered: reached))
            #expect(try await bench.all().map(\.number).sorted() == Array(1...reached))
        }
    }
}
