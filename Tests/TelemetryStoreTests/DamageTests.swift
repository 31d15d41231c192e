// SPDX-License-Identifier: Apache-2.0

import MeshModel
import MeshSystem
import MeshTesting
import Telemetry
import Testing

@testable import TelemetryStore

@Suite("A store whose files are damaged", .timeLimit(.minutes(1)))
struct DamageTests {
    private func bench(_ batches: Int, _ adjust: (inout StoreConfiguration) -> Void = { _ in }) async throws -> StoreBench {
        let bench = try StoreBench(adjust)
        for index in 0..<UInt64(batches) { try await bench.append(try StoreBench.batch(index * 10 + 1, 10)) }
        return bench
    }

    private func bytes(_ bench: StoreBench, _ name: String) throws -> [UInt8] {
        try #require(try LinuxFileStore().read(bench.directory + "/" + name, limit: 1 << 28))
    }

    @Test("acknowledged events behind damage are set aside and told of, and what is before it stays in use")
    func middle() async throws {
        let bench = try await bench(10)
        let name = try #require(bench.segments.last)
        try bench.damage(name) { $0[$0.count / 2] ^= 1 }
        let damaged = try bytes(bench, name)
        try bench.restart()
        #expect(bench.segments == [name, name + ".damaged"])
        #expect(try bytes(bench, name + ".damaged") == damaged)
        #expect(bench.store.status.damagedSegments == 1)
        #expect(bench.store.status.setAside.count == 1 && bench.store.status.setAside[0].contains(name + ".damaged"))
        let kept = try await bench.all().count
        #expect(kept >= 30 && kept < 60)
        // What the agent sends next shows how many numbers the damage cost.
        try await bench.append(try StoreBench.batch(101, 10))
        #expect(
            try bench.account() == TelemetryAccount(produced: 110, delivered: UInt64(kept) + 10, lost: [.missing: 100 - UInt64(kept)]))
        try bench.restart()
        #expect(try await bench.all().count == kept + 10)
        #expect(
            bench.store.status.damagedSegments == 1 && bench.store.status.setAside.isEmpty, "told once, shown until somebody removes it")
        try bench.damage(name) { $0[$0.count / 3] ^= 1 }
        try bench.restart()
        #expect(bench.segments == [name, name + ".damaged", name + ".damaged.2"])
    }

    @Test("a segment whose beginning is damaged is set aside whole, and its number is not used again", arguments: [0, 12])
    func beginning(place: Int) async throws {
        let bench = try await bench(5)
        let name = try #require(bench.segments.last)
        try bench.damage(name) { $0[place] ^= 1 }
        try bench.restart()
        #expect(bench.segments == [name + ".damaged"] && bench.store.status.damagedSegments == 1)
        try await bench.append(try StoreBench.batch(51, 10))
        #expect(bench.segments.count == 2 && !bench.segments.contains(name))
        #expect(try await bench.all().count == 10)
    }

    @Test("what a crash left unfinished is cut off and no damage, wherever it was torn", arguments: 0..<4 as Range<UInt64>)
    func torn(seed: UInt64) async throws {
        var random = SplitMix(seed: seed)
        let bench = try await bench(3)
        let name = try #require(bench.segments.last)
        let whole = try bytes(bench, name)
        for _ in 0..<20 {
            let length = Int.random(in: 0...whole.count, using: &random)
            let tail = (0..<Int.random(in: 0...300, using: &random)).map { _ in UInt8.random(in: 0...255, using: &random) }
            try bench.damage(name) { $0 = whole[..<length] + tail }
            try bench.restart()
            #expect(bench.store.status.damagedSegments == 0 && bench.store.status.setAside.isEmpty)
            let count = try await bench.all().count
            #expect(count % 10 == 0 && count <= 30)
            if bench.segments.isEmpty { try await bench.append(try StoreBench.batch(1, 1)) }
            guard bench.segments == [name] else { break }
        }
    }

    @Test("a damaged index does not keep a segment, nor those behind it, from being removed", arguments: [true, false])
    func index(isTrailer: Bool) async throws {
        let bench = try await bench(20) { ($0.segmentBytes, $0.retainedBytes) = (1500, 12_000) }
        let first = try #require(bench.segments.first)
        try bench.damage(first) { $0[$0.count - (isTrailer ? 3 : 40)] ^= 1 }
        try bench.restart()
        for index in 20..<60 as Range<UInt64> { try await bench.append(try StoreBench.batch(index * 10 + 1, 10)) }
        #expect(!bench.segments.contains(first))
        #expect(bench.store.status.bytes <= 12_000 + 3000)
    }

    @Test("a segment is as old after a restart as what is in it")
    func age() async throws {
        let bench = try StoreBench { $0.retainedFor = .seconds(8000) }
        try await bench.append(try StoreBench.batch(1, 10))
        for round in 1...3 as ClosedRange<UInt64> {
            bench.advance(.seconds(600))
            try bench.restart()
            try await bench.append(try StoreBench.batch(round * 10 + 1, 10))
        }
        // An eighth of the time is a segment's share: one was closed, however often the coordinator began anew.
        #expect(bench.segments.count == 2)
    }

    @Test("the index of the open segment grows in its place and is not copied at each turn")
    func growth() throws {
        let bench = try StoreBench()
        bench.store.close()
        var files = try StoreFiles(bench.configuration)
        let node = try #require(NodeID("wrk-e-1"))
        var places: Set<UnsafeRawPointer> = []
        for index in 0..<300 as Range<UInt64> {
            let batch = PreparedBatch(
                try StoreBench.batch(index * 2 + 1, 2), of: node, in: nil, receivedAt: bench.now, bench.configuration)
            try files.append([batch], now: bench.now)
            let place = files.segments.last?.entries.withUnsafeBytes(\.baseAddress)
            places.insert(try #require(place.flatMap { $0 }))
        }
        #expect(places.count <= 12, "\(places.count) places for 300 turns")
    }
}
