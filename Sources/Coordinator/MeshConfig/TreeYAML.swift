// SPDX-License-Identifier: Apache-2.0

package import TreeLinting
import Yams

/// Reads every document of a YAML or JSON text of whatever kind, for the lint of trees. As for mesh files, anchors and aliases are not followed, so
/// nothing multiplies.
@Sendable package func readTreeYAML(_ text: String) -> YAMLReading {
    if let (place, problem) = TextGuard.judge(text) {
        return YAMLReading(documents: [], fault: (SourcePlace(line: place.line, column: place.column), problem))
    }
    var documents: [YAMLNode] = []
    do {
        let parser = try Parser(yaml: hidingAmpersands(text), resolver: .basic, encoding: .utf8)
        while let root = try parser.nextRoot() { documents.append(node(root)) }
        return YAMLReading(documents: documents)
    } catch {
        let (place, problem) = explain(error)
        // libyaml puts the end of a text without a last line end on a line that is not there.
        let lines = text.utf8.count { $0 == 10 } + 1
        return YAMLReading(documents: documents, fault: (place.line > lines ? SourcePlace(line: lines, column: 1) : place, problem))
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

private func place(_ mark: Mark?) -> SourcePlace {
    mark.map { SourcePlace(line: $0.line, column: $0.column) } ?? SourcePlace(line: 1, column: 1)
}

/// `TextGuard` bounds how deep this goes.
private func node(_ yams: Node) -> YAMLNode {
    switch yams {
    case .scalar(let scalar):
        return YAMLNode(place: place(yams.mark), content: .scalar(shown(scalar.string), isPlain: scalar.style == .plain))
    case .sequence(let items): return YAMLNode(place: place(yams.mark), content: .list(items.map(node)))
    case .mapping(let mapping):
        let entries = mapping.compactMap { key, item -> YAMLNode.Entry? in
            guard case .scalar(let name) = key else { return nil }
            return YAMLNode.Entry(key: shown(name.string), place: place(key.mark), value: node(item))
        }
        return YAMLNode(place: place(yams.mark), content: .map(entries))
    case .alias: return YAMLNode(place: place(yams.mark), content: .scalar("", isPlain: true))
    }
}

private func explain(_ error: any Error) -> (SourcePlace, String) {
    switch error {
    case YamlError.scanner(_, let problem, let mark, _), YamlError.parser(_, let problem, let mark, _):
        return (place(mark), "not valid YAML: \(problem)")
    case YamlError.composer(_, let problem, let mark, _):
        let alias = problem.contains("alias")
        return (place(mark), alias ? "anchors (&name) and aliases (*name) are not followed" : "not valid YAML: \(problem)")
    case YamlError.duplicatedKeysInMapping(let names, let context):
        return (place(context.mark), "the key \(quoted(shown(names.sorted().first ?? ""))) is written twice in one map")
    case YamlError.reader(let problem, _, _, _): return (SourcePlace(line: 1, column: 1), "not valid YAML: \(problem)")
    default: return (SourcePlace(line: 1, column: 1), "not valid YAML: \(error)")
    }
}
