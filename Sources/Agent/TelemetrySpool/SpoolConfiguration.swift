// SPDX-License-Identifier: Apache-2.0

package import MeshModel
package import Telemetry

/// Where the spool lies and how much it may take.
package struct SpoolConfiguration: Hashable, Sendable {
    /// A directory of the spool's own; made when it is missing.
    package var directory: String
    /// Of this boot of the machine.
    package var boot: BootID
    /// Bytes of segments on disk; above it the oldest segment is given up.
    package var diskBytes = 256 << 20
    /// Bytes at which a segment is closed and the next one begun.
    package var segmentBytes = 4 << 20
    /// Bytes of events that may wait in memory for the disk.
    package var intakeBytes = 4 << 20
    /// Bytes of packed batches that are kept in memory while the disk refuses to write.
    package var memoryBytes = 4 << 20
    /// How long events may wait in memory before they are written.
    package var flushInterval = Duration.milliseconds(200)
    /// How long written events may wait for the disk itself: what a power cut may take.
    package var syncInterval = Duration.seconds(1)

    package init(directory: String, boot: BootID) {
        self.directory = directory
        self.boot = boot
    }
}

/// What cannot be used from the start. Everything that happens later is counted and survived.
package enum SpoolError: Error, CustomStringConvertible {
    case cannotOpen(directory: String, cause: any Error)

    package var description: String {
        switch self {
        case .cannotOpen(let directory, let cause): "cannot use the spool in \(directory): \(cause)"
        }
    }
}

/// How the spool stands.
package struct SpoolStatus: Hashable, Sendable {
    /// Bytes of segments on disk.
    package var diskBytes: Int
    /// Bytes of batches that the disk refused and memory holds.
    package var memoryBytes: Int
    /// Bytes of events that wait to be written.
    package var intakeBytes: Int
    /// Batches and gaps that are not acknowledged.
    package var waiting: Int
    /// Writes that the disk refused so far, and the last refusal in words.
    package var failures: UInt64
    package var lastFailure: String?
    /// Records that were cut off at the end of a segment because their writing was interrupted.
    package var tornTails: UInt64
    /// How far each stream goes that the spool can still tell of; any other stream of this agent is finished.
    package var streams: [TelemetryStream: UInt64]
}
