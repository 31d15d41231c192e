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
    /// What a parcel takes besides its events, so that small ones are bounded, too.
    private static let overhead = 256
    private let limit: Int
    private let state = Mutex(State())
    private struct State {
        /// Numbers without a gap, the oldest first; a slice, as taking from its front moves nothing.
        var parcels: ArraySlice<Parcel> = []
        var bytes = 0
        var nextNumber: UInt64 = 1
        /// The parcel that was handed out and is not taken yet: it changes no more.
        var handedOut: UInt64 = 0
        /// The number of each source's newest parcel.
        var newest: [TelemetrySource: UInt64] = [:]

        /// The source's newest parcel, unless it was handed out.
        func newest(of source: TelemetrySource) -> Int? {
            guard let number = newest[source], number > handedOut, let first = parcels.first else { return nil }
            return parcels.startIndex + Int(number - first.number)
        }

        mutating func begin(for source: TelemetrySource) -> Int {
            parcels.append(Parcel(number: nextNumber, source: source))
            newest[source] = nextNumber
            nextNumber += 1
            bytes += RelayQueue.overhead
            return parcels.endIndex - 1
        }

        /// The parcel to add an event to: sources do not wait for each other, so only the order of each one's own counts.
        mutating func open(for source: TelemetrySource) -> Int {
            if let newest = newest(of: source), parcels[newest].events.sizeInBytes < RelayQueue.parcelBytes { return newest }
            return begin(for: source)
        }

        /// Losses find room always: in the newest parcel, or in one more for each source.
        mutating func lose(_ count: UInt64, _ reason: LossReason, from source: TelemetrySource) {
            let parcel = newest(of: source) ?? begin(for: source)
            let (sum, overflow) = (parcels[parcel].lost[reason] ?? 0).addingReportingOverflow(count)
            parcels[parcel].lost[reason] = overflow ? .max : sum
        }
    }

    /// `limit` bytes may wait.
    package init(limit: Int = 4 << 20) { self.limit = limit }

    /// Bytes that wait.
    package var waiting: Int { state.withLock { $0.bytes } }
    /// Whether half of the room is free: for sources that can wait.
    package var hasRoom: Bool { waiting < limit / 2 }
    /// Whether all that was offered was taken.
    package var isEmpty: Bool { state.withLock { $0.parcels.isEmpty } }

    /// Takes events; those that find no room are counted as lost.
    package func offer(_ events: [TelemetryEvent], from source: TelemetrySource) {
        state.withLock { state in
            for event in events {
                guard state.bytes < limit else {
                    state.lose(1, .relayFull, from: source)
                    continue
                }
                let parcel = state.open(for: source)
                let before = state.parcels[parcel].events.sizeInBytes
                state.parcels[parcel].events.append(event)
                state.bytes += state.parcels[parcel].events.sizeInBytes - before
            }
        }
    }

    /// Counts events that were lost before they came here.
    package func lost(_ count: UInt64, _ reason: LossReason, from source: TelemetrySource) {
        guard count > 0 else { return }
        state.withLock { $0.lose(count, reason, from: source) }
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
            state.bytes -= first.events.sizeInBytes + Self.overhead
            state.parcels.removeFirst()
            if state.newest[first.source] == number { state.newest[first.source] = nil }
        }
    }
}
