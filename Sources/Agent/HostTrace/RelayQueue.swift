// SPDX-License-Identifier: Apache-2.0

internal import Synchronization
package import Telemetry

/// Events on their way from the tracer to the agent's network process: bounded, in order, and each kept until the other side has taken it.
/// What finds no room is counted and told with what comes next.
package final class RelayQueue: TelemetryIntake {
    /// Some events of one source, packed, and what was lost besides.
    package struct Parcel: Sendable {
        package let number: UInt64
        package let source: TelemetrySource
        package fileprivate(set) var events = PackedEvents()
        package fileprivate(set) var lost: [LossReason: UInt64] = [:]
        fileprivate init(number: UInt64, source: TelemetrySource) {
            self.number = number
            self.source = source
        }
    }

    /// Bytes at which a parcel is closed: with one more event it still fits into a frame.
    private static let parcelBytes = 128 << 10
    private let limit: Int
    private let state = Mutex(State())
    private struct State {
        var parcels: [Parcel] = []
        var bytes = 0
        var nextNumber: UInt64 = 1
        /// The parcel that was handed out and is not taken yet: it changes no more.
        var handedOut: UInt64 = 0

        /// The parcel to add to: the last one while it is of the same source, small enough and not handed out, else a new one.
        mutating func open(for source: TelemetrySource) -> Int {
            if let last = parcels.last, last.source == source, last.number > handedOut, last.events.sizeInBytes < RelayQueue.parcelBytes {
                return parcels.count - 1
            }
            parcels.append(Parcel(number: nextNumber, source: source))
            nextNumber += 1
            return parcels.count - 1
        }
    }

    /// `limit` bytes of events may wait.
    package init(limit: Int = 4 << 20) { self.limit = limit }

    /// Bytes of events that wait.
    package var waiting: Int { state.withLock { $0.bytes } }
    /// Whether half of the room is free: for sources that can wait.
    package var hasRoom: Bool { waiting < limit / 2 }
    /// Whether all that was offered was taken.
    package var isEmpty: Bool { state.withLock { $0.parcels.isEmpty } }

    /// Takes events; those that find no room are counted as lost.
    package func offer(_ events: [TelemetryEvent], from source: TelemetrySource) {
        state.withLock { state in
            for event in events {
                let parcel = state.open(for: source)
                guard state.bytes < limit else {
                    state.parcels[parcel].lost[.relayFull, default: 0] += 1
                    continue
                }
                let before = state.parcels[parcel].events.sizeInBytes
                state.parcels[parcel].events.append(event)
                state.bytes += state.parcels[parcel].events.sizeInBytes - before
            }
        }
    }

    /// Counts events that were lost before they came here.
    package func lost(_ count: UInt64, _ reason: LossReason, from source: TelemetrySource) {
        guard count > 0 else { return }
        state.withLock { state in
            let parcel = state.open(for: source)
            let (sum, overflow) = (state.parcels[parcel].lost[reason] ?? 0).addingReportingOverflow(count)
            state.parcels[parcel].lost[reason] = overflow ? .max : sum
        }
    }

    /// The oldest parcel. It is handed out again until `took` says that it arrived.
    package func next() -> Parcel? {
        state.withLock { state in
            guard let first = state.parcels.first else { return nil }
            state.handedOut = max(state.handedOut, first.number)
            return first
        }
    }

    /// The other side has that parcel.
    package func took(_ number: UInt64) {
        state.withLock { state in
            guard let first = state.parcels.first, first.number == number else { return }
            state.bytes -= first.events.sizeInBytes
            state.parcels.removeFirst()
        }
    }
}
