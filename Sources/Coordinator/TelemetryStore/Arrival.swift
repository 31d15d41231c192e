// SPDX-License-Identifier: Apache-2.0

package import MeshModel
package import Telemetry

/// A batch that has just become durable, for whoever follows the feed as it comes.
package struct Arrival: Sendable {
    package let node: NodeID
    package let cluster: ClusterName?
    package let source: TelemetrySource
    package let receivedAt: Timestamp
    /// Events of it that are new.
    package let events: UInt64
    /// What it says was lost, and what it shows to be missing.
    package let lost: [LossReason: UInt64]
    private let block: StoredBlock

    init(_ block: StoredBlock, before: TelemetryAccount, after: TelemetryAccount) {
        self.block = block
        node = block.node
        cluster = block.cluster
        source = block.batch.stream.source
        receivedAt = Timestamp(milliseconds: block.receivedAt)
        // An account whose stream was given up in between begins anew.
        func fresh(_ now: UInt64, _ then: UInt64) -> UInt64 { now > then ? now - then : 0 }
        events = fresh(after.delivered, before.delivered)
        lost = after.lost.reduce(into: [:]) { lost, entry in
            let count = fresh(entry.value, before.lost[entry.key] ?? 0)
            if count > 0 { lost[entry.key] = count }
        }
    }

    /// When the oldest of its events happened.
    package var oldest: EventTime { block.summary.oldest }

    /// Whether some of its events are of this kind, without unpacking them; `nil` when there are too many kinds to tell.
    package func has(_ kind: EventKind) -> Bool? {
        guard events > 0 else { return false }
        return block.summary.kinds?.contains(kind.text)
    }

    /// False when no new event of it can be what `query` asks for; known without unpacking it.
    package func mayHold(_ query: TelemetryQuery) -> Bool {
        events > 0 && (query.node.map { $0 == node } ?? true) && (query.cluster.map { $0 == cluster } ?? true)
            && (query.source.map { $0 == source } ?? true) && block.summary.mayHold(query)
    }

    /// Its new events without their bodies, in their order.
    package var outlines: [StoredEvent] { events > 0 ? block.events(TelemetryQuery(), withBodies: false) : [] }

    /// Its new events that `query` wants, in their order.
    package func events(_ query: TelemetryQuery) -> [StoredEvent] { events > 0 ? block.events(query) : [] }
}
