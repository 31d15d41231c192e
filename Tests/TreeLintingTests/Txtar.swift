// SPDX-License-Identifier: Apache-2.0

import Foundation
import TreeLinting

/// A text archive: files after lines such as `-- path --`, and before the first one whatever is to be said. `«D14 L-TF-1»` at the end of a line is
/// an expectation and no part of the file.
struct Txtar {
    struct Expectation: Hashable, Comparable, CustomStringConvertible {
        let file: String
        let line: Int
        let rule: String
        var description: String { "\(file):\(line) \(rule)" }

        static func < (left: Expectation, right: Expectation) -> Bool {
            (left.file, left.line, left.rule) < (right.file, right.line, right.rule)
        }
    }

    private(set) var files: [(path: String, text: String)] = []
    private(set) var expectations: [Expectation] = []
    /// The defects that the expectations name, each with its rule.
    private(set) var planted: [(defect: String, rule: String)] = []

    static func fixture(_ name: String) throws -> Txtar {
        guard let url = Bundle.module.url(forResource: "Fixtures/\(name)", withExtension: nil) else { throw CocoaError(.fileNoSuchFile) }
        return Txtar(parsing: try String(contentsOf: url, encoding: .utf8))
    }

    init(parsing text: String) {
        var lines: [String] = []
        func close() {
            if !files.isEmpty { files[files.count - 1].text = lines.joined(separator: "\n") + "\n" }
        }
        for line in text.split(separator: "\n", omittingEmptySubsequences: false).dropLast(text.hasSuffix("\n") ? 1 : 0) {
            if line.hasPrefix("-- "), line.hasSuffix(" --") {
                close()
                lines = []
                files.append((String(line.dropFirst(3).dropLast(3)), ""))
                continue
            }
            lines.append(expectations(on: line, number: lines.count + 1))
        }
        close()
    }

    private mutating func expectations(on line: Substring, number: Int) -> String {
        var rest = line
        while rest.hasSuffix("»"), let open = rest.lastIndex(of: "«"), let file = files.last {
            let words = rest[rest.index(after: open)...].dropLast().split(separator: " ")
            if words.count == 2 {
                planted.append((String(words[0]), String(words[1])))
                expectations.append(Expectation(file: file.path, line: number, rule: String(words[1])))
            }
            rest = rest[..<open]
            if rest.hasSuffix(" ") { rest = rest.dropLast() }
        }
        return String(rest)
    }

    var tree: SourceTree {
        SourceTree(files: files.map { SourceTree.File(path: $0.path, text: $0.text) })
    }
}
