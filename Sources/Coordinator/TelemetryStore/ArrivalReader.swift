// SPDX-License-Identifier: Apache-2.0

package import MeshModel
import MeshSystem
import Synchronization
package import Telemetry

/// A place between two events of the store, in the order in which they were stored.
///
/// `before` is how many events were ever stored before it, so that a place that retention has overtaken tells how many events that cost.
package struct StorePosition: Hashable, Sendable, CustomStringConvertible {
    let segment: UInt64
    /// Of the record that comes next; 0 is the segment's beginning.
    let offset: Int
    /// Events of that record that are before the place.
    let skipped: UInt64
    /// Events stored before.
    let before: UInt64

    init(segment: UInt64, offset: Int, skipped: UInt64 = 0, before: UInt64) {
        self.segment = segment
        self.offset = offset
        self.skipped = skipped
        self.before = before
    }

    /// Reads what `description` wrote; `nil` for anything else.
    package init?(_ text: String) {
        let numbers = text.split(separator: "-", omittingEmptySubsequences: false).map { UInt64($0) }
        guard numbers.count == 4, let segment = numbers[0], let offset = numbers[1].flatMap({ Int(exactly: $0) }), let skipped = numbers[2],
            let before = numbers[3]
        else { return nil }
        self.init(segment: segment, offset: offset, skipped: skipped, before: before)
    }

    package var description: String { "\(segment)-\(offset)-\(skipped)-\(before)" }
}

/// Some events in the order in which they were stored.
package struct StoreArrivals: Sendable {
    package var events: [(event: StoredEvent, receivedAt: Timestamp)] = []
    /// Where to read on.
    package var next: StorePosition
    /// Events that retention had removed before they could be read.
    package var overtaken: UInt64 = 0
    /// Events that could not be read back.
    package var damaged: UInt64 = 0
    /// The place lay in another store than this one, and reading began anew with the oldest event.
    package var wasForeign = false
}

/// Reads the store from a place on, a few thousand events at a time, for somebody who has to see each of them once.
package final class ArrivalReader: Sendable {
    private let snapshot: @Sendable () -> (segments: [SegmentInfo], delivered: UInt64)
    /// The index of the closed segment that was read last: its pages come one after the other.
    private let known = Mutex<(segment: UInt64, index: [IndexEntry])?>(nil)

    init(_ snapshot: @escaping @Sendable () -> (segments: [SegmentInfo], delivered: UInt64)) { self.snapshot = snapshot }

    /// What comes after `position`: whole events of about `bytes` together, one at least when there is one. Reads on a thread of its own.
    package func read(after position: StorePosition, bytes: Int, events: Int = 2000) async throws -> StoreArrivals {
        try await OwnThread.run(named: "arrivals") { [self] in page(position, bytes, events) }
    }

    private func page(_ asked: StorePosition, _ bytes: Int, _ mostEvents: Int) -> StoreArrivals {
        let (segments, delivered) = snapshot()
        var found = StoreArrivals(next: asked)
        guard let first = segments.first, let last = segments.last else { return found }
        if asked.segment > last.file.number || asked.before > delivered {
            found.wasForeign = true
            found.next = StorePosition(segment: first.file.number, offset: 0, before: first.deliveredBefore)
        } else if asked.segment < first.file.number {
            let before = first.deliveredBefore
            found.overtaken = before > asked.before ? before - asked.before : 0
            found.next = StorePosition(segment: first.file.number, offset: 0, before: before)
        }
        var room = bytes
        for segment in segments where segment.file.number >= found.next.segment {
            // Before the next segment is begun: the rest of a block may be left in this one.
            guard room > 0, found.events.count < mostEvents else { return found }
            if segment.file.number > found.next.segment {
                found.next = StorePosition(segment: segment.file.number, offset: 0, before: found.next.before)
            }
            for entry in index(segment) where entry.offset >= found.next.offset {
                guard room > 0, found.events.count < mostEvents else { return found }
                take(entry, of: segment, &found, &room, mostEvents)
            }
        }
        return found
    }

    private func index(_ segment: SegmentInfo) -> [IndexEntry] {
        guard segment.isSealed else { return segment.entries }
        return known.withLock { known in
            if let known, known.segment == segment.file.number { return known.index }
            let index = segment.index
            known = (segment.file.number, index)
            return index
        }
    }

    /// Takes what is wanted of one block, from the place within it on.
    private func take(_ entry: IndexEntry, of segment: SegmentInfo, _ found: inout StoreArrivals, _ room: inout Int, _ mostEvents: Int) {
        let (number, after) = (segment.file.number, entry.offset + entry.length)
        let inside = found.next.offset == entry.offset ? found.next.skipped : 0
        let whole = entry.head.summary.events - min(entry.head.skipped, entry.head.summary.events)
        let left = whole - min(inside, whole)
        guard left > 0 else {
            found.next = StorePosition(segment: number, offset: after, before: found.next.before)
            return
        }
        guard let block = segment.file.block(entry), let plain = try? PreparedBatch.unpack(block.batch),
            let stored = try? events(block, plain)
        else {
            found.damaged += left
            found.next = StorePosition(segment: number, offset: after, before: found.next.before + left)
            return
        }
        var taken = inside
        for event in stored.dropFirst(Int(clamping: inside)) {
            guard room > 0, found.events.count < mostEvents else { break }
            found.events.append((event, Timestamp(milliseconds: block.receivedAt)))
            room -= event.event.weight
            taken += 1
        }
        let before = found.next.before + (taken - inside)
        found.next =
            taken < whole
            ? StorePosition(segment: number, offset: entry.offset, skipped: taken, before: before)
            : StorePosition(segment: number, offset: after, before: before)
    }

    private func events(_ block: StoredBlock, _ plain: [UInt8]) throws -> [StoredEvent] {
        var numbers = EventNumbers(block.batch)
        return try PackedEvents.events(in: plain).map { event in
            StoredEvent(node: block.node, cluster: block.cluster, stream: block.batch.stream, number: numbers.next(), event: event)
        }.dropFirst(Int(clamping: block.skipped)).map { $0 }
    }
}

extension SegmentInfo {
    /// Events that were stored before this segment was begun, as the books say that it begins with.
    fileprivate var deliveredBefore: UInt64 {
        guard let (type, content) = file.record(at: StoreSegment.mark.count), type == .books, let book = try? LedgerBook(decoding: content)
        else { return 0 }
        return book.books.total.delivered
    }
}

extension TelemetryEvent {
    /// About how many bytes it is.
    var weight: Int { (body?.bytes.count ?? 0) + (attributes.binary?.utf8.count ?? 0) + 200 }
}
