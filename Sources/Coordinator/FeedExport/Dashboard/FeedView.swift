// SPDX-License-Identifier: Apache-2.0

package import MeshModel
package import Telemetry

/// What the dashboard shows of telemetry: how it flows, and the newest events that the reader asked for.
package struct FeedView: Sendable {
    /// One machine: produced = delivered + lost + pending, over all its sources.
    package struct Line: Hashable, Sendable {
        package var node: NodeID
        package var cluster: ClusterName?
        package var account: TelemetryAccount
        /// When its agent last said how far it had counted.
        package var statedAt: Timestamp?
        package init(node: NodeID, cluster: ClusterName?, account: TelemetryAccount, statedAt: Timestamp?) {
            self.node = node
            self.cluster = cluster
            self.account = account
            self.statedAt = statedAt
        }
    }

    package var lines: [Line]
    /// The newest first.
    package var events: [StoredEvent]
    package init(lines: [Line], events: [StoredEvent]) {
        self.lines = lines
        self.events = events
    }

    /// Events on the page, and how far back they are looked for.
    package static let mostEvents = 100
    package static let span = Duration.seconds(900)
}

/// Which events the reader of the page asked for, as typed. What is not understood is no filter.
package struct FeedFilter: Hashable, Sendable {
    /// The names of the page's parameters.
    enum Name: String, CaseIterable { case cluster, node, what, program, reason }

    private var texts: [Name: String] = [:]

    package init(query: (String) -> String?) {
        for name in Name.allCases {
            guard let text = query(name.rawValue).map({ String($0.prefix(200)) }), !text.isEmpty else { continue }
            texts[name] = text
        }
    }

    func text(_ name: Name) -> String { texts[name] ?? "" }

    /// A program and a reason may be given in part.
    package func query(since: EventTime) -> TelemetryQuery {
        func pattern(_ name: Name) -> TextPattern? { texts[name].flatMap { TextPattern($0.contains("*") ? $0 : "*\($0)*") } }
        return TelemetryQuery(
            since: since, cluster: texts[.cluster].flatMap(ClusterName.init), node: texts[.node].flatMap(NodeID.init),
            kind: texts[.what].flatMap(EventKind.init), binary: pattern(.program), reason: pattern(.reason))
    }
}
