// SPDX-License-Identifier: Apache-2.0

import Telemetry

/// What waits for the coordinator's acknowledgement, oldest first. Rules only; the bytes lie elsewhere.
///
///     entries   sent, not acknowledged | not sent
///                              cursor -^
///
/// A coordinator may be away for days and a hundred thousand batches wait, so nothing that happens for each batch walks over all of them. The index
/// of an entry is its name: a slice's indices stay when its front is taken away.
struct SpoolQueue: Sendable {
    /// Where a batch's bytes are.
    enum Place: Hashable, Sendable {
        /// In segment `segment`, `length` bytes from `offset` on.
        case disk(segment: UInt64, offset: Int, length: Int)
        /// The encoded batch itself and what it consists of: the disk refused it.
        case memory([UInt8], [TelemetryBatch.Run])
        /// The events are gone; only their fate is left.
        case gone([TelemetryBatch.Run])
        /// Nowhere: a gap before this one has its numbers.
        case joined
    }

    struct Entry: Hashable, Sendable {
        var stream: TelemetryStream
        var first: UInt64
        var next: UInt64
        var place: Place
    }

    /// How far a stream goes, and the entry that ends it.
    private struct End {
        var index: Int
        var last: UInt64
    }

    private var entries: ArraySlice<Entry> = []
    private var cursor = 0
    private var acknowledged: [TelemetryStream: UInt64] = [:]
    private var ends: [TelemetryStream: End] = [:]
    /// Entries that lie in each segment.
    private var users: [UInt64: Int] = [:]
    /// Indices of the gaps, and of the entries in memory, in order.
    private var gaps: ArraySlice<Int> = []
    private var inMemory: ArraySlice<Int> = []
    private var joined = 0
    private(set) var memoryBytes = 0
    /// Entries that were looked at so far: what the work is measured by.
    private(set) var steps: UInt64 = 0

    /// Batches and gaps that are not acknowledged.
    var waiting: Int { entries.count - joined }

    /// How far each stream goes that something waits of.
    var streams: [TelemetryStream: UInt64] { ends.mapValues(\.last) }

    /// Whether an entry lies in that segment.
    func needs(segment: UInt64) -> Bool { users[segment] != nil }

    /// What a kill must leave behind, as batches of losses: the gaps, and what only memory has. The oldest ones; there is no room for more.
    var testament: [TelemetryBatch] {
        let most = 2048
        let lost = gaps.prefix(most).map { index in Self.batch(entries[index]) }
        return lost + inMemory.prefix(most - lost.count).map { index in Self.batch(entries[index]).allLost(.agentStopped) }
    }

    private static func batch(_ entry: Entry) -> TelemetryBatch {
        let runs: [TelemetryBatch.Run]
        switch entry.place {
        case .gone(let fate): runs = fate
        case .memory(_, let content): runs = content
        case .disk, .joined: runs = []
        }
        return TelemetryBatch(stream: entry.stream, first: entry.first, runs: runs)
    }

    mutating func append(_ entry: Entry) {
        let before = ends[entry.stream]?.index
        let index = entries.endIndex
        entries.append(entry)
        ends[entry.stream] = End(index: index, last: max(ends[entry.stream]?.last ?? 0, entry.next - 1))
        switch entry.place {
        case .disk(let segment, _, _): users[segment, default: 0] += 1
        case .memory(let bytes, _):
            memoryBytes += bytes.count
            inMemory.append(index)
        case .gone:
            gaps.append(index)
            if let before, canJoin(before, index) { join(index, into: before) }
        case .joined: joined += 1
        }
    }

    // MARK: sending

    /// A new connection begins with the oldest.
    mutating func rewind() { cursor = entries.startIndex }

    /// The next one to send.
    mutating func takeNext() -> Entry? {
        while cursor < entries.endIndex {
            defer { cursor += 1 }
            steps += 1
            if entries[cursor].place != .joined { return entries[cursor] }
        }
        return nil
    }

    /// The entry that was just taken cannot be read back. It is told as it was to be sent, so it is joined with no other.
    mutating func giveUpTaken(_ runs: [TelemetryBatch.Run]) {
        guard entries.indices.contains(cursor - 1) else { return }
        makeGap(cursor - 1, runs)
    }

    /// The coordinator has all of the stream's numbers up to `through`. Says whether something could be forgotten, and whether of that something was
    /// in the testament.
    mutating func acknowledge(_ stream: TelemetryStream, through: UInt64) -> (isAny: Bool, wasWilled: Bool) {
        acknowledged[stream] = max(acknowledged[stream] ?? 0, through)
        var result = (isAny: false, wasWilled: false)
        while let first = entries.first, first.place == .joined || first.next - 1 <= acknowledged[first.stream] ?? 0 {
            steps += 1
            result.isAny = true
            if inMemory.first == entries.startIndex || gaps.first == entries.startIndex { result.wasWilled = true }
            forget(first)
        }
        cursor = max(cursor, entries.startIndex)
        return result
    }

