// SPDX-License-Identifier: Apache-2.0

/// Where telemetry is kept, and how much of it.
package struct StoreConfiguration: Hashable, Sendable {
    /// A directory of the store's own; made when it is missing.
    package var directory: String
    /// Bytes of all segments together; above it the oldest goes.
    package var retainedBytes = 4 << 30
    /// A segment goes when all its events came longer ago than this.
    package var retainedFor = Duration.seconds(14 * 24 * 3600)
    /// Bytes at which a segment is closed and the next one begun.
    package var segmentBytes = 64 << 20
    /// An event that says it is older than this when it comes is believed to have a wrong clock.
    package var oldestEvent = Duration.seconds(400 * 24 * 3600)
    /// As one that says it is further ahead than this.
    package var farthestAhead = Duration.seconds(600)

    package init(directory: String) { self.directory = directory }
}

/// What goes wrong with the store. An agent keeps what could not be stored and sends it again.
package enum StoreError: Error, CustomStringConvertible {
    case cannotOpen(directory: String, cause: any Error)
    case cannotWrite(cause: any Error)
    /// The store was closed while something waited to be stored.
    case closed

    package var description: String {
        switch self {
        case .cannotOpen(let directory, let cause): "cannot use the telemetry store in \(directory): \(cause)"
        case .cannotWrite(let cause): "cannot store telemetry: \(cause)"
        case .closed: "the telemetry store is closed"
        }
    }
}

/// How the store stands.
package struct StoreStatus: Hashable, Sendable {
    package var segments: Int
    package var bytes: Int
    /// Events in it.
    package var events: UInt64
    /// When what is oldest in it came, in milliseconds since 1970; absent when it is empty.
    package var oldestReceived: Int64?
    /// Writes that failed since the start, and the last failure in words.
    package var failures: UInt64
    package var lastFailure: String?
    /// Events whose time was not believed and was replaced by that of their arrival, since the start.
    package var correctedTimes: UInt64
    /// Batches that were refused, since the start.
    package var refusedBatches: UInt64
    /// Blocks that could not be read back, since the start.
    package var damagedBlocks: UInt64
    /// Damaged files that were set aside and lie in the directory.
    package var damagedSegments: Int
    /// What of it was found when the store was opened, and what became of it, in words.
    package var setAside: [String]
}
