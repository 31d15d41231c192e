// SPDX-License-Identifier: Apache-2.0

package import MeshModel

/// Which stored events are wanted. What is `nil` does not restrict.
package struct TelemetryQuery: Hashable, Sendable {
    /// The first instant that is wanted.
    package var since: EventTime
    /// The first instant that is not wanted any more.
    package var until: EventTime
    package var cluster: ClusterName?
    package var node: NodeID?
    package var source: TelemetrySource?
    package var kind: EventKind?
    /// A path, where `*` stands for any characters, also slashes, and `?` for one.
    package var binary: TextPattern?
    package var namespace: TextPattern?
    package var pod: TextPattern?
    package var reason: TextPattern?

    package init(
        since: EventTime = EventTime(nanoseconds: .min), until: EventTime = EventTime(nanoseconds: .max), cluster: ClusterName? = nil,
        node: NodeID? = nil, source: TelemetrySource? = nil, kind: EventKind? = nil, binary: TextPattern? = nil,
        namespace: TextPattern? = nil,
        pod: TextPattern? = nil, reason: TextPattern? = nil
    ) {
        self.since = since
        self.until = until
        self.cluster = cluster
        self.node = node
        self.source = source
        self.kind = kind
        self.binary = binary
        self.namespace = namespace
        self.pod = pod
        self.reason = reason
    }
}

/// One event out of the store, with what the coordinator knows about it.
package struct StoredEvent: Hashable, Sendable {
    package var node: NodeID
    /// Absent for hypervisors and other machines outside of any cluster.
    package var cluster: ClusterName?
    package var stream: TelemetryStream
    /// Its number in its stream.
    package var number: UInt64
    package var event: TelemetryEvent
    package init(node: NodeID, cluster: ClusterName?, stream: TelemetryStream, number: UInt64, event: TelemetryEvent) {
        self.node = node
        self.cluster = cluster
        self.stream = stream
        self.number = number
        self.event = event
    }
}

extension TelemetryQuery {
    /// Whether an event is one that is asked for.
    package func wants(_ stored: StoredEvent) -> Bool {
        let (event, attributes) = (stored.event, stored.event.attributes)
        func fits(_ pattern: TextPattern?, _ text: String?) -> Bool {
            pattern.map { pattern in text.map(pattern.matches) ?? false } ?? true
        }
        return event.time >= since && event.time < until && (node ?? stored.node) == stored.node
            && (cluster == nil || cluster == stored.cluster) && (source ?? stored.stream.source) == stored.stream.source
            && (kind ?? event.kind) == event.kind && fits(binary, attributes.binary) && fits(namespace, attributes.namespace)
            && fits(pod, attributes.pod) && fits(reason, attributes.reason)
    }
}
