// SPDX-License-Identifier: Apache-2.0

internal import MeshModel

/// The coordinator's count of one stream. Whatever order batches come in, and however often, each number is counted once.
///
///     numbers   1 ... next-1 settled: delivered or lost | next ... stated pending at the agent
package struct StreamLedger: Hashable, Sendable {
    /// The first number that is not settled.
    package private(set) var next: UInt64
    /// The highest number that the agent said it has given out.
    package private(set) var stated: UInt64
    package private(set) var delivered: UInt64
    package private(set) var lost: [LossReason: UInt64]
    /// Numbers that came again and were dropped.
    package private(set) var repeated: UInt64

    package init(next: UInt64 = 1, stated: UInt64 = 0, delivered: UInt64 = 0, lost: [LossReason: UInt64] = [:], repeated: UInt64 = 0) {
        self.next = next
        self.stated = stated
        self.delivered = delivered
        self.lost = lost
        self.repeated = repeated
    }

    /// What to do with a batch.
    package struct Admission: Hashable, Sendable {
        /// Events at its beginning that are settled already and must not be stored again.
        package var skippedEvents: UInt64
        /// Events after those, to be stored.
        package var freshEvents: UInt64
        /// Numbers before the batch that never came.
        package var hole: UInt64
        package init(skippedEvents: UInt64, freshEvents: UInt64, hole: UInt64) {
            self.skippedEvents = skippedEvents
            self.freshEvents = freshEvents
            self.hole = hole
        }
    }

    /// What `take` would do, without doing it: storing comes first.
    package func judge(_ batch: TelemetryBatch) -> Admission {
        var admission = Admission(skippedEvents: 0, freshEvents: 0, hole: batch.first > next ? batch.first - next : 0)
        var number = batch.first
        for run in batch.runs {
            let known = next > number ? min(next - number, run.count) : 0
            if case .events(let count) = run {
                admission.skippedEvents += known
                admission.freshEvents += count - known
            }
            number += run.count
        }
        return admission
    }

    /// Settles the batch's numbers; with `refusal`, its events count as lost for that reason.
    package mutating func take(_ batch: TelemetryBatch, refusal: LossReason? = nil) {
        if batch.first > next { lost[.missing, default: 0] = lost[.missing, default: 0] +| (batch.first - next) }
        var number = batch.first
        for run in batch.runs {
            let known = next > number ? min(next - number, run.count) : 0
            repeated = repeated +| known
            let fresh = run.count - known
            switch (run, refusal) {
            case (.events, nil): delivered = delivered +| fresh
            case (.events, .some(let reason)), (.lost(_, let reason), _):
                if fresh > 0 { lost[reason, default: 0] = lost[reason, default: 0] +| fresh }
            }
            number += run.count
        }
        next = max(next, batch.next)
        stated = max(stated, next - 1)
    }

    /// The agent says how many numbers it has given out.
    package mutating func state(_ produced: UInt64) {
        guard produced < BatchLimits.lastNumber else { return }
        stated = max(stated, produced)
    }

    package var account: TelemetryAccount { TelemetryAccount(produced: stated, delivered: delivered, lost: lost) }
}
