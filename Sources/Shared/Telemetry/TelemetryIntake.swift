// SPDX-License-Identifier: Apache-2.0

/// Where sources hand over what they see. It never waits and never throws: what cannot be kept is counted, by reason, in the source's books.
/// May be called from any thread; the events of one source keep the order in which they were offered.
package protocol TelemetryIntake: Sendable {
    /// Takes events of one source. Each of them is counted as produced, whatever becomes of it.
    func offer(_ events: [TelemetryEvent], from source: TelemetrySource)
    /// Counts events that the source knows it lost before they could be offered: a full ring, a line that could not be read. They count as produced.
    func lost(_ count: UInt64, _ reason: LossReason, from source: TelemetrySource)
}

extension TelemetryIntake {
    /// Takes one event.
    package func offer(_ event: TelemetryEvent, from source: TelemetrySource) { offer([event], from: source) }
}
