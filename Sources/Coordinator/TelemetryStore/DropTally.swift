// SPDX-License-Identifier: Apache-2.0

import MeshModel
import Telemetry

/// Compares the dropped packets that a tracer told one by one with its sums of all of them, reason by reason. Of a flood only some are told, whatever
/// their reasons, so that drops for one reason hide behind those for another; the sums show that, every ten seconds.
///
///     packet_drop, packet_drop, ... (each with its time) | packet_drops at T: all since the sums before
struct DropTally {
    private struct Reason {
        /// When the newest sums were taken.
        var summedAt: EventTime?
        /// Packets that were told and happened after that, and when the first of them did.
        var told: UInt64 = 0
        var since = EventTime(nanoseconds: 0)
        /// Packets that were told for the newest sums and not found there yet: each transport has a sum of its own.
        var spare: UInt64 = 0
        /// Packets that happened while the newest sums were taken: the next ones have them.
        var late: UInt64 = 0
    }

    /// Reasons that are kept apart; the kernel knows some hundred, and few of them on any one host.
    private static let mostReasons = 128
    /// Packets that were told longer ago than this were in sums that got lost, and must not make up for later ones.
    private static let longestPeriod: Int64 = 30_000_000_000

    private var reasons: [String: Reason] = [:]

    /// A packet was told. True when it happened before the newest sums came: then it may be one that was missing there.
    mutating func told(_ reason: String, at time: EventTime) -> Bool {
        guard var known = self[reason] else { return false }
        defer { reasons[reason] = known }
        if let summedAt = known.summedAt, time <= summedAt { return true }
        let (age, overflow) = time.nanoseconds.subtractingReportingOverflow(known.since.nanoseconds)
        if known.told == 0 || overflow || age > Self.longestPeriod { (known.told, known.since) = (0, time) }
        known.told = known.told +| 1
        return false
    }

    /// The packet was not missing there.
    mutating func wasLate(_ reason: String) {
        guard let late = reasons[reason]?.late else { return }
        reasons[reason]?.late = late +| 1
    }

    /// A sum was taken: how many of the packets had not been told; `nil` when the reason is one too many.
    mutating func summed(_ reason: String, _ packets: UInt64, at time: EventTime) -> UInt64? {
        guard var known = self[reason] else { return nil }
        if known.summedAt != time { (known.summedAt, known.spare, known.told, known.late) = (time, known.told +| known.late, 0, 0) }
        let found = min(known.spare, packets)
        known.spare -= found
        reasons[reason] = known
        return packets - found
    }

    private subscript(reason: String) -> Reason? { reasons[reason] ?? (reasons.count < Self.mostReasons ? Reason() : nil) }
}
