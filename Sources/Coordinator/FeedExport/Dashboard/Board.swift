// SPDX-License-Identifier: Apache-2.0

package import Gating
package import MeshModel

/// All that the dashboard shows, taken at one moment.
package struct Board: Sendable {
    package struct Run: Sendable {
        package var id: RunID
        /// `build`, `verify`, `drift` or `teardown`.
        package var purpose: String
        package var by: String
        package var startedAt: Timestamp
        /// `succeeded`, `failed` or `stopped`; absent while it goes on.
        package var ending: String?
        package var steps: [Step]
        package init(id: RunID, purpose: String, by: String, startedAt: Timestamp, ending: String?, steps: [Step]) {
            self.id = id
            self.purpose = purpose
            self.by = by
            self.startedAt = startedAt
            self.ending = ending
            self.steps = steps
        }
    }

    package struct Step: Sendable {
        /// In the order in which a reader wants to know.
        package enum State: String, CaseIterable, Sendable { case failed, held, running, verifying, waiting, done, unchanged }
        package var id: StepID
        package var title: String
        package var state: State
        package var since: Timestamp?
        package var detail: String
        /// Why it is held or failed.
        package var reasons: [Reason]
        /// What of the ground of a step that has begun has given way since.
        package var lost: [Reason]
        /// Of a step that runs and tells; `done` and `total` in the unit of its work.
        package var progress: (done: UInt64, total: UInt64)?
        package init(
            id: StepID, title: String, state: State, since: Timestamp?, detail: String, reasons: [Reason], lost: [Reason],
            progress: (done: UInt64, total: UInt64)? = nil
        ) {
            self.id = id
            self.title = title
            self.state = state
            self.since = since
            self.detail = detail
            self.reasons = reasons
            self.lost = lost
            self.progress = progress
        }

        /// What keeps it, now or again.
        var obstacles: [Reason] { reasons + lost }
        var isOver: Bool { state == .done || state == .unchanged }
        /// The cluster that it belongs to, or `mesh`.
        var place: String { String(id.text.prefix { $0 != "/" }) }
    }

    package struct Machine: Sendable {
        package var name: NodeID
        package var cluster: ClusterName?
        package var isConnected: Bool
        package var address: String?
        package var agentVersion: String?
        package var certificateEnds: Timestamp?
        package init(
            name: NodeID, cluster: ClusterName?, isConnected: Bool, address: String?, agentVersion: String?, certificateEnds: Timestamp?
        ) {
            self.name = name
            self.cluster = cluster
            self.isConnected = isConnected
            self.address = address
            self.agentVersion = agentVersion
            self.certificateEnds = certificateEnds
        }
    }

    /// A disk that the plan wipes, and the warrant for it.
    package struct Wipe: Sendable {
        package enum Warrant: String, Sendable {
            case needed, spent
            case handedIn = "handed in"
            case notYet = "not yet to be signed"
            case notNeeded = "none was needed"
        }
        package var step: StepID
        package var node: NodeID
        package var state: Step.State
        /// Device, serial and size, as far as known.
        package var disk: String
        /// The signatures on it, as the last inventory says.
        package var contents: [String]
        /// Whether the inventory found it blank; absent while it was not seen.
        package var isBlank: Bool?
        package var method: String
        package var warrant: Warrant
        package var obstacles: [Reason]
        package init(
            step: StepID, node: NodeID, state: Step.State, disk: String, contents: [String], isBlank: Bool?, method: String,
            warrant: Warrant,
            obstacles: [Reason]
        ) {
            self.step = step
            self.node = node
            self.state = state
            self.disk = disk
            self.contents = contents
            self.isBlank = isBlank
            self.method = method
            self.warrant = warrant
            self.obstacles = obstacles
        }
    }

    package var mesh: String
    package var version: String
    package var epoch: UInt64
    package var journal: UInt64
    package var taken: Timestamp
    package var run: Run?
    package var picture: MeshPicture
    package var machines: [Machine]
    package var wipes: [Wipe]
    /// The newest first.
    package var runs: [RecentPast.Run]
    package var events: [FeedEvent]

    package init(
        mesh: String, version: String, epoch: UInt64, journal: UInt64, taken: Timestamp, run: Run?, picture: MeshPicture,
        machines: [Machine], wipes: [Wipe], runs: [RecentPast.Run], events: [FeedEvent]
    ) {
        self.mesh = mesh
        self.version = version
        self.epoch = epoch
        self.journal = journal
        self.taken = taken
        self.run = run
        self.picture = picture
        self.machines = machines
        self.wipes = wipes
        self.runs = runs
        self.events = events
    }
}

/// What the reader of the page asked to see of it; from the query of its address, and nothing but a choice among what is there.
package struct BoardFilter: Hashable, Sendable {
    package var state: Board.Step.State?
    package var kind: String?
    package var text: String
    package var feed = FeedFilter { _ in nil }

    package init(state: Board.Step.State? = nil, kind: String? = nil, text: String = "") {
        self.state = state
        self.kind = kind
        self.text = text
    }

    /// Words that are not known are no filter.
    package init(query: (String) -> String?) {
        state = query("state").flatMap(Board.Step.State.init)
        kind = query("kind").flatMap { RecentPast.kinds.contains($0) ? $0 : nil }
        text = String((query("text") ?? "").prefix(100))
        feed = FeedFilter(query: query)
    }

    func keeps(_ event: FeedEvent) -> Bool {
        (kind == nil || kind == event.kind) && (text.isEmpty || event.text.lowercased().contains(text.lowercased()))
    }
}
