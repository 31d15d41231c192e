// SPDX-License-Identifier: Apache-2.0

import MeshModel
import Telemetry

/// The ledgers of all streams, and what finished ones came to. It is what each segment begins with, so the books live as long as the store.
struct LedgerBook: Hashable, Sendable {
    /// Streams of one node that are counted apart. An honest node has one for each source and for each boot that its spool still tells of; for a
    /// dishonest one the oldest are closed.
    static let mostStreams = 256

    struct Stream: Hashable, Sendable {
        var ledger = StreamLedger()
        /// Grows with each use; the smallest is closed first.
        var used: UInt64 = 0
    }

    private(set) var streams: [NodeID: [TelemetryStream: Stream]] = [:]
    /// What the streams that are no more came to.
    private(set) var closed = TelemetryBooks()
    private var clock: UInt64 = 0

    subscript(node: NodeID, stream: TelemetryStream) -> StreamLedger { streams[node]?[stream]?.ledger ?? StreamLedger() }

    /// Settles the numbers of a batch.
    mutating func take(_ batch: TelemetryBatch, of node: NodeID) {
        change(node, batch.stream) { $0.take(batch) }
    }

    private mutating func change(_ node: NodeID, _ stream: TelemetryStream, _ body: (inout StreamLedger) -> Void) {
        clock += 1
        var known = streams[node, default: [:]][stream] ?? Stream()
        body(&known.ledger)
        known.used = clock
        streams[node, default: [:]][stream] = known
        guard let all = streams[node], all.count > Self.mostStreams else { return }
        // Some at once: a search for each of a flood of streams would cost more than the streams.
        for (stream, _) in all.sorted(by: { $0.value.used < $1.value.used }).prefix(Self.mostStreams / 8) { close(node, stream) }
    }

    private mutating func close(_ node: NodeID, _ stream: TelemetryStream) {
        guard let known = streams[node]?.removeValue(forKey: stream) else { return }
        closed.add(known.ledger.account, node: node, source: stream.source)
    }

    /// Takes what an agent says: how far its streams go. Returns gaps for the numbers that it can tell nothing of any more, to be stored; a stream
    /// without any is closed at once.
    mutating func state(_ statement: SpoolStatement, of node: NodeID) -> [TelemetryBatch] {
        for (stream, produced) in statement.streams.sorted(by: { $0.key < $1.key }) { change(node, stream) { $0.state(produced) } }
        guard statement.isComplete else { return [] }
        var gaps: [TelemetryBatch] = []
        for (stream, known) in streams[node] ?? [:] where statement.streams[stream] == nil {
            let ledger = known.ledger
            if ledger.stated >= ledger.next {
                gaps.append(
                    TelemetryBatch(stream: stream, first: ledger.next, runs: [.lost(ledger.stated - ledger.next + 1, .missing)]))
            } else {
                close(node, stream)
            }
        }
        return gaps.sorted { $0.stream < $1.stream }
    }

    /// The books of every node and source.
    var books: TelemetryBooks {
        var books = closed
        for (node, streams) in streams {
            for (stream, known) in streams { books.add(known.ledger.account, node: node, source: stream.source) }
        }
        return books
    }

    // MARK: coding

    var encoded: [UInt8] {
        var writer = ProtoWriter()
        for (node, streams) in streams.sorted(by: { $0.key < $1.key }) {
            for (stream, known) in streams.sorted(by: { $0.key < $1.key }) {
                writer.message(1) { writer in
                    writer.block(1, node.text.utf8)
                    writer.block(2, stream.source.rawValue.utf8)
                    writer.block(3, stream.boot.text.utf8)
                    writer.fixed64(4, stream.instance)
                    writer.number(5, known.ledger.next)
                    writer.number(6, known.ledger.stated)
                    writer.number(7, known.ledger.repeated)
                    Self.write(TelemetryAccount(delivered: known.ledger.delivered, lost: known.ledger.lost), to: &writer)
                }
            }
        }
        for (key, account) in closed.accounts.sorted(by: { $0.key < $1.key }) {
            writer.message(2) { writer in
                writer.block(1, key.node.text.utf8)
                writer.block(2, key.source.rawValue.utf8)
                writer.number(6, account.produced)
                Self.write(account, to: &writer)
            }
        }
        return writer.bytes
    }

    private static func write(_ account: TelemetryAccount, to writer: inout ProtoWriter) {
        writer.number(8, account.delivered)
        for (reason, count) in account.lost.sorted(by: { $0.key < $1.key }) {
            writer.message(9) {
                $0.block(1, reason.rawValue.utf8)
                $0.number(2, count)
            }
        }
    }

    init() {}

    init(decoding bytes: [UInt8]) throws(TelemetryFault) {
        self = try bytes.withUnsafeBytes { buffer -> Result<LedgerBook, TelemetryFault> in
            do throws(TelemetryFault) { return .success(try LedgerBook(buffer)) } catch { return .failure(error) }
        }.get()
    }

    private init(_ bytes: UnsafeRawBufferPointer) throws(TelemetryFault) {
        var reader = ProtoReader(bytes, in: 0..<bytes.count, of: "the books")
        while let field = try reader.next() {
            guard field.type == .block else { continue }
            let line = try Line(bytes, in: field.range)
            guard let node = line.node, let source = line.source else { throw .badField("books.node", problem: "missing") }
            switch field.id {
            case 1:
                guard let boot = line.boot else { throw .badField("books.boot", problem: "missing") }
                let ledger = StreamLedger(
                    next: max(1, line.next), stated: line.stated, delivered: line.delivered, lost: line.lost, repeated: line.repeated)
                streams[node, default: [:]][TelemetryStream(source: source, boot: boot, instance: line.instance)] = Stream(ledger: ledger)
            case 2:
                closed.add(TelemetryAccount(produced: line.stated, delivered: line.delivered, lost: line.lost), node: node, source: source)
            default: break
            }
        }
    }

    private struct Line {
        var node: NodeID?
        var source: TelemetrySource?
        var boot: BootID?
        var (instance, next, stated, repeated, delivered): (UInt64, UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0, 0)
        var lost: [LossReason: UInt64] = [:]

        init(_ bytes: UnsafeRawBufferPointer, in range: Range<Int>) throws(TelemetryFault) {
            func text(_ range: Range<Int>) -> String { String(decoding: UnsafeRawBufferPointer(rebasing: bytes[range]), as: UTF8.self) }
            var reader = ProtoReader(bytes, in: range, of: "the books")
            while let field = try reader.next() {
                switch (field.id, field.type) {
                case (1, .block): node = NodeID(text(field.range))
                case (2, .block): source = TelemetrySource(rawValue: text(field.range))
                case (3, .block): boot = BootID(text(field.range))
                case (4, .fixed64): instance = field.number
                case (5, .varint): next = field.number
                case (6, .varint): stated = field.number
                case (7, .varint): repeated = field.number
                case (8, .varint): delivered = field.number
                case (9, .block):
                    var (reason, count) = (LossReason.other, UInt64(0))
                    var inner = ProtoReader(bytes, in: field.range, of: "the books")
                    while let part = try inner.next() {
                        if part.id == 1, part.type == .block { reason = LossReason(word: text(part.range)) }
                        if part.id == 2, part.type == .varint { count = part.number }
                    }
                    lost[reason, default: 0] &+= count
                default: break
                }
            }
        }
    }
}
