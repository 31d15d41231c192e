// SPDX-License-Identifier: Apache-2.0

import MeshModel
import MeshTesting
import Telemetry
import Testing

@testable import TelemetryStore

@Suite("Reading the store in the order in which events came", .timeLimit(.minutes(2)))
struct ArrivalTests {
    /// Reads to the end from `position` on, a little at a time.
    private func read(_ bench: StoreBench, _ position: inout StorePosition, bytes: Int = 3000) async throws -> StoreArrivals {
        var all = StoreArrivals(next: position)
        let reader = bench.store.arrivals
        while true {
            let page = try await reader.read(after: position, bytes: bytes)
            // A place is written down and read again between any two pages.
            position = try #require(StorePosition(page.next.description))
            #expect(position == page.next)
            all.events += page.events
            all.overtaken += page.overtaken
            all.damaged += page.damaged
            all.wasForeign = all.wasForeign || page.wasForeign
            if page.events.isEmpty { break }
        }
        all.next = position
        return all
    }

    private let beginning = StorePosition(segment: 0, offset: 0, before: 0)

    @Test(
        "each event comes once, in the order of arrival, whatever the page, across segments, repeats and restarts",
        arguments: [1, 900, 1 << 20])
    func once(bytes: Int) async throws {
        let bench = try StoreBench { $0.segmentBytes = 2000 }
        var position = beginning
        try await bench.append(try StoreBench.batch(1, 40))
        let first = try await read(bench, &position, bytes: bytes)
        #expect(first.events.map(\.event.number) == Array(1...40) && first.events.allSatisfy { $0.receivedAt == bench.now })
        #expect(position == bench.store.end)
        try await bench.append(try StoreBench.batch(30, 40))
        try bench.restart()
        try await bench.append(try StoreBench.batch(1, 20), node: "wrk-w-1", cluster: "west")
        let second = try await read(bench, &position, bytes: bytes)
        #expect(second.events.map(\.event.number) == Array(41...69) + Array(1...20))
        #expect(second.events.last?.event.node.text == "wrk-w-1" && second.overtaken == 0 && second.damaged == 0)
        #expect(try await read(bench, &position).events.isEmpty)
        let anew = bench.store.end
        #expect(anew == position)
    }

    @Test("what retention removed before it was read is a number, to the event")
    func overtaken() async throws {
        let bench = try StoreBench { ($0.segmentBytes, $0.retainedBytes) = (4000, 20_000) }
        var (position, seen): (StorePosition, UInt64) = (beginning, 0)
        try await bench.append(try StoreBench.batch(1, 10))
        seen += UInt64(try await read(bench, &position).events.count)
        for turn in 0..<200 { try await bench.append(try StoreBench.batch(UInt64(11 + turn * 50), 50)) }
        let rest = try await read(bench, &position)
        #expect(rest.overtaken > 0 && rest.events.last?.event.number == 10_010)
        #expect(seen + rest.overtaken + UInt64(rest.events.count) == 10_010)
        #expect(rest.events.map(\.event.number) == Array((10_011 - UInt64(rest.events.count))...10_010))
    }

    @Test("a block that cannot be read back costs its own events and no others")
    func damaged() async throws {
        let bench = try StoreBench()
        try await bench.append(try StoreBench.batch(1, 10))
        try await bench.append(try StoreBench.batch(11, 10))
        let end = bench.store.end.offset
        try await bench.append(try StoreBench.batch(21, 10))
        try bench.damage(try #require(bench.segments.last)) { $0[end - 5] ^= 0xff }
        var position = beginning
        let found = try await read(bench, &position)
        #expect(found.events.map(\.event.number) == Array(1...10) + Array(21...30) && found.damaged == 10)
    }

    @Test("a place of another store begins anew; a text that is no place is none")
    func foreign() async throws {
        let bench = try StoreBench()
        try await bench.append(try StoreBench.batch(1, 5))
        for place in [StorePosition(segment: 99, offset: 7, before: 2), StorePosition(segment: 1, offset: 7, before: 2000)] {
            var position = place
            let found = try await read(bench, &position)
            #expect(found.wasForeign && found.events.count == 5 && position == bench.store.end)
        }
        for text in ["", "1-2-3", "1-2-3-4-5", "1-2-3-x", "-1-2-3-4", "1--3-4", "99999999999999999999-1-1-1"] {
            #expect(StorePosition(text) == nil, "\(text)")
        }
    }
}
