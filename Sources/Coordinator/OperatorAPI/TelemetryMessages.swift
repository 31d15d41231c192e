// SPDX-License-Identifier: Apache-2.0

package import MeshModel
package import Telemetry

/// Which stored events are asked for, as the parameters of a request say.
package struct TelemetryRequest: Hashable, Sendable {
    /// Events that one answer has at most when a number is asked for.
    package static let mostNewest = 100_000

    package var query: TelemetryQuery
    /// Only that many, from the end; `nil` is all.
    package var newest: Int?

    package init(query: TelemetryQuery, newest: Int?) {
        self.query = query
        self.newest = newest
    }

    /// Reads the parameters; `now` is what `since=10m` counts back from.
    init(_ parameter: (String) -> String?, now: Timestamp) throws(SurfaceError) {
        func take<Value>(_ name: String, _ wanted: String, _ read: (String) -> Value?) throws(SurfaceError) -> Value? {
            guard let text = parameter(name) else { return nil }
            guard let value = read(text) else {
                throw SurfaceError(400, "badQuery", "\(name)=\"\(text.prefix(100))\" is not \(wanted)")
            }
            return value
        }
        func instant(_ text: String) -> EventTime? {
            if let time = Timestamp(text) { return EventTime(time) }
            return TimeSpan(text).map { EventTime(Timestamp(milliseconds: now.milliseconds - $0.duration.inMilliseconds)) }
        }
        let time = "a time such as 10m (before now) or 2026-11-23T08:40:01Z"
        let sources = TelemetrySource.allCases.map(\.rawValue).joined(separator: ", ")
        let pattern = "a pattern such as */nc"
        query = TelemetryQuery(
            since: try take("since", time, instant) ?? EventTime(nanoseconds: .min),
            until: try take("until", time, instant) ?? EventTime(nanoseconds: .max),
            cluster: try take("cluster", ClusterName.grammar, ClusterName.init), node: try take("node", NodeID.grammar, NodeID.init),
            source: try take("source", "one of \(sources)", TelemetrySource.init),
            kind: try take("kind", "a kind such as process_exec", EventKind.init),
            binary: try take("binary", pattern, TextPattern.init), namespace: try take("namespace", pattern, TextPattern.init),
            pod: try take("pod", pattern, TextPattern.init), reason: try take("reason", "a pattern such as NETFILTER_*", TextPattern.init))
        newest = try take("limit", "a number from 1 to \(Self.mostNewest)") { text in
            Int(text).flatMap { (1...Self.mostNewest).contains($0) ? $0 : nil }
        }
    }
}

/// What became of all events, and how spools and store stand.
package struct BooksReply: Hashable, Sendable, Codable {
    /// One node and source: produced = delivered + lost + pending.
    package struct Line: Hashable, Sendable, Codable {
        package var node: NodeID
        package var cluster: ClusterName?
        package var source: String
        package var produced: UInt64
        package var delivered: UInt64
        package var pending: UInt64
        /// By reason.
        package var lost: [String: UInt64]

        package init(node: NodeID, cluster: ClusterName?, source: String, account: TelemetryAccount) {
            self.node = node
            self.cluster = cluster
            self.source = source
            produced = account.produced
            delivered = account.delivered
            pending = account.pending
            lost = Dictionary(account.lost.map { ($0.key.rawValue, $0.value) }, uniquingKeysWith: +)
        }
    }

    /// What an agent last said about its spool.
    package struct Agent: Hashable, Sendable, Codable {
        package var node: NodeID
        package var statedAt: Timestamp
        package var spoolBytes: UInt64
        /// Batches and gaps that are not acknowledged.
        package var waiting: UInt64
        /// Writes that its disk refused.
        package var failures: UInt64
        package init(node: NodeID, statedAt: Timestamp, spoolBytes: UInt64, waiting: UInt64, failures: UInt64) {
            self.node = node
            self.statedAt = statedAt
            self.spoolBytes = spoolBytes
            self.waiting = waiting
            self.failures = failures
        }
    }

    /// The store on the coordinator's disk.
    package struct Store: Hashable, Sendable, Codable {
        package var segments: Int
        package var bytes: Int
        package var events: UInt64
        package var oldest: Timestamp?
        package var failures: UInt64
        package var lastFailure: String?
        package var refusedBatches: UInt64
        package var correctedTimes: UInt64
        package var damagedBlocks: UInt64
        /// Damaged files that were set aside and are still there.
        package var damagedSegments: Int?
        package init(
            segments: Int, bytes: Int, events: UInt64, oldest: Timestamp?, failures: UInt64, lastFailure: String?, refusedBatches: UInt64,
            correctedTimes: UInt64, damagedBlocks: UInt64, damagedSegments: Int? = nil
        ) {
            self.segments = segments
            self.bytes = bytes
            self.events = events
            self.oldest = oldest
            self.failures = failures
            self.lastFailure = lastFailure
            self.refusedBatches = refusedBatches
            self.correctedTimes = correctedTimes
            self.damagedBlocks = damagedBlocks
            self.damagedSegments = damagedSegments
        }
    }

    package var lines: [Line]
    package var agents: [Agent]
    package var store: Store
    package init(lines: [Line], agents: [Agent], store: Store) {
        self.lines = lines
        self.agents = agents
        self.store = store
    }
}
