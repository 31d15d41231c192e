// SPDX-License-Identifier: Apache-2.0

/// What the agent's network process may ask the tracer. It can ask for nothing else.
package enum TracerRequest: Hashable, Sendable, Codable {
    /// From now on parcels come, one after the other.
    case follow
    /// The parcel of that number is in our hands.
    case took(UInt64)
    case status
}

/// What the tracer answers.
package enum TracerResponse: Hashable, Sendable, Codable {
    /// A parcel; when it has events, they come packed in a frame of their own behind it.
    case parcel(TracerParcel)
    case status(TracerStatus)
    case failed(String)
}

/// The head of a parcel. One without events and losses only says that the tracer lives.
package struct TracerParcel: Hashable, Sendable, Codable {
    package var number: UInt64
    /// TelemetrySource, as a word.
    package var source: String
    package var events: UInt64
    /// LossReason, as a word, to a count.
    package var lost: [String: UInt64]
    package init(number: UInt64, source: String, events: UInt64, lost: [String: UInt64]) {
        self.number = number
        self.source = source
        self.events = events
        self.lost = lost
    }
}

/// What the tracer does and what it cannot.
package struct TracerStatus: Hashable, Sendable, Codable {
    package var version: String
    /// Tracepoints that are watched.
    package var running: [String]
    package var refused: [TraceRefusal]
    /// Why there is no eBPF at all and /proc is read instead; `nil` when programs run.
    package var withoutPrograms: String?
    /// Since the start.
    package var events: UInt64
    package var lost: [String: UInt64]
    /// Bytes of events that the agent has not taken yet.
    package var waiting: Int
    package var isFollowed: Bool
}
