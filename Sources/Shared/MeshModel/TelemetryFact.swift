// SPDX-License-Identifier: Apache-2.0

/// How a node's telemetry stood at one moment, as the coordinator counted what arrived in the last minute. Spans and shares are rounded up to
/// steps, so that two looks at a feed that goes well say the same, and never look better than it was.
package struct TelemetryFact: Hashable, Sendable, Codable {
    /// Packets between machines of two clusters that the node's kernel dropped for one reason.
    package struct Drop: Hashable, Sendable, Codable, Comparable {
        package var reason: String
        package var from: ClusterName
        package var to: ClusterName
        /// Those that were told one by one: of a flood there were more.
        package var packets: UInt64
        package init(reason: String, from: ClusterName, to: ClusterName, packets: UInt64) {
            self.reason = reason
            self.from = from
            self.to = to
            self.packets = packets
        }
        package static func < (left: Self, right: Self) -> Bool { (left.reason, left.from, left.to) < (right.reason, right.from, right.to) }
    }

    /// How a node's Hubble is read.
    package struct Hubble: Hashable, Sendable, Codable {
        /// Since its reader last said that it follows the flows; absent when it never did.
        package var heard: TimeSpan?
        /// Why it does not, as it said last.
        package var problem: String?
        package init(heard: TimeSpan?, problem: String? = nil) {
            self.heard = heard
            self.problem = problem
        }
    }

    /// What a node's Tetragon does.
    package struct Tetragon: Hashable, Sendable, Codable {
        /// Since it was last asked, which is every half minute.
        package var heard: TimeSpan
        /// The states of its tracing policies by name, those of a namespace as `NAMESPACE/NAME`; absent when it does not list them.
        package var policies: [String: String]?
        package init(heard: TimeSpan, policies: [String: String]?) {
            self.heard = heard
            self.policies = policies
        }
    }

    package var node: NodeID
    /// What the counts are over: less than a minute when the coordinator has not listened for longer.
    package var window: TimeSpan
    /// Since the agent last said how far it had counted; absent when it never did while this coordinator listened. This and the spans below
    /// are as of the evidence's own time.
    package var stated: TimeSpan?
    /// Since what the tracer last said of itself, which it does every ten seconds.
    package var traced: TimeSpan?
    /// Tracepoints that eBPF programs stood at then; empty where the tracer reads /proc instead.
    package var watched: [String]
    /// Since a program was last seen to start.
    package var executed: TimeSpan?
    /// Of a thousand events that the node produced, those that were lost, rounded up.
    package var lost: Int
    /// Why, the most frequent first.
    package var lossReasons: [String]
    package var drops: [Drop]
    /// Reasons for which more packets were dropped than were told one by one, so that `drops` may lack those between clusters; `anyReason`
    /// when there were more reasons than are kept apart. Absent when every dropped packet was told.
    package var untold: [String]?
    /// Of a thousand TCP segments, those that were sent again, rounded up; absent when the tracer has not told of any.
    package var resent: Int?
    /// Absent when nothing was heard of a reader of Hubble.
    package var hubble: Hubble?
    /// Absent when nothing was heard of Tetragon itself; its log alone does not tell.
    package var tetragon: Tetragon?

    package init(
        node: NodeID, window: TimeSpan, stated: TimeSpan?, traced: TimeSpan?, watched: [String] = [], executed: TimeSpan? = nil,
        lost: Int = 0, lossReasons: [String] = [], drops: [Drop] = [], untold: [String]? = nil, resent: Int? = nil, hubble: Hubble? = nil,
        tetragon: Tetragon? = nil
    ) {
        self.node = node
        self.window = window
        self.stated = stated
        self.traced = traced
        self.watched = watched
        self.executed = executed
        self.lost = lost
        self.lossReasons = lossReasons
        self.drops = drops
        self.untold = untold
        self.resent = resent
        self.hubble = hubble
        self.tetragon = tetragon
    }

    /// Stands in `untold` for reasons that are not named there.
    package static let anyReason = "*"

    /// What counts are over when the coordinator has listened long enough.
    package static let fullWindow = TimeSpan(.seconds(60))
    /// Spans are rounded up to whole steps: of `stated` and `traced`, which are told every few seconds and every ten, and of `executed`.
    package static let step = Duration.seconds(20)
    package static let longStep = Duration.seconds(300)
    /// Of what is told every half minute.
    package static let minute = Duration.seconds(60)

    /// A span as a fact tells it.
    package static func rounded(_ span: Duration, to step: Duration = TelemetryFact.step) -> TimeSpan {
        let whole = step.inMilliseconds
        return TimeSpan(.milliseconds(max(1, (max(0, span.inMilliseconds) + whole - 1) / whole) * whole))
    }

    /// `part` of `whole` in thousandths, rounded up, a thousand at most.
    package static func share(_ part: UInt64, of whole: UInt64) -> Int {
        guard part > 0 else { return 0 }
        guard part < whole else { return 1000 }
        let (high, low) = part.multipliedFullWidth(by: 1000)
        let (quotient, remainder) = whole.dividingFullWidth((high, low))
        return Int(quotient) + (remainder > 0 ? 1 : 0)
    }
}
