// SPDX-License-Identifier: Apache-2.0

package import MeshModel
package import Telemetry

/// Who keeps the telemetry that agents send. The calls about one node come one at a time and in order; those of different nodes come at once.
package protocol TelemetryInbox: Sendable {
    /// Makes the batches durable; only then are they acknowledged. The answer has one item for each: `nil`, or why it is refused for good. A batch that
    /// came before is answered in the same way and stored once. An error closes the feed, and the agent will send them again.
    func take(_ batches: [TelemetryBatch], of node: NodeID, receivedAt: Moment) async throws -> [String?]
    /// Something came as a batch that cannot be read as one; it is refused for good.
    func unreadable(_ fault: TelemetryFault, of node: NodeID) async
    /// What the agent says about its spool.
    func stated(_ statement: SpoolStatement, of node: NodeID, at: Moment) async
}
