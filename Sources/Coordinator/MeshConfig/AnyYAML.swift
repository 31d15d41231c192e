// SPDX-License-Identifier: Apache-2.0

import Yams

/// How a caller builds its own values from what is read. Lines and columns are from 1; `isPlain` is false for a text in quotes or a block.
package struct YAMLBuilder<Value> {
    package let scalar: (_ text: String, _ isPlain: Bool, _ line: Int, _ column: Int) -> Value
    package let list: (_ items: [Value], _ line: Int, _ column: Int) -> Value
    package let map: (_ entries: [(key: String, line: Int, column: Int, value: Value)], _ line: Int, _ column: Int) -> Value

    package init(
        scalar: @escaping (_ text: String, _ isPlain: Bool, _ line: Int, _ column: Int) -> Value,
        list: @escaping (_ items: [Value], _ line: Int, _ column: Int) -> Value,
        map: @escaping (_ entries: [(key: String, line: Int, column: Int, value: Value)], _ line: Int, _ column: Int) -> Value
    ) {
        self.scalar = scalar
        self.list = list
        self.map = map
    }
}

/// What could be read of a text, and the first thing that could not.
package struct AnyYAML<Value> {
    package let documents: [Value]
    package let fault: (line: Int, column: Int, problem: String)?
}

/// Reads every document of a YAML or JSON text of whatever kind. As for mesh files, anchors and aliases are not followed, so nothing multiplies.
package func readAnyYAML<Value>(_ text: String, _ builder: YAMLBuilder<Value>) -> AnyYAML<Value> {
    if let (place, problem) = TextGuard.judge(text) { return AnyYAML(documents: [], fault: (place.line, place.column, problem)) }
    var documents: [Value] = []
    do {
        let parser = try Parser(yaml: hidingAmpersands(text), resolver: .basic, encoding: .utf8)
        while let root = try parser.nextRoot() { documents.append(value(root, builder)) }
        return AnyYAML(documents: documents, fault: nil)
    } catch {
        let (line, column, problem) = explain(error)
        // libyaml puts the end of a text without a last line end on a line that is not there.
        let lines = text.utf8.count { $0 == 10 } + 1
        return AnyYAML(documents: documents, fault: line > lines ? (lines, 1, problem) : (line, column, problem))
    }
}

/// Stands for `&`, so that there are no anchors; `TextGuard` has refused a text that has it already.
private let hiddenAmpersand: Unicode.Scalar = "\u{E026}"

private func hidingAmpersands(_ text: String) -> String {
    guard text.utf8.contains(UInt8(ascii: "&")) else { return text }
    var result = String.UnicodeScalarView()
    for scalar in text.unicodeScalars { result.append(scalar == "&" ? hiddenAmpersand : scalar) }
    return String(result)
}

private func shown(_ text: String) -> String {
    guard text.utf8.contains(0xEE) else { return text }
    var result = String.UnicodeScalarView()
    for scalar in text.unicodeScalars { result.append(scalar == hiddenAmpersand ? "&" : scalar) }
    return String(result)
}

/// `TextGuard` bounds how deep this goes.
private func value<Value>(_ node: Node, _ builder: YAMLBuilder<Value>) -> Value {
    let (line, column) = node.mark.map { ($0.line, $0.column) } ?? (1, 1)
    switch node {
    case .scalar(let scalar): return builder.scalar(shown(scalar.string), scalar.style == .plain, line, column)
    case .sequence(let items): return builder.list(items.map { value($0, builder) }, line, column)
    case .mapping(let mapping):
        let entries = mapping.compactMap { key, item -> (key: String, line: Int, column: Int, value: Value)? in
            guard case .scalar(let name) = key else { return nil }
            return (shown(name.string), key.mark?.line ?? line, key.mark?.column ?? column, value(item, builder))
        }
        return builder.map(entries, line, column)
    case .alias: return builder.scalar("", true, line, column)
    }
}

private func explain(_ error: any Error) -> (Int, Int, String) {
    switch error {
    case YamlError.scanner(_, let problem, let mark, _), YamlError.parser(_, let problem, let mark, _):
        return (mark.line, mark.column, "not valid YAML: \(problem)")
    case YamlError.composer(_, let problem, let mark, _):
        let alias = problem.contains("alias")
        return (mark.line, mark.column, alias ? "anchors (&name) and aliases (*name) are not followed" : "not valid YAML: \(problem)")
    case YamlError.duplicatedKeysInMapping(let names, let context):
        return (context.mark.line, context.mark.column, "the key \(quoted(shown(names.sorted().first ?? ""))) is written twice in one map")
    case YamlError.reader(let problem, _, _, _): return (1, 1, "not valid YAML: \(problem)")
    default: return (1, 1, "not valid YAML: \(error)")
    }
}
