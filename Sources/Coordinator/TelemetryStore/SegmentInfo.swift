// SPDX-License-Identifier: Apache-2.0

import MeshModel
import Telemetry

/// What memory holds of a segment: for a closed one only enough to know whether a query has to read its index.
struct SegmentInfo: Sendable {
    let file: StoreSegment
    /// Bytes of whole records.
    var length: Int
    /// Of the segment that is being written; a closed one has its index on disk.
    var entries: [IndexEntry] = []
    var isSealed = false
    private(set) var events: UInt64 = 0
    private(set) var oldest = EventTime(nanoseconds: .max)
    private(set) var newest = EventTime(nanoseconds: .min)
    private(set) var firstReceived = Int64.max
    private(set) var lastReceived = Int64.min
    private var nodes: Set<NodeID> = []

    init(file: StoreSegment, length: Int) {
        self.file = file
        self.length = length
    }

    mutating func add(_ entry: IndexEntry) {
        entries.append(entry)
        count(entry.head)
    }

    mutating func count(_ head: BlockHead) {
        events += head.summary.events - min(head.skipped, head.summary.events)
        if head.summary.events > 0 {
            oldest = min(oldest, head.summary.oldest)
            newest = max(newest, head.summary.newest)
        }
        firstReceived = min(firstReceived, head.receivedAt)
        lastReceived = max(lastReceived, head.receivedAt)
        nodes.insert(head.node)
    }

    func mayHold(_ query: TelemetryQuery) -> Bool {
        events > 0 && newest >= query.since && oldest < query.until && (query.node.map { nodes.contains($0) } ?? true)
    }

    /// The index, from memory or from the disk; a closed segment whose index cannot be read is read through.
    var index: [IndexEntry] {
        guard isSealed else { return entries }
        if let known = file.sealedIndex() { return known }
        var found: [IndexEntry] = []
        _ = file.scan { type, offset, content in
            guard type == .block, let (head, _) = try? BlockHead.split(content) else { return }
            found.append(IndexEntry(offset: offset, length: content.count, head: head))
        }
        return found
    }
}
