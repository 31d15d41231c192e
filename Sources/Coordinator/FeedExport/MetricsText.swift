// SPDX-License-Identifier: Apache-2.0

/// One metric with its series, however it will be written.
package struct MetricFamily: Hashable, Sendable {
    package enum Kind: String, Hashable, Sendable { case gauge, counter }

    /// One series at one moment.
    package struct Sample: Hashable, Sendable {
        package struct Label: Hashable, Sendable {
            package var name: String
            package var value: String
        }
        package var labels: [Label]
        package var value: Double
    }

    package var name: String
    package var kind: Kind
    /// One sentence.
    package var help: String
    package var samples: [Sample]
    /// A counter whose count goes on over the process's restarts: when it began is not known.
    package var outlivesProcess = false
}

/// Collects metrics, and writes them in the Prometheus text format 0.0.4: all samples of one metric together, HELP and TYPE first, one `\n` at the
/// end of each line.
struct MetricsText {
    /// More series than this of one metric are counted and left out: a page has an end whatever the mesh.
    static let seriesLimit = 1000

    private(set) var families: [MetricFamily] = []
    private var omitted: [(metric: String, series: Int)] = []

    typealias Sample = (labels: [(String, String)], value: Double)

    mutating func add(
        _ name: String, _ kind: MetricFamily.Kind, outlivesProcess: Bool = false, _ help: String, _ samples: [Sample]
    ) {
        guard !samples.isEmpty else { return }
        families.append(
            MetricFamily(
                name: name, kind: kind, help: help,
                samples: samples.prefix(Self.seriesLimit).map { sample in
                    .init(labels: sample.labels.map { .init(name: $0.0, value: $0.1) }, value: sample.value)
                }, outlivesProcess: outlivesProcess))
        if samples.count > Self.seriesLimit { omitted.append((name, samples.count - Self.seriesLimit)) }
    }

    mutating func add(_ name: String, _ kind: MetricFamily.Kind, outlivesProcess: Bool = false, _ help: String, _ value: Double) {
        add(name, kind, outlivesProcess: outlivesProcess, help, [([], value)])
    }

    /// Everything that was added, with what had to be left out.
    mutating func finish() -> [MetricFamily] {
        let samples: [Sample] = omitted.map { ([("metric", $0.metric)], Double($0.series)) }
        omitted = []
        add("meshgate_omitted_series", .gauge, "Series that did not fit on this page, by metric.", samples)
        return families
    }

    /// The page.
    static func write(_ families: [MetricFamily]) -> String {
        var text = ""
        for family in families {
            text += "# HELP \(family.name) \(escaped(family.help, quotes: false))\n# TYPE \(family.name) \(family.kind.rawValue)\n"
            for sample in family.samples {
                let labels = sample.labels.map { "\($0.name)=\"\(escaped($0.value, quotes: true))\"" }.joined(separator: ",")
                text += "\(family.name)\(labels.isEmpty ? "" : "{\(labels)}") \(number(sample.value))\n"
            }
        }
        return text
    }

    private static func number(_ value: Double) -> String {
        if value.isNaN { return "NaN" }
        if value.isInfinite { return value > 0 ? "+Inf" : "-Inf" }
        return value == value.rounded() && abs(value) < 1e15 ? String(Int64(value)) : "\(value)"
    }

    private static func escaped(_ text: String, quotes: Bool) -> String {
        var result = ""
        for character in text.unicodeScalars {
            switch character {
            case "\\": result += "\\\\"
            case "\n": result += "\\n"
            case "\"" where quotes: result += "\\\""
            default: result.unicodeScalars.append(character)
            }
        }
        return result
    }
}
