// SPDX-License-Identifier: Apache-2.0

/// One batch on its way: its bytes, and what its acknowledgement settles.
package struct SpooledBatch: Hashable, Sendable {
    package let stream: TelemetryStream
    package let first: UInt64
    /// The number after its last.
    package let next: UInt64
    /// As `TelemetryBatch.encoded`.
    package let bytes: [UInt8]

    package init(stream: TelemetryStream, first: UInt64, next: UInt64, bytes: [UInt8]) {
        self.stream = stream
        self.first = first
        self.next = next
        self.bytes = bytes
    }
}

/// Where the feed takes what it sends. The calls may wait for the disk for a moment, never for the network.
package protocol FeedSpool: Sendable {
    /// A new connection: everything that is not acknowledged is to be sent again.
    func rewind()
    /// The next batch to send, or `nil` when all were taken.
    func takeNext() -> SpooledBatch?
    /// The coordinator has made this batch durable.
    func acknowledge(_ batch: SpooledBatch)
    /// What the agent says about itself every few seconds.
    var statement: SpoolStatement { get }
}

/// What an agent says about its spool: how far it counted, and what waits.
package struct SpoolStatement: Hashable, Sendable {
    /// The last number of each stream that the spool can still tell of.
    package var streams: [TelemetryStream: UInt64]
    /// Bytes on the agent's disk.
    package var spoolBytes: UInt64
    /// Batches and gaps that are not acknowledged.
    package var waiting: UInt64
    /// Writes that the agent's disk refused.
    package var failures: UInt64
    /// A stream that is not here is finished: nothing more will come of it.
    package var isComplete: Bool

    package init(
        streams: [TelemetryStream: UInt64], spoolBytes: UInt64 = 0, waiting: UInt64 = 0, failures: UInt64 = 0, isComplete: Bool = true
    ) {
        self.streams = streams
        self.spoolBytes = spoolBytes
        self.waiting = waiting
        self.failures = failures
        self.isComplete = isComplete
    }

    /// Streams in one statement at most.
    package static let mostStreams = 256
}
