// SPDX-License-Identifier: Apache-2.0

package import MeshModel
package import Telemetry

extension MetricsState {
    /// The telemetry's part of a metrics page.
    package struct Telemetry: Hashable, Sendable {
        /// What an agent last said about its spool, and how long ago.
        package struct Agent: Hashable, Sendable {
            package var statement: SpoolStatement
            package var age: Duration
            package init(statement: SpoolStatement, age: Duration) {
                self.statement = statement
                self.age = age
            }
        }

        /// The store's figures.
        package struct Store: Hashable, Sendable {
            package var bytes: UInt64
            package var events: UInt64
            package var failures: UInt64
            package var refusedBatches: UInt64
            package var correctedTimes: UInt64
            package var damagedBlocks: UInt64
            package var damagedSegments: UInt64
            package init(
                bytes: UInt64 = 0, events: UInt64 = 0, failures: UInt64 = 0, refusedBatches: UInt64 = 0, correctedTimes: UInt64 = 0,
                damagedBlocks: UInt64 = 0, damagedSegments: UInt64 = 0
            ) {
                self.bytes = bytes
                self.events = events
                self.failures = failures
                self.refusedBatches = refusedBatches
                self.correctedTimes = correctedTimes
                self.damagedBlocks = damagedBlocks
                self.damagedSegments = damagedSegments
            }
        }

        package var books: TelemetryBooks
        /// Which cluster a node belongs to, as the plan says.
        package var clusters: [NodeID: ClusterName]
        package var agents: [NodeID: Agent]
        package var store: Store
        package init(
            books: TelemetryBooks = TelemetryBooks(), clusters: [NodeID: ClusterName] = [:], agents: [NodeID: Agent] = [:],
            store: Store = Store()
        ) {
            self.books = books
            self.clusters = clusters
            self.agents = agents
            self.store = store
        }
    }
}
