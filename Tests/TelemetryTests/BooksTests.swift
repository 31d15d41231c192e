// SPDX-License-Identifier: Apache-2.0

import MeshModel
import MeshTesting
import Telemetry
import Testing

@Suite("The books balance whatever comes, in whatever order")
struct BooksTests {
    static func batch(_ first: UInt64, _ runs: TelemetryBatch.Run...) throws -> TelemetryBatch {
        TelemetryBatch(stream: try BatchCodingTests.stream(), first: first, runs: runs)
    }

    @Test("events and losses are settled by their numbers")
    func plain() throws {
        var ledger = StreamLedger()
        ledger.state(20)
        ledger.take(try Self.batch(1, .events(5), .lost(3, .ringFull), .events(2)))
        #expect(ledger.account == TelemetryAccount(produced: 20, delivered: 7, lost: [.ringFull: 3]))
        #expect(ledger.account.pending == 10)
        #expect(ledger.next == 11)
    }

    @Test("a batch that comes again changes nothing, one that overlaps is taken from where it is new")
    func again() throws {
        var ledger = StreamLedger()
        let batch = try Self.batch(1, .events(5), .lost(3, .ringFull), .events(2))
        ledger.take(batch)
        #expect(ledger.judge(batch) == .init(skippedEvents: 7, freshEvents: 0, hole: 0))
        ledger.take(batch)
        #expect(ledger.account == TelemetryAccount(produced: 10, delivered: 7, lost: [.ringFull: 3]))
        #expect(ledger.repeated == 10)
        let overlapping = try Self.batch(4, .events(2), .lost(3, .ringFull), .events(4))
        #expect(ledger.judge(overlapping) == .init(skippedEvents: 4, freshEvents: 2, hole: 0))
        ledger.take(overlapping)
        #expect(ledger.account == TelemetryAccount(produced: 12, delivered: 9, lost: [.ringFull: 3]))
    }

    @Test("numbers that never came are missing, and do not come back")
    func hole() throws {
        var ledger = StreamLedger()
        #expect(ledger.judge(try Self.batch(11, .events(1))).hole == 10)
        ledger.take(try Self.batch(11, .events(1)))
        ledger.take(try Self.batch(1, .events(10)))
        #expect(ledger.account == TelemetryAccount(produced: 11, delivered: 1, lost: [.missing: 10]))
    }

    @Test("a refused batch is lost, its own losses keep their reason")
    func refused() throws {
        var ledger = StreamLedger()
        ledger.take(try Self.batch(1, .events(5), .lost(2, .rateLimited)), refusal: .refused)
        #expect(ledger.account == TelemetryAccount(produced: 7, delivered: 0, lost: [.refused: 5, .rateLimited: 2]))
    }

    @Test("an absurd statement of an agent is not believed")
    func absurd() {
        var ledger = StreamLedger()
        ledger.state(.max)
        #expect(ledger.account.produced == 0)
    }

    @Test("two thousand random deliveries of one history, repeated, overlapping and torn, come to the same books")
    func walk() throws {
        for seed in 0..<40 as Range<UInt64> {
            var random = SplitMix(seed: seed)
            // The history: the fate of each number.
            let fates = (0..<500).map { _ in Int.random(in: 0..<4, using: &random) }
            func cut(_ from: Int, _ to: Int) throws -> TelemetryBatch {
                let runs = fates[from..<to].map { $0 == 0 ? TelemetryBatch.Run.lost(1, .ringFull) : .events(1) }
                return TelemetryBatch(stream: try BatchCodingTests.stream(), first: UInt64(from + 1), runs: runs)
            }
            var (ledger, stored, reached) = (StreamLedger(), UInt64(0), 0)
            while reached < fates.count {
                let from = Int.random(in: max(0, reached - 30)...reached, using: &random)
                let batch = try cut(from, Int.random(in: from + 1...min(from + 40, fates.count), using: &random))
                let admission = ledger.judge(batch)
                #expect(admission.skippedEvents + admission.freshEvents == batch.eventCount)
                stored += admission.freshEvents
                ledger.take(batch)
                reached = max(reached, Int(batch.next) - 1)
                #expect(ledger.account.isBalanced && ledger.account.pending == 0)
            }
            let lost = UInt64(fates.count { $0 == 0 })
            #expect(ledger.account == TelemetryAccount(produced: 500, delivered: 500 - lost, lost: [.ringFull: lost]))
            #expect(stored == 500 - lost)
        }
    }

    @Test("books of nodes and sources add up, and stay at the largest number instead of overflowing")
    func merges() throws {
        let node = try #require(NodeID("wrk-e-1"))
        var books = TelemetryBooks()
        books.add(TelemetryAccount(produced: 5, delivered: 3, lost: [.ringFull: 1]), node: node, source: .tracer)
        var others = TelemetryBooks()
        others.add(TelemetryAccount(produced: .max, delivered: 1, lost: [.ringFull: .max]), node: node, source: .tracer)
        others.add(TelemetryAccount(produced: 2, delivered: 2), node: node, source: .hubble)
        books.merge(others)
        #expect(
            books.accounts[.init(node: node, source: .tracer)] == TelemetryAccount(produced: .max, delivered: 4, lost: [.ringFull: .max]))
        #expect(books.total.delivered == 6)
        #expect(books.isBalanced)
        #expect(!TelemetryAccount(produced: 1, delivered: 2).isBalanced)
    }
}
