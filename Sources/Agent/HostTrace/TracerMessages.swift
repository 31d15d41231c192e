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
    /// Other programs that are listened to; absent from a tracer of an earlier version.
    package var sources: [SourceStatus]?
}

/// Another program on this host that tells what it sees, as the tracer knows it.
package struct SourceStatus: Hashable, Sendable, Codable {
    /// `tetragon` or `hubble`.
    package var name: String
    package var address: String?
    package var isStreaming: Bool
    package var version: String
    package var health: String
    /// What it was told to look for, with the state of each.
    package var policies: [String]
    /// Counts since the start by what is counted, such as `from_stream`.
    package var counts: [String: UInt64]
    /// What is wrong with it, each in a sentence.
    package var problems: [String]
    package init(
        name: String, address: String?, isStreaming: Bool, version: String, health: String = "", policies: [String] = [],
        counts: [String: UInt64], problems: [String]
    ) {
        self.name = name
        self.address = address
        self.isStreaming = isStreaming
        self.version = version
        self.health = health
        self.policies = policies
        self.counts = counts
        self.problems = problems
    }
}
