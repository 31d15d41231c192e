// SPDX-License-Identifier: Apache-2.0

import MeshModel
import MeshSystem
import Telemetry

/// A batch that was unpacked, checked and summed up, which needs no lock and no disk.
struct PreparedBatch: Sendable {
    var node: NodeID
    var cluster: ClusterName?
    var receivedAt: Timestamp
    var batch: TelemetryBatch
    var summary = BlockSummary()
    /// Why its events are not taken; the batch then only tells of their loss.
    var refusal: String?
    /// Events whose time was replaced.
    var corrected: UInt64 = 0

    init(_ batch: TelemetryBatch, of node: NodeID, in cluster: ClusterName?, receivedAt: Timestamp, _ configuration: StoreConfiguration) {
        (self.node, self.cluster, self.receivedAt, self.batch) = (node, cluster, receivedAt, batch)
        guard batch.eventCount > 0 else { return }
        do {
            let plain = try Self.unpack(batch)
            summary = try BlockSummary(of: plain)
            guard summary.events == batch.eventCount else {
                throw TelemetryFault.badField("batch.packed", problem: "\(summary.events) events, and the runs tell of \(batch.eventCount)")
            }
            let earliest = EventTime(receivedAt - configuration.oldestEvent)
            let latest = EventTime(receivedAt + configuration.farthestAhead)
            if summary.oldest < earliest || summary.newest > latest { try correct(plain, earliest...latest) }
        } catch {
            refusal = "\(error)"
            self.batch = batch.allLost(.refused)
            summary = BlockSummary()
        }
    }

    static func unpack(_ batch: TelemetryBatch) throws -> [UInt8] {
        switch batch.packing {
        case .plain: return batch.packed
        case .gzip:
            // What a batch may unpack to is bounded by the batch's own, checked statement; real events pack more than a hundred to one.
            let plain = try Gzip.decompress(batch.packed, limits: Gzip.Limits(outputBytes: Int(batch.plainBytes), ratio: 1100))
            guard plain.count == Int(batch.plainBytes) else {
                throw TelemetryFault.badField("batch.plain_bytes", problem: "\(batch.plainBytes) were stated and \(plain.count) came")
            }
            return plain
        }
    }

    /// A clock that is years off must not put events where nobody looks, nor keep segments alive for ever: such events get the time of their
    /// arrival and keep what they said beside it.
    private mutating func correct(_ plain: [UInt8], _ believed: ClosedRange<EventTime>) throws {
        var repacked = PackedEvents()
        for var event in try PackedEvents.events(in: plain) {
            if !believed.contains(event.time) {
                event.statedTime = event.time
                event.time = EventTime(receivedAt)
                corrected += 1
            }
            repacked.append(event)
        }
        guard repacked.sizeInBytes <= BatchLimits.packedBytes else {
            throw TelemetryFault.badField("event.time", problem: "not believable, and the batch is too long to say so in it")
        }
        batch.packing = .plain
        batch.packed = repacked.bytes
        batch.plainBytes = UInt64(repacked.sizeInBytes)
        let packed = try Gzip.compress(repacked.bytes, level: 1)
        if packed.count < repacked.sizeInBytes {
            batch.packing = .gzip
            batch.packed = packed
        }
        summary = try BlockSummary(of: repacked.bytes)
    }
}

extension Timestamp {
    fileprivate static func - (left: Timestamp, right: Duration) -> Timestamp {
        Timestamp(milliseconds: left.milliseconds - right.inMilliseconds)
    }
}
