// SPDX-License-Identifier: Apache-2.0

internal import GRPCStream
package import Telemetry

/// Turns Tetragon's lines into events for the feed, each once, also when a line is read again.
package struct TetragonReader {
    /// Lines that say only what Tetragon left out, or that are no events, and how many events are lost with them.
    package struct Losses: Hashable, Sendable {
        package var rateLimited: UInt64 = 0
        package var malformed: UInt64 = 0
        /// Left out of the log while the stream was there: nothing is lost.
        package var leftToStream: UInt64 = 0
        /// The same line came before; nothing is lost.
        package var repeated: UInt64 = 0
        /// From before this boot, as an earlier agent has told already.
        package var old: UInt64 = 0
    }

    package private(set) var losses = Losses()
    private var window: RecentKeys
    private var since: EventTime
    /// When the stream was there the last time: from, and to where it is over. What the log's own limit left out meanwhile, the stream has told.
    var streamed: (from: EventTime, to: EventTime?)?
    /// What a line about the limit speaks of: the time before it.
    private static let limitPeriod: Int64 = 60_000_000_000

    /// Events from before `since` are left out: the beginning of this boot where nobody knows how far the log was read before.
    package init(since: EventTime = EventTime(nanoseconds: .min), window: Int = 65_536) {
        self.since = since
        self.window = RecentKeys(most: window)
    }

    /// The log was read to its end: what comes now is new, whatever its time. A clock that is set back must not make it old.
    mutating func cameToEnd() { since = EventTime(nanoseconds: .min) }

    /// The event of one line; `nil` when there is none to tell, see `losses`. `now` stands in for a time that cannot be read.
    package mutating func event(_ line: [UInt8], now: EventTime) -> TelemetryEvent? { read(line, now: now)?.event }

    /// The same, with what makes the event known on Tetragon's other way.
    mutating func read(_ line: [UInt8], now: EventTime) -> (event: TelemetryEvent, key: EventKey)? {
        if line.allSatisfy({ $0 == 0x20 || $0 == 0x0d }) { return nil }
        guard let read = TetragonLine(line) else {
            if isNew(line) { losses.malformed += 1 }
            return nil
        }
        let time = read.time ?? now
        if let leftOut = read.leftOut {
            guard isNew(line) else { return nil }
            if hadStream(before: time) { losses.leftToStream += leftOut } else { losses.rateLimited += SourceLimits.believable(leftOut) }
            return nil
        }
        guard time >= since else {
            losses.old += 1
            return nil
        }
        guard isNew(line) else { return nil }
        return (TelemetryEvent(time: time, kind: read.kind, attributes: read.attributes, body: EventBody(.json, line)), read.key)
    }

    /// What is read again is the same to the byte; two events of one process at one instant are not.
    private mutating func isNew(_ line: [UInt8]) -> Bool {
        var hasher = Hasher()
        line.withUnsafeBytes { hasher.combine(bytes: $0) }
        guard window.insert(hasher.finalize()) else {
            losses.repeated += 1
            return false
        }
        return true
    }

    private func hadStream(before time: EventTime) -> Bool {
        guard let streamed, streamed.from.nanoseconds <= time.nanoseconds &- Self.limitPeriod else { return false }
        return streamed.to.map { $0 >= time } ?? true
    }
}
