// SPDX-License-Identifier: Apache-2.0

/// Why an event that was produced was not delivered. The words travel, and are labels of metrics.
package enum LossReason: String, Hashable, Sendable, CaseIterable, Comparable, CustomStringConvertible {
    /// The kernel's ring buffer had no room.
    case ringFull = "ring_full"
    /// Tetragon, Hubble or the kernel said that it lost them.
    case reportedBySource = "reported_by_source"
    /// The source's own or our limit of events in a time was reached.
    case rateLimited = "rate_limited"
    /// It could not be read as what it should be.
    case malformed
    /// A record longer than a reader takes.
    case oversized
    /// More came at once than the agent's memory takes.
    case intakeFull = "intake_full"
    /// The socket between two roles of the agent had no room.
    case relayFull = "relay_full"
    /// The spool reached its size and gave up its oldest segment.
    case spoolFull = "spool_full"
    /// The spool's disk refused to write and memory was full as well.
    case spoolUnwritable = "spool_unwritable"
    /// What the spool had kept could not be read back.
    case spoolDamaged = "spool_damaged"
    /// It was in memory when the agent was killed.
    case agentStopped = "agent_stopped"
    /// The coordinator refused the batch as not well formed.
    case refused
    /// Numbers that never came and that the agent gave no reason for.
    case missing
    /// A reason that this version does not know.
    case other

    package var description: String { rawValue }
    package static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }
    /// The reason of that word; `other` for a word of a later version.
    package init(word: String) { self = LossReason(rawValue: word) ?? .other }
}
