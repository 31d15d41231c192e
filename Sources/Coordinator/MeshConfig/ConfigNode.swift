// SPDX-License-Identifier: Apache-2.0

import Yams

/// YAML that others wrote and that we change in places: every scalar keeps its style, so a text in quotes stays a text. Comments are lost, as
/// with every tool that writes these files.
enum ConfigNode {
    /// Of one file; more is an attack, or not a configuration.
    private static let mostNodes = 200_000

    /// The one mapping that a file is; an empty file is an empty mapping.
    static func mapping(_ text: String, file: String) throws(Kubeconfig.Fault) -> Node.Mapping {
        if let (place, problem) = TextGuard.judge(text) { throw Kubeconfig.Fault(file: file, problem: "line \(place.line): \(problem)") }
        let node: Node?
        do {
            node = try Yams.compose(yaml: text)
        } catch {
            throw Kubeconfig.Fault(file: file, problem: Kubeconfig.brief(error))
        }
        guard let node else { return [:] }
        var left = mostNodes
        guard isPlain(node, &left) else { throw Kubeconfig.Fault(file: file, problem: "it has more than \(mostNodes) values") }
        if node.null != nil { return [:] }
        guard let mapping = node.mapping else { throw Kubeconfig.Fault(file: file, problem: "it is not a mapping") }
        return mapping
    }

    static func text(_ mapping: Node.Mapping) throws -> String {
        try Yams.serialize(node: .mapping(mapping), width: -1, allowUnicode: true)
    }

    /// The same as JSON, for a file that was JSON. Nothing is returned that would be read as anything else.
    static func json(_ mapping: Node.Mapping, file: String) throws(Kubeconfig.Fault) -> String {
        var text = ""
        write(.mapping(mapping), to: &text)
        guard try self.mapping(text, file: file) == mapping else {
            throw Kubeconfig.Fault(file: file, problem: "it is neither JSON nor YAML of one entry after the other")
        }
        return text + "\n"
    }

    private static func write(_ node: Node, to text: inout String) {
        switch node {
        case .scalar(let scalar):
            text += scalar.style == .plain && isBare(scalar.string) ? scalar.string : quoted(scalar.string)
        case .sequence(let items):
            text += "["
            for (index, item) in items.enumerated() {
                if index > 0 { text += "," }
                write(item, to: &text)
            }
            text += "]"
        case .mapping(let entries):
            text += "{"
            for (index, entry) in entries.enumerated() {
                if index > 0 { text += "," }
                text += quoted(entry.key.string ?? "") + ":"
                write(entry.value, to: &text)
            }
            text += "}"
        case .alias: text += "null"
        }
    }

    /// What JSON writes without quotes. Other plain words of YAML become texts, which the comparison finds.
    private static func isBare(_ word: String) -> Bool {
        ["true", "false", "null"].contains(word) || Int64(word).map { String($0) == word } ?? false
    }

    private static func quoted(_ string: String) -> String {
        var text = "\""
        for scalar in string.unicodeScalars {
            switch scalar {
            case "\"", "\\": text += "\\" + String(scalar)
            case "\n": text += "\\n"
            case ..<" ":
                let hex = String(scalar.value, radix: 16)
                text += "\\u" + String(repeating: "0", count: 4 - hex.count) + hex
            default: text.unicodeScalars.append(scalar)
            }
        }
        return text + "\""
    }

    /// A text that is never taken for a number, a boolean or nothing.
    static func text(of string: String) -> Node { Node(string, Tag(.str), .doubleQuoted) }

    /// Aliases are written out already; one that stands for many is counted as many.
    private static func isPlain(_ node: Node, _ left: inout Int) -> Bool {
        left -= 1
        guard left > 0 else { return false }
        switch node {
        case .scalar: return true
        case .alias: return false
        case .sequence(let items):
            for item in items where !isPlain(item, &left) { return false }
        case .mapping(let entries):
            for entry in entries where !isPlain(entry.key, &left) || !isPlain(entry.value, &left) { return false }
        }
        return true
    }
}

/// What became of one context of a source.
package struct MergedContext: Hashable, Sendable, Codable {
    /// Its name in the source, and in the target.
    package var source: String
    package var name: String
    /// Whether a context of the same cluster was there and has new credentials now.
    package var replaced: Bool
    package var isRenamed: Bool { source != name }
    package init(source: String, name: String, replaced: Bool) {
        self.source = source
        self.name = name
        self.replaced = replaced
    }
}

/// `name`, or the first of `name-2`, `name-3`, ... that is free.
func freeName(_ name: String, _ isTaken: (String) -> Bool) -> String {
    guard isTaken(name) else { return name }
    var number = 2
    while isTaken("\(name)-\(number)") { number += 1 }
    return "\(name)-\(number)"
}
