// SPDX-License-Identifier: Apache-2.0

import Telemetry

/// What waits for the coordinator's acknowledgement, oldest first. Rules only; the bytes lie elsewhere.
///
///     entries   sent, not acknowledged | not sent
///                              cursor -^
struct SpoolQueue: Sendable {
    /// Where a batch's bytes are.
    enum Place: Hashable, Sendable {
        /// In segment `segment`, `length` bytes from `offset` on.
        case disk(segment: UInt64, offset: Int, length: Int)
        /// The encoded batch itself: the disk refused it.
        case memory([UInt8])
        /// The events are gone; only their fate is left.
        case gone([TelemetryBatch.Run])
    }

    struct Entry: Hashable, Sendable {
        var stream: TelemetryStream
        var first: UInt64
        var next: UInt64
        var place: Place
    }

    private(set) var entries: [Entry] = []
    private var cursor = 0
    private var acknowledged: [TelemetryStream: UInt64] = [:]

    var memoryBytes: Int { entries.reduce(0) { if case .memory(let bytes) = $1.place { $0 + bytes.count } else { $0 } } }

    /// The gaps as batches, to be kept over a restart.
    var gaps: [TelemetryBatch] {
        entries.compactMap { entry in
            guard case .gone(let runs) = entry.place else { return nil }
            return TelemetryBatch(stream: entry.stream, first: entry.first, runs: runs)
        }
    }

    /// The oldest segment that an entry still needs.
    var oldestSegment: UInt64? {
        entries.lazy.compactMap { if case .disk(let segment, _, _) = $0.place { segment } else { nil } }.min()
    }

    mutating func append(_ entry: Entry) {
        if case .gone = entry.place, mergeGap(entry) { return }
        entries.append(entry)
    }

    /// A new connection begins with the oldest.
    mutating func rewind() { cursor = 0 }

    /// The next one to send.
    mutating func takeNext() -> Entry? {
        guard cursor < entries.count else { return nil }
        defer { cursor += 1 }
        return entries[cursor]
    }

    var hasUnsent: Bool { cursor < entries.count }

    /// The coordinator has all of the stream's numbers up to `through`. True when something could be forgotten.
    mutating func acknowledge(_ stream: TelemetryStream, through: UInt64) -> Bool {
        acknowledged[stream] = max(acknowledged[stream] ?? 0, through)
        let settled = entries.prefix { $0.next - 1 <= acknowledged[$0.stream] ?? 0 }.count
        guard settled > 0 else { return false }
        entries.removeFirst(settled)
        cursor = max(0, cursor - settled)
        if entries.isEmpty { acknowledged = [:] }
        return true
    }

    /// Gives up what lies in `segment`; `fate` says what becomes of the numbers of an entry.
    mutating func giveUp(segment: UInt64, _ fate: (Entry) -> [TelemetryBatch.Run]) {
        replace { entry in
            if case .disk(segment, _, _) = entry.place { fate(entry) } else { nil }
        }
    }

    /// Gives up the oldest batch that memory holds. False when there is none.
    mutating func giveUpOldestInMemory(_ fate: (Entry) -> [TelemetryBatch.Run]) -> Bool {
        guard let oldest = entries.first(where: { if case .memory = $0.place { true } else { false } }) else { return false }
        replace { $0 == oldest ? fate($0) : nil }
        return true
    }

    /// Marks one entry as gone, because it could not be read back.
    mutating func giveUp(_ entry: Entry, _ runs: [TelemetryBatch.Run]) {
        replace { $0 == entry ? runs : nil }
    }

    /// Makes gaps of entries and joins those that meet, so that gaps stay few however many there are. What was sent stays sent.
    private mutating func replace(_ fate: (Entry) -> [TelemetryBatch.Run]?) {
        let sent = entries.prefix(cursor).reduce(into: [TelemetryStream: UInt64]()) { $0[$1.stream] = $1.next }
        let old = entries
        (entries, cursor) = ([], 0)
        for var entry in old {
            if let runs = fate(entry) { entry.place = .gone(runs) }
            append(entry)
        }
        cursor = entries.prefix { $0.next <= sent[$0.stream] ?? 0 }.count
    }

    private mutating func mergeGap(_ gap: Entry) -> Bool {
        guard case .gone(let runs) = gap.place,
            let index = entries.lastIndex(where: { $0.stream == gap.stream }), entries[index].next == gap.first,
            index >= cursor, case .gone(let before) = entries[index].place
        else { return false }
        let merged = TelemetryBatch(stream: gap.stream, first: entries[index].first, runs: before + runs).allLost(.other)
        entries[index].place = .gone(merged.runs)
        entries[index].next = gap.next
        return true
    }
}
