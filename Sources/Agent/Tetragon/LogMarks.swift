// SPDX-License-Identifier: Apache-2.0

/// Where the log ended at some instants of the last seconds, so that it can be read from before a break of the stream.
struct LogMarks {
    private struct Mark {
        var place: TailPosition
        var at: ContinuousClock.Instant
        /// Events of the stream at that instant.
        var inserted: UInt64
    }
    private static let interval = Duration.milliseconds(500)
    private var marks: [Mark] = []
    /// The end of the log at an instant from before which everything is out of our hands.
    private(set) var takenPlace: TailPosition?

    var isEmpty: Bool { marks.isEmpty }

    func isDue(at now: ContinuousClock.Instant) -> Bool { marks.last.map { now - $0.at >= Self.interval } ?? true }

    /// Adds the log's end of this instant, and forgets what is older than is needed.
    mutating func add(_ place: TailPosition, at now: ContinuousClock.Instant, inserted: UInt64, overlap: Duration) {
        marks.append(Mark(place: place, at: now, inserted: inserted))
        while marks.count > 1, now - marks[1].at >= overlap { marks.removeFirst() }
    }

    /// Everything that was offered until now is out of our hands: the oldest mark may be kept, as the log is at most so far behind.
    mutating func taken(at now: ContinuousClock.Instant) { takenPlace = marks.first?.place ?? takenPlace }

    /// Where to read on after a break: from before it by `overlap`, and no further back than `most` events of the stream.
    func place(at now: ContinuousClock.Instant, overlap: Duration, inserted: UInt64, most: UInt64) -> TailPosition? {
        let wide = marks.last { now - $0.at >= overlap } ?? marks.first
        guard let wide, inserted - wide.inserted > most else { return wide?.place }
        return (marks.first { inserted - $0.inserted <= most } ?? marks.last)?.place
    }
}