    private mutating func forget(_ first: Entry) {
        let index = entries.startIndex
        leave(index)
        if gaps.first == index { gaps.removeFirst() }
        if first.place == .joined { joined -= 1 }
        if ends[first.stream]?.index == index { (ends[first.stream], acknowledged[first.stream]) = (nil, nil) }
        // The slice keeps what was taken from it until it grows: it must not keep the bytes.
        entries[index].place = .joined
        entries.removeFirst()
    }

    /// The entry's bytes are not needed any more.
    private mutating func leave(_ index: Int) {
        switch entries[index].place {
        case .disk(let segment, _, _):
            let left = (users[segment] ?? 1) - 1
            users[segment] = left > 0 ? left : nil
        case .memory(let bytes, _):
            memoryBytes -= bytes.count
            if let place = Self.place(of: index, in: inMemory) { inMemory.remove(at: place) }
        case .gone, .joined: break
        }
    }

    // MARK: giving up

    /// Gives up what lies in `segment`; `fate` says what becomes of the numbers of an entry.
    mutating func giveUp(segment: UInt64, _ fate: (Entry) -> [TelemetryBatch.Run]) {
        var index = entries.startIndex
        while users[segment] != nil, index < entries.endIndex {
            steps += 1
            if case .disk(segment, _, _) = entries[index].place { giveUp(index, fate(entries[index])) }
            index += 1
        }
        closeRanks()
    }

    /// Gives up the oldest batch that memory holds. False when there is none.
    mutating func giveUpOldestInMemory(_ fate: (Entry) -> [TelemetryBatch.Run]) -> Bool {
        guard let oldest = inMemory.first else { return false }
        steps += 1
        giveUp(oldest, fate(entries[oldest]))
        closeRanks()
        return true
    }

    /// Makes a gap of an entry and joins it with those that it meets, so that gaps stay few however many entries are given up.
    private mutating func giveUp(_ index: Int, _ runs: [TelemetryBatch.Run]) {
        makeGap(index, runs)
        guard let place = Self.place(of: index, in: gaps) else { return }
        // Those of the same stream are near: there is one for each source and boot.
        let near = 16
        let later = gaps[(place + 1)..<min(gaps.endIndex, place + 1 + near)].first { entries[$0].stream == entries[index].stream }
        let earlier = gaps[max(gaps.startIndex, place - near)..<place].last { entries[$0].stream == entries[index].stream }
        if let later, canJoin(index, later) { join(later, into: index) }
        if let earlier, canJoin(earlier, index) { join(index, into: earlier) }
    }

    private mutating func makeGap(_ index: Int, _ runs: [TelemetryBatch.Run]) {
        leave(index)
        entries[index].place = .gone(runs)
        if Self.place(of: index, in: gaps) == nil { gaps.insert(index, at: Self.lowerBound(of: index, in: gaps)) }
    }

    /// Gaps that meet, both sent or both not: what was sent must come as it was, and what was not must still come.
    private func canJoin(_ earlier: Int, _ later: Int) -> Bool {
        guard case .gone = entries[earlier].place, case .gone = entries[later].place else { return false }
        return entries[earlier].stream == entries[later].stream && entries[earlier].next == entries[later].first
            && (earlier < cursor) == (later < cursor)
    }

    private mutating func join(_ later: Int, into earlier: Int) {
        guard case .gone(let before) = entries[earlier].place, case .gone(let after) = entries[later].place else { return }
        let stream = entries[earlier].stream
        let both = TelemetryBatch(stream: stream, first: entries[earlier].first, runs: before + after).allLost(.other)
        entries[earlier].place = .gone(both.runs)
        entries[earlier].next = entries[later].next
        entries[later].place = .joined
        joined += 1
        if let place = Self.place(of: later, in: gaps) { gaps.remove(at: place) }
        if ends[stream]?.index == later { ends[stream]?.index = earlier }
    }

    /// Throws out the entries whose numbers others have, once they are the most.
    private mutating func closeRanks() {
        guard joined > 64, joined > entries.count / 2 else { return }
        let (old, oldCursor, before) = (entries, cursor, acknowledged)
        self = SpoolQueue(steps: steps + UInt64(old.count))
        acknowledged = before
        // While the cursor is at the front nothing is joined across it.
        for index in old.indices where old[index].place != .joined {
            if index < oldCursor { cursor = entries.endIndex + 1 }
            append(old[index])
        }
    }

    init() {}
    private init(steps: UInt64) { self.steps = steps }

    // MARK: sorted indices

    private static func lowerBound(of index: Int, in places: ArraySlice<Int>) -> Int {
        var (low, high) = (places.startIndex, places.endIndex)
        while low < high {
            let middle = low + (high - low) / 2
            if places[middle] < index { low = middle + 1 } else { high = middle }
        }
        return low
    }

    private static func place(of index: Int, in places: ArraySlice<Int>) -> Int? {
        let place = lowerBound(of: index, in: places)
        return place < places.endIndex && places[place] == index ? place : nil
    }
}
