// SPDX-License-Identifier: Apache-2.0

import MeshModel
import Telemetry

/// One record of the store: a batch as it came, who sent it, and what its events are about.
struct StoredBlock: Hashable, Sendable {
    var node: NodeID
    var cluster: ClusterName?
    /// Milliseconds since 1970.
    var receivedAt: Int64
    /// Events at the beginning that an earlier block has already.
    var skipped: UInt64
    var summary: BlockSummary
    var batch: TelemetryBatch

    /// The block as it lies in a segment. The head comes first, so that an index can be made without touching the events.
    var encoded: [UInt8] {
        var head = ProtoWriter()
        writeHead(to: &head)
        let body = batch.encoded
        var bytes: [UInt8] = []
        bytes.reserveCapacity(4 + head.bytes.count + body.count)
        withUnsafeBytes(of: UInt32(head.bytes.count).littleEndian) { bytes.append(contentsOf: $0) }
        bytes += head.bytes
        bytes += body
        return bytes
    }

    private func writeHead(to writer: inout ProtoWriter) {
        BlockHead(node: node, cluster: cluster, source: batch.stream.source, receivedAt: receivedAt, skipped: skipped, summary: summary)
            .write(to: &writer)
    }

    /// Reads a whole block.
    init(decoding bytes: [UInt8]) throws(TelemetryFault) {
        let (head, rest) = try BlockHead.split(bytes)
        self.init(
            node: head.node, cluster: head.cluster, receivedAt: head.receivedAt, skipped: head.skipped, summary: head.summary,
            batch: try TelemetryBatch(decoding: Array(bytes[rest...])))
    }

    init(
        node: NodeID, cluster: ClusterName?, receivedAt: Int64, skipped: UInt64, summary: BlockSummary, batch: TelemetryBatch
    ) {
        self.node = node
        self.cluster = cluster
        self.receivedAt = receivedAt
        self.skipped = skipped
        self.summary = summary
        self.batch = batch
    }
}

/// What an index keeps of a block.
struct BlockHead: Hashable, Sendable {
    var node: NodeID
    var cluster: ClusterName?
    var source: TelemetrySource
    var receivedAt: Int64
    var skipped: UInt64
    var summary: BlockSummary

    /// False when the block has nothing of what is asked for.
    func mayHold(_ query: TelemetryQuery) -> Bool {
        (query.node.map { $0 == node } ?? true) && (query.cluster.map { $0 == cluster } ?? true)
            && (query.source.map { $0 == source } ?? true) && summary.mayHold(query)
    }

    func write(to writer: inout ProtoWriter) {
        writer.block(1, node.text.utf8)
        writer.block(2, (cluster?.text ?? "").utf8)
        writer.block(3, source.rawValue.utf8)
        writer.number(4, UInt64(bitPattern: receivedAt))
        writer.number(5, skipped)
        writer.number(6, summary.events)
        writer.fixed64(7, UInt64(bitPattern: summary.oldest.nanoseconds))
        writer.fixed64(8, UInt64(bitPattern: summary.newest.nanoseconds))
        if let kinds = summary.kinds { for kind in kinds { writer.block(9, kind.utf8) } } else { writer.number(10, 1) }
        if let terms = summary.terms {
            writer.block(11, terms.flatMap { withUnsafeBytes(of: $0.littleEndian, Array.init) })
        } else {
            writer.number(12, 1)
        }
    }

    init(node: NodeID, cluster: ClusterName?, source: TelemetrySource, receivedAt: Int64, skipped: UInt64, summary: BlockSummary) {
        self.node = node
        self.cluster = cluster
        self.source = source
        self.receivedAt = receivedAt
        self.skipped = skipped
        self.summary = summary
    }

    init(_ bytes: UnsafeRawBufferPointer, in range: Range<Int>) throws(TelemetryFault) {
        var (node, cluster, source): (NodeID?, ClusterName?, TelemetrySource?) = (nil, nil, nil)
        var (receivedAt, skipped): (UInt64, UInt64) = (0, 0)
        var summary = BlockSummary()
        var kinds: [String]? = []
        var reader = ProtoReader(bytes, in: range, of: "a block")
        func text(_ range: Range<Int>) -> String { String(decoding: UnsafeRawBufferPointer(rebasing: bytes[range]), as: UTF8.self) }
        while let field = try reader.next() {
            switch (field.id, field.type) {
            case (1, .block): node = NodeID(text(field.range))
            case (2, .block): cluster = ClusterName(text(field.range))
            case (3, .block): source = TelemetrySource(rawValue: text(field.range))
            case (4, .varint): receivedAt = field.number
            case (5, .varint): skipped = field.number
            case (6, .varint): summary.events = field.number
            case (7, .fixed64): summary.oldest = EventTime(nanoseconds: Int64(bitPattern: field.number))
            case (8, .fixed64): summary.newest = EventTime(nanoseconds: Int64(bitPattern: field.number))
            case (9, .block): kinds?.append(text(field.range))
            case (10, .varint): kinds = nil
            case (11, .block):
                summary.terms = stride(from: field.range.lowerBound, to: field.range.upperBound - 3, by: 4).map {
                    UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: $0, as: UInt32.self))
                }
            case (12, .varint): summary.terms = nil
            default: break
            }
        }
        guard let node, let source else { throw .badField("block.node", problem: "missing") }
        summary.kinds = kinds
        self.init(
            node: node, cluster: cluster, source: source, receivedAt: Int64(bitPattern: receivedAt), skipped: skipped, summary: summary)
    }

    /// The head at the beginning of a block, and where the batch begins.
    static func split(_ bytes: [UInt8]) throws(TelemetryFault) -> (head: BlockHead, rest: Int) {
        try bytes.withUnsafeBytes { buffer -> Result<(head: BlockHead, rest: Int), TelemetryFault> in
            guard buffer.count >= 4 else { return .failure(.notProtobuf("a block")) }
            let length = Int(UInt32(littleEndian: buffer.loadUnaligned(as: UInt32.self)))
            guard length <= buffer.count - 4 else { return .failure(.notProtobuf("a block")) }
            do throws(TelemetryFault) {
                return .success((try BlockHead(buffer, in: 4..<4 + length), 4 + length))
            } catch {
                return .failure(error)
            }
        }.get()
    }
}
