// SPDX-License-Identifier: Apache-2.0

/// Consecutive numbers of one stream: which of them are events, which are losses, and the events packed. It is what the spool keeps, what
/// travels, and what the store keeps, so events are packed once.
package struct TelemetryBatch: Hashable, Sendable {
    /// Some consecutive numbers with one fate.
    package enum Run: Hashable, Sendable {
        case events(UInt64)
        case lost(UInt64, LossReason)

        package var count: UInt64 {
            switch self {
            case .events(let count), .lost(let count, _): count
            }
        }
    }

    /// How `packed` is to be unpacked.
    package enum Packing: UInt8, Hashable, Sendable {
        case plain = 0
        case gzip = 1
    }

    package var stream: TelemetryStream
    /// The number of the first event or loss.
    package var first: UInt64
    package var runs: [Run]
    package var packing: Packing
    /// The events, each as in `TelemetryEvent.encoded` and preceded by its tag and length: a protobuf message of one repeated field.
    package var packed: [UInt8]
    /// Bytes of the events before they were packed.
    package var plainBytes: UInt64

    package init(
        stream: TelemetryStream, first: UInt64, runs: [Run], packing: Packing = .plain, packed: [UInt8] = [], plainBytes: UInt64 = 0
    ) {
        self.stream = stream
        self.first = first
        self.runs = runs
        self.packing = packing
        self.packed = packed
        self.plainBytes = plainBytes
    }

    /// Numbers in it.
    package var count: UInt64 { runs.reduce(0) { $0 &+ $1.count } }
    /// The number after its last.
    package var next: UInt64 { first &+ count }
    package var eventCount: UInt64 {
        runs.reduce(0) { if case .events(let count) = $1 { $0 &+ count } else { $0 } }
    }

    /// The same numbers with every event lost for `reason`: what is told when the events themselves are gone.
    package func allLost(_ reason: LossReason) -> TelemetryBatch {
        var counts: [LossReason: UInt64] = [:]
        for run in runs {
            switch run {
            case .events(let count): counts[reason, default: 0] &+= count
            case .lost(let count, let why): counts[why, default: 0] &+= count
            }
        }
        return TelemetryBatch(stream: stream, first: first, runs: counts.sorted { $0.key < $1.key }.map { .lost($0.value, $0.key) })
    }
}

/// What one batch may measure. An agent stays well below; a coordinator refuses what is above.
package enum BatchLimits {
    /// Events in one batch.
    package static let events: UInt64 = 8192
    /// Bytes of events, unpacked, at which an agent closes a batch.
    package static let closeBytes = 256 << 10
    /// Bytes that a batch may unpack to.
    package static let plainBytes = 1 << 20
    /// Bytes of packed events: a frame holds them.
    package static let packedBytes = 960 << 10
    package static let runs = 1024
    /// No stream gets this far: it would take a million events a second for a hundred thousand years.
    package static let lastNumber: UInt64 = 1 << 62
}
