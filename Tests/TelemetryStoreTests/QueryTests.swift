// SPDX-License-Identifier: Apache-2.0

import MeshModel
import MeshTesting
import Synchronization
import Telemetry
import Testing

@testable import TelemetryStore

@Suite("Queries find what is there, in order, and look into little else", .timeLimit(.minutes(2)))
struct QueryTests {
    @Test("of many blocks only those are unpacked that can hold what is asked for")
    func index() async throws {
        let bench = try StoreBench { $0.segmentBytes = 20_000 }
        for index in 0..<200 as Range<UInt64> {
            let isRare = index == 123
            try await bench.append(
                try StoreBench.batch(
                    index * 10 + 1, 10, at: Double(index), kind: isRare ? .processExit : .processExec,
                    binary: isRare ? "/opt/odd/nc" : "/usr/bin/sh", namespace: isRare ? "dark" : "shop"))
        }
        for query in [
            TelemetryQuery(kind: .processExit), TelemetryQuery(binary: TextPattern("*/nc")), TelemetryQuery(namespace: TextPattern("dark")),
            TelemetryQuery(since: Self.at(123), until: Self.at(123.5)),
        ] {
            let reader = bench.store.events(query)
            var found: [StoredEvent] = []
            while let more = try await reader.next() { found += more }
            #expect(found.map(\.number) == Array(1231...1240))
            #expect(reader.examinedBlocks == 1)
        }
    }

    static func at(_ seconds: Double) -> EventTime {
        EventTime(nanoseconds: StoreBench.start.milliseconds * 1_000_000 + Int64(seconds * 1e9))
    }

    @Test(
        "events of many nodes come in the order of their time, whatever the order of arrival, and any query finds what a plain search finds"
    )
    func order() async throws {
        for seed in 0..<3 as Range<UInt64> {
            var random = SplitMix(seed: seed)
            let bench = try StoreBench { $0.segmentBytes = 8000 }
            let kinds: [EventKind] = [.processExec, .processExit, .tcpConnect]
            let binaries = ["/usr/bin/nc", "/bin/sh", "/opt/nc", "/usr/bin/ncat"]
            var next: [String: UInt64] = [:]
            for _ in 0..<80 {
                let east = Bool.random(using: &random)
                let node = (east ? "wrk-e-" : "wrk-w-") + String(Int.random(in: 1...3, using: &random))
                let count = Int.random(in: 1...15, using: &random)
                let first = next[node] ?? 1
                next[node] = first + UInt64(count)
                try await bench.append(
                    try StoreBench.batch(
                        first, count, at: Double.random(in: 0...5, using: &random), kind: kinds[Int.random(in: 0..<3, using: &random)],
                        binary: binaries[Int.random(in: 0..<4, using: &random)]), node: node, cluster: east ? "east" : "west")
            }
            let everything = try await bench.all()
            #expect(everything.map(\.event.time) == everything.map(\.event.time).sorted())
            #expect(everything.count == next.values.reduce(0) { $0 + Int($1) - 1 })
            for _ in 0..<30 {
                var query = TelemetryQuery()
                if Bool.random(using: &random) { query.cluster = ClusterName("east") }
                if Bool.random(using: &random) { query.node = NodeID("wrk-e-1") }
                if Bool.random(using: &random) { query.kind = kinds[Int.random(in: 0..<3, using: &random)] }
                if Bool.random(using: &random) {
                    query.binary = TextPattern(["*/nc", "/usr/*", "/bin/sh", "*nc*"][Int.random(in: 0..<4, using: &random)])
                }
                if Bool.random(using: &random) { query.since = Self.at(Double.random(in: 0...3, using: &random)) }
                if Bool.random(using: &random) { query.until = Self.at(Double.random(in: 2...6, using: &random)) }
                let wanted = everything.filter { stored in
                    (query.cluster.map { $0 == stored.cluster } ?? true) && (query.node.map { $0 == stored.node } ?? true)
                        && (query.kind.map { $0 == stored.event.kind } ?? true)
                        && (query.binary?.matches(stored.event.attributes.binary ?? "") ?? true) && stored.event.time >= query.since
                        && stored.event.time < query.until
                }
                #expect(try await bench.all(query) == wanted)
                #expect(try await bench.all(query, newest: 10) == Array(wanted.suffix(10)))
            }
            try bench.restart()
            #expect(try await bench.all() == everything)
        }
    }

    @Test("whoever asks for the rare hears now and then that the search goes on, and gets what there is", arguments: [nil, 10])
    func patience(newest: Int?) async throws {
        let bench = try StoreBench { $0.segmentBytes = 5000 }
        for index in 0..<100 as Range<UInt64> {
            try await bench.append(
                try StoreBench.batch(index * 2 + 1, 2, at: Double(index), binary: index == 50 ? "/opt/odd/xyz" : "/usr/bin/sh"))
        }
        // Of a pattern without a whole name the index knows nothing.
        let query = TelemetryQuery(binary: TextPattern("*xy*"))
        let reader = bench.store.events(query, newest: newest, limits: .init(patience: 7))
        var pieces: [[UInt64]] = []
        while let piece = try await reader.next() { pieces.append(piece.map(\.number)) }
        #expect(pieces.filter { !$0.isEmpty } == [[101, 102]])
        #expect(pieces.count >= 100 / 7 && reader.examinedBlocks == 100)
    }

    @Test("a reader that is cancelled looks into no further block", arguments: [nil, 10])
    func cancelled(newest: Int?) async throws {
        let bench = try StoreBench()
        for index in 0..<50 as Range<UInt64> { try await bench.append(try StoreBench.batch(index * 2 + 1, 2, at: Double(index))) }
        let reader = bench.store.events(TelemetryQuery(reason: TextPattern("*x*")), newest: newest, limits: .init(patience: 5))
        #expect(try await reader.next() == [])
        reader.cancel()
        #expect(try await reader.next() == nil)
        #expect(reader.examinedBlocks == 5)
    }

