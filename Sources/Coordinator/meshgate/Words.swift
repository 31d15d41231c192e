// SPDX-License-Identifier: Apache-2.0

/// Text that keeps inside a terminal's width. Into a pipe it goes as it is: programs want whole lines.
enum Words {
    static func fit(_ text: String, _ columns: Int) -> String {
        text.count <= columns ? text : String(text.prefix(max(1, columns) - 1)) + "…"
    }

    /// At blanks, into at most so many lines, all but the first two columns narrower. Never empty, and no line is wider than `columns`.
    static func wrap(_ text: String, columns: Int, lines most: Int) -> [String] {
        var lines = [""]
        for word in text.split(separator: " ") {
            let room = columns - (lines.count == 1 ? 0 : 2)
            let last = lines[lines.count - 1]
            if last.isEmpty {
                lines[lines.count - 1] = String(word)
            } else if last.count + 1 + word.count <= room || lines.count == most {
                lines[lines.count - 1] += " " + word
            } else {
                lines.append(String(word))
            }
        }
        return lines.enumerated().map { fit($1, columns - ($0 == 0 ? 0 : 2)) }
    }

    /// `text` behind `indent` blanks, wrapped with a hanging indent when a person reads it on a terminal.
    static func paragraph(_ text: String, indent: Int) -> [String] {
        let margin = String(repeating: " ", count: indent)
        guard Terminal.isInteractive else { return [margin + text] }
        let lines = wrap(text, columns: max(30, Terminal.size.columns - indent), lines: 12)
        return [margin + lines[0]] + lines.dropFirst().map { margin + "  " + $0 }
    }
}
