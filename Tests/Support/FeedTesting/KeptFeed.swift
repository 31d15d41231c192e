// SPDX-License-Identifier: Apache-2.0

internal import Synchronization
package import Telemetry

/// An intake that remembers, and can be full.
package final class KeptFeed: TelemetryIntake {
    private struct State {
        var events: [TelemetryEvent] = []
        var lost: [LossReason: UInt64] = [:]
        var hasRoom = true
        var isTaken = true
    }
    private let state = Mutex(State())
    private let source: TelemetrySource

    package init(_ source: TelemetrySource) { self.source = source }

    package func offer(_ events: [TelemetryEvent], from source: TelemetrySource) {
        guard source == self.source else { return }
        state.withLock { $0.events += events }
    }
    package func lost(_ count: UInt64, _ reason: LossReason, from source: TelemetrySource) {
        guard source == self.source else { return }
        state.withLock { $0.lost[reason, default: 0] += count }
    }
    package var events: [TelemetryEvent] { state.withLock { $0.events } }
    package var lost: [LossReason: UInt64] { state.withLock { $0.lost } }
    package var hasRoom: Bool {
        get { state.withLock { $0.hasRoom } }
        set { state.withLock { $0.hasRoom = newValue } }
    }
    package var isTaken: Bool {
        get { state.withLock { $0.isTaken } }
        set { state.withLock { $0.isTaken = newValue } }
    }
    /// Events but those of the source itself about how it is followed.
    package func events(butNot kinds: String...) -> [TelemetryEvent] { events.filter { !kinds.contains($0.kind.text) } }
}

/// Waits until it is true; ends with the test's time limit.
package func until(_ condition: @Sendable () async throws -> Bool) async throws {
    while try await !condition() { try await Task.sleep(for: .milliseconds(5)) }
}
