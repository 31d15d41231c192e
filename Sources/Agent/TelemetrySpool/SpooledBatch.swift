// SPDX-License-Identifier: Apache-2.0

package import Telemetry

/// One batch on its way: its bytes, and what to acknowledge.
package struct SpooledBatch: Hashable, Sendable {
    package let stream: TelemetryStream
    package let first: UInt64
    package let next: UInt64
    /// As `TelemetryBatch.encoded`.
    package let bytes: [UInt8]

    init(_ entry: SpoolQueue.Entry, _ bytes: [UInt8]) {
        stream = entry.stream
        first = entry.first
        next = entry.next
        self.bytes = bytes
    }
}
