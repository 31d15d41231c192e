// SPDX-License-Identifier: Apache-2.0

package import MeshModel

/// Values as YAML that every reader takes for the same thing: block style, two spaces a level, keys in one order, nothing bare that some
/// reader would take for a number, a date or a boolean. The same value gives the same bytes.
package enum YAMLText {
    /// One document, with a line end at its end.
    package static func document(_ value: HelmValue) -> String {
        var text = ""
        write(value, indent: 0, into: &text)
        return text
    }

    /// Documents one after the other, parted by `---`.
    package static func documents(_ values: [HelmValue]) -> String { values.map(document).joined(separator: "---\n") }

    /// Bare when every reader takes the bare word for the same text; otherwise in double quotes.
    package static func scalar(_ text: String) -> String {
        let bare = text.utf8.allSatisfy { byte in
            let letter = byte | 0x20
            return (97...122).contains(letter) || (48...57).contains(byte) || [45, 46, 47, 58, 64, 95, 43].contains(byte)
        }
        guard bare, let first = text.utf8.first, ![45, 46, 58, 43, 64].contains(first), text.utf8.last != 58,
            !words.contains(text.lowercased()), !looksNumeric(text)
        else { return inQuotes(text) }
        return text
    }

    /// In double quotes, with everything outside of printable ASCII as an escape.
    package static func inQuotes(_ text: String) -> String {
        var result = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"", "\\": result += "\\" + String(scalar)
            case "\n": result += "\\n"
            case "\t": result += "\\t"
            case " "..."~": result.unicodeScalars.append(scalar)
            default:
                let code = String(scalar.value, radix: 16)
                let wide = scalar.value > 0xFFFF
                result += (wide ? "\\U" : "\\u") + String(repeating: "0", count: (wide ? 8 : 4) - code.count) + code
            }
        }
        return result + "\""
    }

    private static let words: Set<String> = ["true", "false", "yes", "no", "on", "off", "null", "y", "n", "all"]

    /// Whatever begins with a digit and has nothing in it that no number, date or time has: `1e3`, `0x1f`, `1_000`, `2024-01-01`, `10:20`.
    private static func looksNumeric(_ text: String) -> Bool {
        guard let first = text.utf8.first, (48...57).contains(first) else { return false }
        return Double(text) != nil || text.hasPrefix("0x") || text.hasPrefix("0o") || text.hasPrefix("0b")
            || text.utf8.allSatisfy { (48...57).contains($0) || [45, 46, 58, 95, 43].contains($0) } && !isAddress(text)
            || isTimestamp(text)
    }

    /// Dotted decimals with at least two dots are no number to anybody.
    private static func isAddress(_ text: String) -> Bool { IPAddress(text) != nil && !text.contains(":") }

    private static func isTimestamp(_ text: String) -> Bool {
        let bytes = Array(text.utf8)
        return bytes.count >= 10 && bytes[4] == 45 && bytes[..<4].allSatisfy { (48...57).contains($0) }
    }

    private static func write(_ value: HelmValue, indent: Int, into text: inout String) {
        let margin = String(repeating: " ", count: indent)
        switch value {
        case .map(let map) where !map.isEmpty:
            for (key, value) in ordered(map) {
                text += margin + scalar(key) + ":"
                behind(value, indent: indent, into: &text)
            }
        case .list(let items) where !items.isEmpty:
            for item in items {
                guard isBlock(item) else {
                    text += margin + "- " + inline(item) + "\n"
                    continue
                }
                var block = ""
                write(item, indent: indent + 2, into: &block)
                text += margin + "- " + block.dropFirst(indent + 2)
            }
        case .map, .list, .null, .bool, .integer, .number, .string: text += margin + inline(value) + "\n"
        }
    }

    /// What stands behind `key:`, on the same line or below it.
    private static func behind(_ value: HelmValue, indent: Int, into text: inout String) {
        if case .string(let content) = value, let lines = literal(content) {
            text += " |\n"
            for line in lines { text += line.isEmpty ? "\n" : String(repeating: " ", count: indent + 2) + line + "\n" }
        } else if isBlock(value) {
            text += "\n"
            write(value, indent: indent + 2, into: &text)
        } else {
            text += " " + inline(value) + "\n"
        }
    }

    private static func isBlock(_ value: HelmValue) -> Bool {
        switch value {
        case .map(let map): !map.isEmpty
        case .list(let items): !items.isEmpty
        case .null, .bool, .integer, .number, .string: false
        }
    }

    private static func inline(_ value: HelmValue) -> String {
        switch value {
        case .null: "null"
        case .bool(let value): value ? "true" : "false"
        case .integer(let value): String(value)
        case .number(let value): value.isFinite ? String(value) : inQuotes(String(value))
        case .string(let text): scalar(text)
        case .list: "[]"
        case .map: "{}"
        }
    }

    /// The lines of a file that stands in a document, where a block shows it unchanged: each line ends, none has blanks at an end.
    private static func literal(_ text: String) -> [Substring]? {
        guard text.hasSuffix("\n"), !text.hasSuffix("\n\n"), !text.hasPrefix("\n"), text != "\n",
            text.utf8.allSatisfy({ $0 == 10 || (32...126).contains($0) })
        else { return nil }
        let lines = text.dropLast().split(separator: "\n", omittingEmptySubsequences: false)
        return lines.allSatisfy { !$0.hasPrefix(" ") && !$0.hasSuffix(" ") } ? lines : nil
    }

    /// What an object is comes first, then by name.
    private static func ordered(_ map: [String: HelmValue]) -> [(key: String, value: HelmValue)] {
        let first = ["apiVersion", "kind", "metadata", "name"]
        return map.sorted { left, right in
            let (a, b) = (first.firstIndex(of: left.key) ?? first.count, first.firstIndex(of: right.key) ?? first.count)
            return a != b ? a < b : left.key < right.key
        }
    }
}
