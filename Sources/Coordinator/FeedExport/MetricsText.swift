// SPDX-License-Identifier: Apache-2.0

/// Writes the Prometheus text format 0.0.4: all samples of one metric together, HELP and TYPE first, one `\n` at the end of each line.
struct MetricsText {
    enum Kind: String { case gauge, counter }

    /// More series than this of one metric are counted and left out: a page has an end whatever the mesh.
    static let seriesLimit = 1000

    private(set) var text = ""
    private var omitted: [(metric: String, series: Int)] = []

    typealias Sample = (labels: [(String, String)], value: Double)

    mutating func add(_ name: String, _ kind: Kind, _ help: String, _ samples: [Sample]) {
        guard !samples.isEmpty else { return }
        text += "# HELP \(name) \(Self.escaped(help, quotes: false))\n# TYPE \(name) \(kind.rawValue)\n"
        for sample in samples.prefix(Self.seriesLimit) {
            let labels = sample.labels.map { "\($0.0)=\"\(Self.escaped($0.1, quotes: true))\"" }.joined(separator: ",")
            text += "\(name)\(labels.isEmpty ? "" : "{\(labels)}") \(Self.number(sample.value))\n"
        }
        if samples.count > Self.seriesLimit { omitted.append((name, samples.count - Self.seriesLimit)) }
    }

    mutating func add(_ name: String, _ kind: Kind, _ help: String, _ value: Double) { add(name, kind, help, [([], value)]) }

    /// The page, with what had to be left out.
    mutating func finish() -> String {
        let samples: [Sample] = omitted.map { ([("metric", $0.metric)], Double($0.series)) }
        add("meshgate_omitted_series", .gauge, "Series that did not fit on this page, by metric.", samples)
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
