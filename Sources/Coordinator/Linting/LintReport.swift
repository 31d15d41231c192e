// SPDX-License-Identifier: Apache-2.0

/// Finds the line and column of a spec path in the file that was linted.
package typealias PlaceOfPath = (_ path: String) -> (line: Int, column: Int)

/// One line for each finding: `file:line:column: severity id: message [fix: ...]`; empty without findings.
package func renderText(_ findings: [Finding], file: String, place: PlaceOfPath) -> String {
    renderText(findings.map { LocatedFinding($0, file: file, place: place($0.path)) })
}

/// The same, for findings of many files.
package func renderText(_ findings: [LocatedFinding]) -> String {
    findings.map { finding in
        let fix = finding.fix.map { " [fix: \($0)]" } ?? ""
        let place = "\(finding.file):\(finding.line):\(finding.column)"
        return "\(place): \(finding.severity.rawValue) \(finding.rule): \(finding.message)\(fix)\n"
    }.joined()
}

/// `{ "file": ..., "findings": [...], "counts": {...} }` for scripts.
package func renderJSON(_ findings: [Finding], file: String, place: PlaceOfPath) -> String {
    let located = findings.map { LocatedFinding($0, file: file, place: place($0.path)) }
    return jsonReport(located, subject: ("file", file)) { finding in [("path", finding.path.map { .string($0) } ?? .null)] }
}

/// `{ "tree": ..., "findings": [...], "counts": {...} }`; each finding names its file.
package func renderJSON(_ findings: [LocatedFinding], tree: String) -> String {
    jsonReport(findings, subject: ("tree", tree)) { [("file", .string($0.file))] }
}

private func jsonReport(
    _ findings: [LocatedFinding], subject: (String, String), _ whereabouts: (LocatedFinding) -> [(String, JSONText)]
) -> String {
    let items = findings.map { finding -> JSONText in
        .object(
            [("rule", .string(finding.rule)), ("severity", .string(finding.severity.rawValue))] + whereabouts(finding) + [
                ("line", .integer(finding.line)), ("column", .integer(finding.column)), ("message", .string(finding.message)),
                ("fix", finding.fix.map { .string($0) } ?? .null),
            ])
    }
    let counts = Severity.allCases.map { severity in (severity.rawValue, JSONText.integer(findings.count { $0.severity == severity })) }
    return JSONText.object([(subject.0, .string(subject.1)), ("findings", .array(items)), ("counts", .object(counts))]).text
}

/// A SARIF 2.1.0 log, as code review tools read it.
package func renderSARIF(_ findings: [Finding], file: String, rules catalogue: [Rule] = ruleCatalogue, place: PlaceOfPath) -> String {
    renderSARIF(findings.map { LocatedFinding($0, file: file, place: place($0.path)) }, rules: catalogue)
}

/// The same, for findings of many files, by the rules of a catalogue.
package func renderSARIF(_ findings: [LocatedFinding], rules catalogue: [Rule]) -> String {
    let rules = catalogue.map { rule -> JSONText in
        .object([
            ("id", .string(rule.id)), ("shortDescription", .object([("text", .string(rule.summary))])),
            ("defaultConfiguration", .object([("level", .string(rule.severity.sarifLevel))])),
        ])
    }
    let numbers = Dictionary(catalogue.enumerated().map { ($1.id, $0) }, uniquingKeysWith: { first, _ in first })
    let results = findings.map { sarifResult($0, number: numbers[$0.rule]) }
    let driver = JSONText.object([
        ("name", .string("meshgate")), ("rules", .array(rules)),
    ])
    return JSONText.object([
        ("$schema", .string("https://json.schemastore.org/sarif-2.1.0.json")), ("version", .string("2.1.0")),
        (
            "runs",
            .array([
                .object([
                    ("tool", .object([("driver", driver)])), ("columnKind", .string("unicodeCodePoints")), ("results", .array(results)),
                ])
            ])
        ),
    ]).text
}

private func sarifResult(_ finding: LocatedFinding, number: Int?) -> JSONText {
    let fix = finding.fix.map { " [fix: \($0)]" } ?? ""
    let region = JSONText.object([("startLine", .integer(finding.line)), ("startColumn", .integer(finding.column))])
    let physical = JSONText.object([("artifactLocation", .object([("uri", .string(uri(finding.file)))])), ("region", region)])
    var location = [("physicalLocation", physical)]
    if let path = finding.path { location.append(("logicalLocations", .array([.object([("fullyQualifiedName", .string(path))])]))) }
    var fields: [(String, JSONText)] = [("ruleId", .string(finding.rule))]
    if let number { fields.append(("ruleIndex", .integer(number))) }
    return .object(
        fields + [
            ("level", .string(finding.severity.sarifLevel)), ("message", .object([("text", .string(finding.message + fix))])),
            ("locations", .array([.object(location)])),
        ])
}

/// A path as a relative or file URI: bytes that a URI may not hold are escaped.
private func uri(_ path: String) -> String {
    let digits = Array("0123456789ABCDEF")
    let escaped = path.utf8.map { byte -> String in
        let letter = byte | 0x20
        let plain = (97...122).contains(letter) || (48...57).contains(byte) || [45, 46, 47, 95, 126].contains(byte)
        return plain ? String(Unicode.Scalar(byte)) : "%\(digits[Int(byte >> 4)])\(digits[Int(byte & 15)])"
    }.joined()
    return path.hasPrefix("/") ? "file://" + escaped : escaped
}

extension Severity {
    fileprivate var sarifLevel: String {
        switch self {
        case .error: "error"
        case .warning: "warning"
        case .info: "note"
        }
    }
}
