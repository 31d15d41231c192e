// SPDX-License-Identifier: Apache-2.0

import FeedExport
import MeshModel
import MeshTesting
import OperatorAPI
import Telemetry
import Testing

@testable import meshgate

@Suite("Telemetry in words")
struct FeedTextTests {
    private func books(spool: UInt64, lost: [LossReason: UInt64] = [:]) throws -> BooksReply {
        let node = try SmallMesh.need(NodeID("wrk-e-1"))
        return BooksReply(
            lines: [.init(node: node, cluster: nil, source: "tracer", account: TelemetryAccount(produced: 5, delivered: 5, lost: lost))],
            agents: [.init(node: node, statedAt: Timestamp(seconds: 100), spoolBytes: spool, waiting: spool, failures: spool)],
            store: .init(
                segments: 1, bytes: .max, events: .max, oldest: nil, failures: 0, lastFailure: nil, refusedBatches: .max, correctedTimes: 0,
                damagedBlocks: 0, damagedSegments: 1))
    }

    @Test(
        "the books can be read whatever numbers agents state",
        arguments: [
            (0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (1535, "1.4 KiB"), (1 << 20, "1.0 MiB"), ((1 << 30) * 5 / 2, "2.5 GiB"),
            (UInt64.max / 10 + 1, "1717986918.4 GiB"), (.max, "17179869183.9 GiB"),
        ] as [(UInt64, String)])
    func sizes(bytes: UInt64, words: String) throws {
        let text = FeedText.books(try books(spool: bytes), now: Timestamp(seconds: 101))
        #expect(text.contains("and \(words) in its spool"), "\(text)")
        #expect(text.contains("1 damaged file set aside"))
    }

    @Test("losses without end add up to the largest number, and not to a small one")
    func losses() throws {
        let text = FeedText.books(try books(spool: 1, lost: [.ringFull: .max, .missing: 2]), now: Timestamp(seconds: 101))
        #expect(text.contains(" \(UInt64.max) "), "\(text)")
    }

    @Test("a reader who finds all places taken may ask again; one who asks for what is not there may not")
    func refusals() {
        #expect(EventFeed.FeedError.tooMany(limit: 256).refusal.kind == .unavailable)
        #expect(EventFeed.FeedError.ahead(asked: 9, head: 3).refusal.kind == .badRequest)
    }
}
