// SPDX-License-Identifier: Apache-2.0

/// One `key = value` of an INI file such as ansible.cfg.
package struct INIEntry: Hashable, Sendable {
    package let section: String
    package let key: String
    package let value: String
    package let line: Int
}

/// Reads INI as Python's configparser does: sections in brackets, `=` or `:`, comments with `#` and `;`, values that go on in indented lines.
package enum INIReader {
    package static func read(_ text: String) -> [INIEntry] {
        var entries: [INIEntry] = []
        var section = ""
        for (index, raw) in text.utf8.split(separator: 0x0A, omittingEmptySubsequences: false).enumerated() {
            let line = trimmed(raw)
            guard let first = line.first, first != .ascii("#"), first != .ascii(";") else { continue }
            if raw.first?.isBlank == true, let last = entries.last, last.section == section {
                entries[entries.count - 1] = INIEntry(
                    section: section, key: last.key, value: last.value + "\n" + String(decoding: line, as: UTF8.self), line: last.line)
            } else if first == .ascii("["), line.last == .ascii("]") {
                section = String(decoding: line.dropFirst().dropLast(), as: UTF8.self)
            } else if let sign = line.firstIndex(where: { $0 == .ascii("=") || $0 == .ascii(":") }) {
                var value = trimmed(line[line.index(after: sign)...])
                if let comment = inlineComment(value) { value = trimmed(value[..<comment]) }
                entries.append(
                    INIEntry(
                        section: section, key: String(decoding: trimmed(line[..<sign]), as: UTF8.self).lowercased(),
                        value: String(decoding: value, as: UTF8.self), line: index + 1))
            }
        }
        return entries
    }

    private static func inlineComment(_ value: Substring.UTF8View) -> Substring.UTF8View.Index? {
        var before: UInt8 = 0
        for index in value.indices {
            if value[index] == .ascii(";"), before.isBlank { return index }
            before = value[index]
        }
        return nil
    }
}

/// Without blanks at either end.
func trimmed(_ bytes: Substring.UTF8View) -> Substring.UTF8View {
    var rest = bytes
    while let first = rest.first, first.isBlank { rest = rest.dropFirst() }
    while let last = rest.last, last.isBlank { rest = rest.dropLast() }
    return rest
}

func trimmed(_ text: some StringProtocol) -> String { String(decoding: trimmed(Substring(text).utf8), as: UTF8.self) }
