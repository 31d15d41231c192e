// SPDX-License-Identifier: Apache-2.0

package import MeshModel
package import Running

/// All that a metrics page tells of, taken at one moment.
package struct MetricsState: Sendable {
    /// What runs here.
    package struct Build: Hashable, Sendable {
        package var version: String
        package var commit: String
        package init(version: String, commit: String) {
            self.version = version
            self.commit = commit
        }
    }

    /// The agents as the gateway sees them.
    package struct Fleet: Hashable, Sendable {
        /// How long ago each connected node was heard.
        package var silence: [NodeID: Duration]
        /// Enrolled nodes, connected or not.
        package var enrolled: Set<NodeID>
        /// Reports that outboxes had to drop, all sessions together.
        package var droppedReports: UInt64
        package init(silence: [NodeID: Duration] = [:], enrolled: Set<NodeID> = [], droppedReports: UInt64 = 0) {
            self.silence = silence
            self.enrolled = enrolled
            self.droppedReports = droppedReports
        }
    }

    package var machine: RunMachine
    package var head: JournalHead
    /// Appends of this process.
    package var appends: UInt64
    package var now: Moment
    package var build: Build
    package var fleet: Fleet
    package var feed: EventFeed.Figures
    package var telemetry: Telemetry?
    /// What is sent on to others, by stream.
    package var deliveries: [Delivery]
    package var process: ProcessFigures?

    package init(
        machine: RunMachine, head: JournalHead, appends: UInt64, now: Moment, build: Build, fleet: Fleet = Fleet(),
        feed: EventFeed.Figures = EventFeed.Figures(), telemetry: Telemetry? = nil, deliveries: [Delivery] = [],
        process: ProcessFigures? = nil
    ) {
        self.machine = machine
        self.head = head
        self.appends = appends
        self.now = now
        self.build = build
        self.fleet = fleet
        self.feed = feed
        self.telemetry = telemetry
        self.deliveries = deliveries
        self.process = process
    }
}
