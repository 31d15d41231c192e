// SPDX-License-Identifier: Apache-2.0

package import MeshModel

/// A run or one of its steps as a span of a trace, once it is over.
package struct RunSpan: Hashable, Sendable {
    /// Something that happened while it lasted.
    package struct Event: Hashable, Sendable {
        package var at: Timestamp
        /// The kind of entry, such as `stepHeld`.
        package var name: String
        package var text: String
        package var attempt: Int?
        package var reasons: [String]
    }

    package enum Ending: Hashable, Sendable {
        case good
        /// Why not.
        case bad(String)
        /// It ended without an answer: the run was stopped before.
        case open
    }

    package var run: RunID
    /// Absent for the run itself.
    package var step: StepID?
    package var cluster: ClusterName?
    package var node: NodeID?
    package var start: Timestamp
    package var end: Timestamp
    package var ending: Ending
    /// What it came to: a step's state, or a run's ending.
    package var state: String
    package var attempts: Int
    package var by: String?
    package var plan: String?
    package private(set) var events: [Event] = []
    /// Events that were not kept.
    package private(set) var droppedEvents: UInt64 = 0

    /// Events that one span keeps; a step that is held for days changes its reasons often.
    static let mostEvents = 128

    init(run: RunID, step: StepID? = nil, start: Timestamp) {
        self.run = run
        self.step = step
        self.start = start
        end = start
        ending = .open
        state = "open"
        attempts = 0
    }

    mutating func add(_ event: FeedEvent) {
        guard events.count < Self.mostEvents else {
            droppedEvents += 1
            return
        }
        events.append(
            Event(
                at: event.time, name: event.kind, text: event.text, attempt: event.attempt,
                reasons: event.reasons.prefix(20).map(\.line)))
    }
}
