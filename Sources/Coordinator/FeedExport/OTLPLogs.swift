// SPDX-License-Identifier: Apache-2.0

package import MeshModel
package import Telemetry

/// Log records for a collector, as ExportLogsServiceRequest. Attributes have the names of OpenTelemetry's semantic conventions where there are any,
/// and `meshgate.` in front otherwise. Each record has a `log.record.uid` that stays the same when it is sent again.
package enum OTLPLogs {
    /// What hosts saw. `node` and `cluster` are the resource: the coordinator knows them, the event does not.
    package static func request(_ stored: [(event: StoredEvent, receivedAt: Timestamp)], origin: OTLPOrigin) -> [UInt8] {
        var writer = ProtoWriter()
        for group in runs(stored, by: { Place(node: $0.event.node, cluster: $0.event.cluster) }) {
            writer.message(1) { resource in
                guard let first = group.first?.event else { return }
                resource.resource(1, origin, node: first.node, cluster: first.cluster)
                for part in runs(Array(group), by: \.event.stream.source) {
                    resource.message(2) { scope in
                        scope.scope(1, "meshgate.\(part.first?.event.stream.source.rawValue ?? "")", origin)
                        for item in part { scope.message(2) { record(item.event, item.receivedAt, &$0) } }
                    }
                }
            }
        }
        return writer.bytes
    }

    /// Meshgate's own events, with the ids of the run's trace.
    package static func request(_ events: [FeedEvent], origin: OTLPOrigin, ids: TraceIDs) -> [UInt8] {
        var writer = ProtoWriter()
        writer.message(1) { resource in
            resource.resource(1, origin)
            resource.message(2) { scope in
                scope.scope(1, "meshgate.journal", origin)
                for event in events { scope.message(2) { record(event, origin, ids, &$0) } }
            }
        }
        return writer.bytes
    }

    // MARK: one record

    private static func record(_ stored: StoredEvent, _ receivedAt: Timestamp, _ writer: inout ProtoWriter) {
        let (event, attributes) = (stored.event, stored.event.attributes)
        let name = "meshgate.\(stored.stream.source.rawValue).\(event.kind.text)"
        head(event.time.unixNanoseconds, receivedAt.unixNanoseconds, OTLPSeverity(event), &writer)
        if let body = event.body { write(body, &writer) }
        // As an attribute as well: some back ends do not show the event's name.
        writer.attribute(6, "event.name", text: name)
        writer.attribute(6, "log.record.uid", text: "\(stored.node)/\(stored.stream)/\(stored.number)")
        writer.attribute(6, "process.executable.path", text: attributes.binary)
        writer.attribute(6, "process.pid", attributes.pid.map { .number(Int64($0)) })
        writer.attribute(6, "k8s.pod.name", text: attributes.pod)
        writer.attribute(6, "k8s.namespace.name", text: attributes.namespace)
        writer.attribute(6, "security_rule.name", text: attributes.policy)
        writer.attribute(6, "meshgate.device", text: attributes.device)
        writer.attribute(6, "meshgate.reason", text: attributes.reason)
        writer.attribute(6, "meshgate.verdict", text: attributes.verdict)
        peer("source", attributes.source, &writer)
        peer("destination", attributes.destination, &writer)
        if event.isCut { writer.attribute(6, "meshgate.cut", .bool(true)) }
        writer.attribute(6, "meshgate.stated_time", text: event.statedTime?.description)
        writer.block(12, name.utf8)
    }

    private static func record(_ event: FeedEvent, _ origin: OTLPOrigin, _ ids: TraceIDs, _ writer: inout ProtoWriter) {
        let name = "meshgate.\(event.kind)"
        head(event.time.unixNanoseconds, event.time.unixNanoseconds, OTLPSeverity(event), &writer)
        writer.message(5) { $0.any(.text(event.text)) }
        writer.attribute(6, "event.name", text: name)
        writer.attribute(6, "log.record.uid", text: "\(origin.mesh)/journal/\(event.sequence)")
        writer.attribute(6, "meshgate.seq", .number(Int64(clamping: event.sequence)))
        writer.attribute(6, "cicd.pipeline.run.id", text: event.run?.text)
        writer.attribute(6, "cicd.pipeline.task.name", text: event.step?.text)
        writer.attribute(6, "k8s.cluster.name", text: event.cluster?.text)
        writer.attribute(6, "host.name", text: event.node?.text)
        writer.attribute(6, "meshgate.attempt", event.attempt.map { .number(Int64($0)) })
        writer.attribute(6, "meshgate.by", text: event.by)
        if !event.reasons.isEmpty { writer.attribute(6, "meshgate.reasons", .texts(event.reasons.prefix(20).map(\.line))) }
        if let run = event.run {
            writer.block(9, ids.trace(run))
            writer.block(10, ids.span(run, event.step))
        }
        writer.block(12, name.utf8)
    }

    private static func head(_ time: UInt64, _ observed: UInt64, _ severity: OTLPSeverity, _ writer: inout ProtoWriter) {
        writer.fixed64(1, time)
        writer.fixed64(11, observed)
        writer.number(2, severity.rawValue)
        writer.block(3, severity.word.utf8)
    }

    /// A JSON text is a text: one that is not UTF-8 would make a decoder refuse the whole request, so it is repaired here.
    private static func write(_ body: EventBody, _ writer: inout ProtoWriter) {
        switch body.encoding {
        case .json: writer.message(5) { $0.any(.text(String(decoding: body.bytes, as: UTF8.self))) }
        case .tetragonMessage, .flowMessage: writer.message(5) { $0.block(7, body.bytes) }
        }
    }

    private static func peer(_ side: String, _ peer: EventPeer?, _ writer: inout ProtoWriter) {
        guard let peer else { return }
        writer.attribute(6, "\(side).address", text: peer.address)
        if peer.port != 0 { writer.attribute(6, "\(side).port", .number(Int64(peer.port))) }
    }

    // MARK: grouping

    private struct Place: Hashable {
        var node: NodeID
        var cluster: ClusterName?
    }

    /// The items with one key together, keys in the order of their first item.
    private static func runs<Item, Key: Hashable>(_ items: [Item], by key: (Item) -> Key) -> [[Item]] {
        var places: [Key: Int] = [:]
        var groups: [[Item]] = []
        for item in items {
            let key = key(item)
            if let place = places[key] {
                groups[place].append(item)
            } else {
                places[key] = groups.count
                groups.append([item])
            }
        }
        return groups
    }
}
