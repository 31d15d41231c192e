// SPDX-License-Identifier: Apache-2.0

/// How much a finding weighs: an error stops a plan, a warning wants an acknowledgement, an info is only told.
package enum Severity: String, Hashable, Sendable, CaseIterable {
    case error, warning, info
}

/// One thing in a spec that would go wrong, or may, before anything is touched.
package struct Finding: Hashable, Sendable {
    /// The id of the rule, the same for ever: `L-CIDR-1`.
    package let rule: String
    package let severity: Severity
    /// Where in the spec: `spec.clusters[0].podCIDRs[0]`.
    package let path: String
    /// What is wrong and why it matters, in one sentence.
    package let message: String
    /// What to write instead, when that is known.
    package let fix: String?

    package init(rule: String, severity: Severity, path: String, message: String, fix: String? = nil) {
        self.rule = rule
        self.severity = severity
        self.path = path
        self.message = message
        self.fix = fix
    }
}

/// A rule as documents and SARIF list it. `severity` is the worst that it gives.
package struct Rule: Hashable, Sendable {
    package let id: String
    package let severity: Severity
    /// What must hold, in one sentence.
    package let summary: String

    package init(id: String, severity: Severity, summary: String) {
        self.id = id
        self.severity = severity
        self.summary = summary
    }
}

/// A finding with the place in a file at which a reader should look.
package struct LocatedFinding: Hashable, Sendable {
    /// The id of the rule, the same for ever: `L-TF-1`.
    package let rule: String
    package let severity: Severity
    /// As the user names it, or relative to the tree that was linted.
    package let file: String
    /// Both from 1.
    package let line: Int
    package let column: Int
    /// Where in the spec, when the file is one.
    package let path: String?
    package let message: String
    package let fix: String?

    package init(
        rule: String, severity: Severity, file: String, line: Int, column: Int, path: String? = nil, message: String, fix: String? = nil
    ) {
        self.rule = rule
        self.severity = severity
        self.file = file
        self.line = line
        self.column = column
        self.path = path
        self.message = message
        self.fix = fix
    }

    init(_ finding: Finding, file: String, place: (line: Int, column: Int)) {
        self.init(
            rule: finding.rule, severity: finding.severity, file: file, line: place.line, column: place.column, path: finding.path,
            message: finding.message, fix: finding.fix)
    }
}

/// Paths as people count: `clusters[2]` before `clusters[10]`, a part before what is within it.
func comesBefore(_ left: String, _ right: String) -> Bool {
    var (first, second) = (Substring(left), Substring(right))
    while let a = first.first, let b = second.first {
        if a.isNumber, b.isNumber {
            let (x, y) = (first.prefix { $0.isNumber }, second.prefix { $0.isNumber })
            if x != y { return (x.utf8.count, String(x)) < (y.utf8.count, String(y)) }
            (first, second) = (first.dropFirst(x.count), second.dropFirst(y.count))
        } else if a != b {
            return a < b
        } else {
            (first, second) = (first.dropFirst(), second.dropFirst())
        }
    }
    return first.isEmpty && !second.isEmpty
}
