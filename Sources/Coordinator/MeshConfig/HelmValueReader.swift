// SPDX-License-Identifier: Apache-2.0

import MeshModel

/// `values:` to Helm values. Words that YAML readers disagree about (`yes`, `off`, `010`) are refused instead of guessed.
struct HelmValueReader {
    let log: FaultLog

    func readMap(_ tree: YAMLTree, title: String) -> [String: HelmValue] {
        guard case .map(let entries) = tree.content else {
            log.add(tree.place, "\"values\" of \(title) wants a map of Helm values, not \(tree.kindInWords)")
            return [:]
        }
        return Dictionary(entries.map { ($0.key, read($0.value)) }, uniquingKeysWith: { first, _ in first })
    }

    private func read(_ tree: YAMLTree) -> HelmValue {
        switch tree.content {
        case .list(let items): .list(items.map(read))
        case .map(let entries): .map(Dictionary(entries.map { ($0.key, read($0.value)) }, uniquingKeysWith: { first, _ in first }))
        case .scalar(let text, plain: false): .string(text)
        case .scalar(let text, plain: true): readPlain(text, at: tree.place)
        }
    }

    private func readPlain(_ text: String, at place: Place) -> HelmValue {
        if isNullWord(text) { return .null }
        if let number = decimal(text) { return .integer(Int64(number)) }
        switch text {
        case "true", "True", "TRUE": return .bool(true)
        case "false", "False", "FALSE": return .bool(false)
        default: break
        }
        if ["yes", "no", "on", "off", "y", "n"].contains(text.lowercased()) {
            log.add(place, "\(quoted(text)) is a boolean for some YAML readers and a text for others; write true, false or quote it")
        } else if looksNumeric(text) {
            if let number = fraction(text) { return .number(number) }
            log.add(place, "\(quoted(text)) is read as different numbers by different YAML readers; write plain decimals or quote it")
        }
        return .string(text)
    }

    /// Digits with at most the letters, dots and signs that some YAML reader takes for a number.
    private func looksNumeric(_ text: String) -> Bool {
        let body = text.hasPrefix("-") || text.hasPrefix("+") ? text.dropFirst() : text[...]
        if [".inf", ".nan"].contains(body.lowercased()) { return true }
        if body.hasPrefix("0x") || body.hasPrefix("0o") || body.hasPrefix("0b") {
            return body.count > 2 && body.dropFirst(2).allSatisfy { $0.isHexDigit || $0 == "_" }
        }
        guard let first = body.first, first.isASCII, first.isNumber || (first == "." && body.dropFirst().first?.isNumber == true) else {
            return false
        }
        return body.filter { $0 == "." }.count <= 1 && Double(body.filter { $0 != "_" }) != nil
    }

    private func fraction(_ text: String) -> Double? {
        guard let first = text.drop(while: { $0 == "-" }).first, first.isNumber, !text.contains("_"), let value = Double(text),
            value.isFinite, text.contains(where: { $0 == "." || $0 == "e" || $0 == "E" })
        else { return nil }
        return value
    }
}
