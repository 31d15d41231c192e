// SPDX-License-Identifier: Apache-2.0

import FeedExport
import MeshModel
import MeshSystem
import OTLPExport
import Running
import Synchronization
import TelemetryStore

/// What hosts saw, out of the store, in the order in which it came. Begins with what comes after it was switched on.
struct TelemetryExport: ExportSource {
    let store: TelemetryStore
    let reader: ArrivalReader
    let origin: OTLPOrigin

    init(store: TelemetryStore, origin: OTLPOrigin) {
        self.store = store
        self.origin = origin
        reader = store.arrivals
    }

    func next(after position: String?, bytes: Int) async throws -> ExportPiece? {
        guard let place = position.flatMap({ StorePosition($0) }) else { return ExportPiece(position: store.end.description) }
        let arrivals = try await reader.read(after: place, bytes: bytes)
        guard arrivals.next != place else { return nil }
        var piece = ExportPiece(position: arrivals.next.description)
        if arrivals.overtaken > 0 { piece.lost["retention"] = arrivals.overtaken }
        if arrivals.damaged > 0 { piece.lost["damaged"] = arrivals.damaged }
        guard !arrivals.events.isEmpty else { return piece }
        piece.items = UInt64(arrivals.events.count)
        piece.oldest = arrivals.events.first?.receivedAt
        piece.message = OTLPLogs.request(arrivals.events, origin: origin)
        return piece
    }
}

/// Meshgate's own events, out of the journal. Begins with what comes after it was switched on.
struct EventExport: ExportSource {
    let feed: EventFeed
    let origin: OTLPOrigin
    let ids: TraceIDs

    func next(after position: String?, bytes: Int) async throws -> ExportPiece? {
        // A journal that was replaced by a shorter one: what it has is not what was sent.
        guard let after = position.flatMap({ UInt64($0) }), after <= feed.head else { return ExportPiece(position: String(feed.head)) }
        guard after < feed.head else { return nil }
        var events: [FeedEvent] = []
        var room = bytes
        for event in try await feed.events(after: after, limit: 500) where room > 0 {
            events.append(event)
            room -= event.weight
        }
        guard let last = events.last else { return nil }
        var piece = ExportPiece(position: String(last.sequence))
        piece.items = UInt64(events.count)
        piece.oldest = events.first?.time
        piece.message = OTLPLogs.request(events, origin: origin, ids: ids)
        return piece
    }
}

/// Runs and steps that are over, folded from the journal. After a restart the fold begins where the oldest open run does, and says nothing of what was
/// sent before.
final class TraceExport: ExportSource {
    private let history: EventFeed.History
    private let head: @Sendable () -> UInt64
    private let origin: OTLPOrigin
    private let ids: TraceIDs
    /// What was read up to a sequence.
    private let fold = Mutex<(spans: RunSpans, through: UInt64)?>(nil)

    init(head: @escaping @Sendable () -> UInt64, origin: OTLPOrigin, ids: TraceIDs, history: @escaping EventFeed.History) {
        self.head = head
        self.origin = origin
        self.ids = ids
        self.history = history
    }

    func next(after position: String?, bytes: Int) async throws -> ExportPiece? {
        guard let place = position.flatMap(Place.init), place.through <= head() else {
            // The run that goes on now is worth a whole trace.
            let start = try await openRun()
            return ExportPiece(position: Place(through: head(), since: start).description)
        }
        let reach = head()
        let anew = (RunSpans(), place.since.map { $0 - 1 } ?? place.through)
        var (spans, through) = fold.withLock { $0 } ?? anew
        if through > place.through { (spans, through) = anew }
        var (ended, room, cut): ([RunSpan], Int, UInt64) = ([], bytes, 0)
        reading: while room > 0, through < reach {
            let records = try await history(through, 500)
            guard !records.isEmpty else { break }
            for record in records where room > 0 {
                let before = record.entry.mayEndManySpans ? spans : nil
                var over = spans.take(record)
                // What was sent before.
                if record.sequence <= place.through { over = [] }
                let known = record.sequence == place.through + 1 ? min(place.sent, UInt64(over.count)) : 0
                for (index, span) in over.enumerated().dropFirst(Int(known)) {
                    if room <= 0, let before {
                        (spans, cut) = (before, UInt64(index))
                        break reading
                    }
                    ended.append(span)
                    room -= span.weight
                }
                through = record.sequence
            }
        }
        fold.withLock { [spans, through] in $0 = (spans, through) }
        guard through > place.through || cut > place.sent else { return nil }
        var piece = ExportPiece(position: Place(through: through, since: spans.openSince, sent: cut).description)
        guard !ended.isEmpty else { return piece }
        piece.items = UInt64(ended.count)
        piece.oldest = ended.first?.end
        piece.message = OTLPTraces.request(ended, origin: origin, ids: ids)
        return piece
    }

    private func openRun() async throws -> UInt64? {
        var (spans, through): (RunSpans, UInt64) = (RunSpans(), 0)
        while true {
            let records = try await history(through, 500)
            guard let last = records.last else { return spans.openSince }
            for record in records { _ = spans.take(record) }
            through = last.sequence
        }
    }

    /// How far spans were sent, and where the open run began: `THROUGH SINCE SENT`, with 0 for no open run.
    private struct Place: CustomStringConvertible {
        /// The last entry whose spans were all sent.
        var through: UInt64
        var since: UInt64?
        /// Spans of the next entry that were sent: the end of a run may end more than one request takes.
        var sent: UInt64 = 0

        init(through: UInt64, since: UInt64?, sent: UInt64 = 0) {
            self.through = through
            self.since = since
            self.sent = sent
        }

        init?(_ text: String) {
            let numbers = text.split(separator: " ", omittingEmptySubsequences: false).map { UInt64($0) }
            guard numbers.count == 3, let through = numbers[0], let since = numbers[1], let sent = numbers[2], since <= through else {
                return nil
            }
            self.init(through: through, since: since == 0 ? nil : since, sent: sent)
        }

        var description: String { "\(through) \(since ?? 0) \(sent)" }
    }
}

extension JournalEntry {
    /// Whether spans of many steps may be over with it.
    fileprivate var mayEndManySpans: Bool {
        switch self {
        case .runStarted, .runFinished: true
        default: false
        }
    }
}

/// What `/metrics` shows, at this moment.
struct MetricsExport: ExportSource {
    let families: @Sendable () async -> [MetricFamily]
    let origin: OTLPOrigin
    let startedAt: Timestamp
    let now: NowSource

    func next(after position: String?, bytes: Int) async throws -> ExportPiece? {
        let (families, time) = (await families(), now().wall)
        var piece = ExportPiece(position: nil)
        piece.items = families.seriesCount
        piece.message = OTLPMetrics.request(families, start: startedAt, now: time, origin: origin)
        return piece
    }
}
