// SPDX-License-Identifier: Apache-2.0

/// Finds the line and column of a spec path in the file that was linted.
package typealias PlaceOfPath = (_ path: String) -> (line: Int, column: Int)

/// One line for each finding: `file:line:column: severity id: message [fix: ...]`; empty without findings.
package func renderText(_ findings: [Finding], file: String, place: PlaceOfPath) -> String {
    findings.map { finding in
        let (line, column) = place(finding.path)
        let fix = finding.fix.map { " [fix: \($0)]" } ?? ""
        return "\(file):\(line):\(column): \(finding.severity.rawValue) \(finding.rule): \(finding.message)\(fix)\n"
    }.joined()
}

/// `{ "file": ..., "findings": [...], "counts": {...} }` for scripts.
package func renderJSON(_ findings: [Finding], file: String, place: PlaceOfPath) -> String {
    let items = findings.map { finding -> JSONText in
        let (line, column) = place(finding.path)
        return .object([
            ("rule", .string(finding.rule)), ("severity", .string(finding.severity.rawValue)), ("path", .string(finding.path)),
            ("line", .integer(line)), ("column", .integer(column)), ("message", .string(finding.message)),
            ("fix", finding.fix.map { .string($0) } ?? .null),
        ])
    }
    let counts = Severity.allCases.map { severity in (severity.rawValue, JSONText.integer(findings.count { $0.severity == severity })) }
    return JSONText.object([("file", .string(file)), ("findings", .array(items)), ("counts", .object(counts))]).text
}

/// A SARIF 2.1.0 log, as code review tools read it.
package func renderSARIF(_ findings: [Finding], file: String, place: PlaceOfPath) -> String {
    let rules = ruleCatalogue.map { rule -> JSONText in
        .object([
            ("id", .string(rule.id)), ("shortDescription", .object([("text", .string(rule.summary))])),
            ("defaultConfiguration", .object([("level", .string(rule.severity.sarifLevel))])),
        ])
    }
    let numbers = Dictionary(ruleCatalogue.enumerated().map { ($1.id, $0) }, uniquingKeysWith: { first, _ in first })
    let results = findings.map { sarifResult($0, number: numbers[$0.rule], file: file, place: place($0.path)) }
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

private func sarifResult(_ finding: Finding, number: Int?, file: String, place: (line: Int, column: Int)) -> JSONText {
    let fix = finding.fix.map { " [fix: \($0)]" } ?? ""
    let region = JSONText.object([("startLine", .integer(place.line)), ("startColumn", .integer(place.column))])
    let physical = JSONText.object([("artifactLocation", .object([("uri", .string(uri(file)))])), ("region", region)])
    let logical = JSONText.object([("fullyQualifiedName", .string(finding.path))])
    var fields: [(String, JSONText)] = [("ruleId", .string(finding.rule))]
    if let number { fields.append(("ruleIndex", .integer(number))) }
    return .object(
        fields + [
            ("level", .string(finding.severity.sarifLevel)), ("message", .object([("text", .string(finding.message + fix))])),
            ("locations", .array([.object([("physicalLocation", physical), ("logicalLocations", .array([logical]))])])),
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