    @Test("what waits for its turn is bounded in bytes: events come out of order rather than all at once")
    func bytes() async throws {
        let bench = try StoreBench()
        // One that is old in the last block makes all others wait.
        for index in 0..<20 as Range<UInt64> {
            var events = PackedEvents()
            for age in [0, 500 - Double(index)] {
                var event = TelemetryEvent(time: Self.at(age), kind: .processExec)
                event.body = .json(#"{"x":"\#(String(repeating: "x", count: 5000))"}"#)
                events.append(event)
            }
            try await bench.append(try StoreBench.batch(index * 2 + 1, [.events(2)], events))
        }
        let reader = bench.store.events(TelemetryQuery(), limits: .init(bytes: 30_000))
        var (numbers, longest): ([UInt64], Int) = ([], 0)
        while let piece = try await reader.next() {
            numbers += piece.map(\.number)
            longest = max(longest, piece.count)
        }
        #expect(numbers.sorted() == Array(1...40) && longest <= 8)
        let newest = bench.store.events(TelemetryQuery(), newest: 30, limits: .init(bytes: 30_000))
        let few = try #require(try await newest.next())
        #expect((5...7).contains(few.count) && few.map(\.event.time) == few.map(\.event.time).sorted())
        #expect(few.last?.event.time == Self.at(500) && few.first?.event.time == Self.at(500 - Double(few.count - 1)))
    }

    @Test("of what arrives it is known without unpacking who may want it, and its outlines have no bodies")
    func outlines() async throws {
        let seen = Mutex<[Arrival]>([])
        let bench = try StoreBench { _ in
        } arrived: { arrivals, _ in
            seen.withLock { $0 += arrivals }
        }
        try await bench.append(try StoreBench.batch(1, 3, binary: "/usr/bin/nc", namespace: "shop"))
        let arrival = try #require(seen.withLock { $0.first })
        #expect(arrival.outlines.map(\.number) == [1, 2, 3] && arrival.outlines.allSatisfy { $0.event.body == nil })
        #expect(arrival.events(TelemetryQuery()).allSatisfy { $0.event.body != nil })
        for query in [
            TelemetryQuery(), TelemetryQuery(kind: .processExec), TelemetryQuery(cluster: ClusterName("east"), binary: TextPattern("*/nc")),
        ] { #expect(arrival.mayHold(query)) }
        for query in [
            TelemetryQuery(kind: .packetDrop), TelemetryQuery(cluster: ClusterName("west")), TelemetryQuery(node: NodeID("wrk-w-1")),
            TelemetryQuery(source: .hubble), TelemetryQuery(namespace: TextPattern("dark")),
        ] { #expect(!arrival.mayHold(query)) }
    }

    @Test("a block that cannot be read back is passed over and counted")
    func damage() async throws {
        let bench = try StoreBench { $0.segmentBytes = 1000 }
        for index in 0..<10 as Range<UInt64> { try await bench.append(try StoreBench.batch(index * 20 + 1, 20)) }
        try bench.damage(bench.segments[1]) { $0[$0.count / 3] ^= 1 }
        #expect(try await bench.all().count < 200)
        #expect(try await bench.all().count > 100)
        #expect(bench.store.status.damagedBlocks > 0)
        try bench.restart()
        #expect(try await bench.all().count > 100)
    }

    @Test("books come back from their coding; damaged books and blocks are refused and never end the program")
    func fuzz() throws {
        var random = SplitMix(seed: 11)
        var book = LedgerBook()
        let node = try #require(NodeID("wrk-e-1"))
        for _ in 0..<20 {
            let stream = try StoreBench.stream(TelemetrySource.allCases[Int.random(in: 0..<4, using: &random)], instance: random.next())
            book.take(
                TelemetryBatch(stream: stream, first: UInt64.random(in: 1...9, using: &random), runs: [.events(3), .lost(4, .ringFull)]),
                of: node)
        }
        _ = book.state(SpoolStatement(streams: [try StoreBench.stream(): 50]), of: node)
        #expect(try LedgerBook(decoding: book.encoded).books == book.books)
        let block = StoredBlock(
            node: node, cluster: ClusterName("east"), receivedAt: 5, skipped: 1,
            summary: try BlockSummary(of: try PreparedBatch.unpack(try StoreBench.batch(1, 5))), batch: try StoreBench.batch(1, 5))
        #expect(try StoredBlock(decoding: block.encoded) == block)
        for good in [book.encoded, block.encoded] {
            for _ in 0..<10_000 {
                var bytes = good
                for _ in 0..<3 { bytes[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(in: 0...255, using: &random) }
                _ = try? LedgerBook(decoding: bytes)
                _ = try? StoredBlock(decoding: bytes)
            }
        }
    }

    @Test("a node that begins streams without end is counted, and takes no more than its share of memory")
    func streamFlood() throws {
        var book = LedgerBook()
        let node = try #require(NodeID("wrk-e-1"))
        for instance in 0..<2000 as Range<UInt64> {
            book.take(TelemetryBatch(stream: try StoreBench.stream(instance: instance), first: 1, runs: [.lost(2, .other)]), of: node)
        }
        let count = try #require(book.streams[node]?.count)
        #expect((LedgerBook.mostStreams * 7 / 8...LedgerBook.mostStreams).contains(count))
        #expect(book.streams[node]?.keys.allSatisfy { $0.instance >= 2000 - UInt64(LedgerBook.mostStreams) } == true)
        #expect(book.books.total == TelemetryAccount(produced: 4000, delivered: 0, lost: [.other: 4000]))
    }
}
