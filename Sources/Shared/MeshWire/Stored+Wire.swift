// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
package import MeshModel

/// The outbox as it lies on the agent's disk.
package struct StoredOutbox: Hashable, Sendable {
    /// One report with the moment when its facts were taken; its `age` is recomputed at every send.
    package struct Entry: Hashable, Sendable {
        package var report: TaskReport
        package var takenAt: Moment
        package init(report: TaskReport, takenAt: Moment) {
            self.report = report
            self.takenAt = takenAt
        }
    }
    package var nextSequence: UInt64
    package var dropped: UInt64
    package var entries: [Entry]
    package init(nextSequence: UInt64, dropped: UInt64, entries: [Entry]) {
        self.nextSequence = nextSequence
        self.dropped = dropped
        self.entries = entries
    }

    package init(decoding bytes: some Collection<UInt8>) throws(WireError) {
        let wire: WireStoredOutbox = try decodeMessage(bytes, "the stored outbox")
        self.init(
            nextSequence: wire.nextSequence, dropped: wire.dropped,
            entries: try WireField.list(wire.reports, "outbox.reports", limit: 1 << 16) { (stored, place) throws(WireError) in
                Entry(
                    report: try TaskReport(stored.report, place + ".report"),
                    takenAt: Moment(wall: try WireField.time(stored.takenWallMs, place + ".taken_wall_ms"), boot: stored.takenBootMs))
            })
    }

    package var encoded: [UInt8] {
        var wire = WireStoredOutbox()
        wire.nextSequence = nextSequence
        wire.dropped = dropped
        wire.reports = entries.map { entry in
            var stored = WireStoredReport()
            stored.report = entry.report.wire
            stored.takenWallMs = entry.takenAt.wall.milliseconds
            stored.takenBootMs = entry.takenAt.boot
            return stored
        }
        return encodeMessage(wire)
    }
}

/// What an agent must not forget between starts.
package struct StoredAgentState: Hashable, Sendable {
    package var epoch: Generation
    package var acknowledged: JournalHead
    package var installation: String
    package init(epoch: Generation, acknowledged: JournalHead, installation: String) {
        self.epoch = epoch
        self.acknowledged = acknowledged
        self.installation = installation
    }

    package init(decoding bytes: some Collection<UInt8>) throws(WireError) {
        let wire: WireStoredAgentState = try decodeMessage(bytes, "the stored agent state")
        self.init(
            epoch: Generation(wire.epoch), acknowledged: try JournalHead(wire.acknowledged, "state.acknowledged"),
            installation: try WireField.text(wire.installation, "state.installation", limit: 64))
    }

    package var encoded: [UInt8] {
        var wire = WireStoredAgentState()
        wire.epoch = epoch.number
        wire.acknowledged = acknowledged.wire
        wire.installation = installation
        return encodeMessage(wire)
    }
}
