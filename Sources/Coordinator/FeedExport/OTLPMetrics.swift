// SPDX-License-Identifier: Apache-2.0

package import MeshModel
import Telemetry

/// The metrics page for a collector, as ExportMetricsServiceRequest: the same names, counters as cumulative sums.
package enum OTLPMetrics {
    /// - Parameters:
    ///   - start: since when counters count, those aside that go on over restarts: of them it is not known, and nothing is said.
    ///   - now: when the values were taken.
    package static func request(_ families: [MetricFamily], start: Timestamp, now: Timestamp, origin: OTLPOrigin) -> [UInt8] {
        var writer = ProtoWriter()
        writer.message(1) { resource in
            resource.resource(1, origin)
            resource.message(2) { scope in
                scope.scope(1, "meshgate.metrics", origin)
                for family in families { scope.message(2) { metric(family, start, now, &$0) } }
            }
        }
        return writer.bytes
    }

    private static func metric(_ family: MetricFamily, _ start: Timestamp, _ now: Timestamp, _ writer: inout ProtoWriter) {
        writer.block(1, family.name.utf8)
        writer.block(2, family.help.utf8)
        writer.block(3, unit(family.name).utf8)
        switch family.kind {
        case .gauge: writer.message(5) { gauge in points(family, nil, now, &gauge) }
        case .counter:
            writer.message(7) { sum in
                points(family, family.outlivesProcess ? nil : start, now, &sum)
                // Cumulative, and never falling.
                sum.number(2, 2)
                sum.number(3, 1)
            }
        }
    }

    private static func points(_ family: MetricFamily, _ start: Timestamp?, _ now: Timestamp, _ writer: inout ProtoWriter) {
        for sample in family.samples {
            writer.message(1) { point in
                for label in sample.labels { point.attribute(7, label.name, text: label.value) }
                if let start { point.fixed64(2, start.unixNanoseconds) }
                point.fixed64(3, now.unixNanoseconds)
                point.fixed64(4, sample.value.bitPattern, always: true)
            }
        }
    }

    /// UCUM, from the unit that the name carries. Nothing for the rest: of a gauge with the unit "1" Prometheus makes a ..._ratio.
    private static func unit(_ name: String) -> String {
        let bare = name.hasSuffix("_total") ? String(name.dropLast(6)) : name
        if bare.hasSuffix("_seconds") { return "s" }
        return bare.hasSuffix("_bytes") ? "By" : ""
    }
}

extension [MetricFamily] {
    /// Series in all of them together.
    package var seriesCount: UInt64 { reduce(0) { $0 + UInt64($1.samples.count) } }
}
