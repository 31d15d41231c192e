// SPDX-License-Identifier: Apache-2.0

import MeshModel
import Telemetry

/// Runs and steps for a collector, as ExportTraceServiceRequest: a run is a trace, its steps are spans below it, attempts and what gates said are their
/// events.
package enum OTLPTraces {
    package static func request(_ spans: [RunSpan], origin: OTLPOrigin, ids: TraceIDs) -> [UInt8] {
        var writer = ProtoWriter()
        writer.message(1) { resource in
            resource.resource(1, origin)
            resource.message(2) { scope in
                scope.scope(1, "meshgate.runs", origin)
                for span in spans { scope.message(2) { write(span, origin, ids, &$0) } }
            }
        }
        return writer.bytes
    }

    private static func write(_ span: RunSpan, _ origin: OTLPOrigin, _ ids: TraceIDs, _ writer: inout ProtoWriter) {
        writer.block(1, ids.trace(span.run))
        writer.block(2, ids.span(span.run, span.step))
        if span.step != nil { writer.block(4, ids.span(span.run)) }
        // No call goes in or out: the kind is INTERNAL.
        writer.number(6, 1)
        writer.block(5, (span.step?.text ?? "run of \(origin.mesh)").utf8)
        writer.fixed64(7, span.start.unixNanoseconds)
        writer.fixed64(8, span.end.unixNanoseconds)
        writer.attribute(9, "cicd.pipeline.name", text: origin.mesh)
        writer.attribute(9, "cicd.pipeline.run.id", text: span.run.text)
        writer.attribute(9, "cicd.pipeline.task.name", text: span.step?.text)
        writer.attribute(9, "k8s.cluster.name", text: span.cluster?.text)
        writer.attribute(9, "host.name", text: span.node?.text)
        writer.attribute(9, "meshgate.state", text: span.state)
        if span.step != nil { writer.attribute(9, "meshgate.attempts", .number(Int64(span.attempts))) }
        writer.attribute(9, "meshgate.by", text: span.by)
        writer.attribute(9, "meshgate.plan", text: span.plan)
        for event in span.events { writer.message(11) { write(event, &$0) } }
        writer.number(12, span.droppedEvents)
        switch span.ending {
        case .good: writer.message(15) { $0.number(3, 1) }
        case .bad(let why):
            writer.message(15) { status in
                status.block(2, why.utf8)
                status.number(3, 2)
            }
        case .open: break
        }
    }

    private static func write(_ event: RunSpan.Event, _ writer: inout ProtoWriter) {
        writer.fixed64(1, event.at.unixNanoseconds)
        writer.block(2, event.name.utf8)
        writer.attribute(3, "meshgate.text", text: event.text)
        writer.attribute(3, "meshgate.attempt", event.attempt.map { .number(Int64($0)) })
        if !event.reasons.isEmpty { writer.attribute(3, "meshgate.reasons", .texts(event.reasons)) }
    }
}
