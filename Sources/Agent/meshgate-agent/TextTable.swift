// SPDX-License-Identifier: Apache-2.0

import MeshModel

/// Columns of text for people: as wide as their widest cell, two spaces between, nothing after the last.
struct TextTable {
    let header: [String]
    var rows: [[String]]

    init(_ header: String..., rows: [[String]]) {
        self.header = header
        self.rows = rows
    }

    var text: String {
        let lines = (header.isEmpty ? [] : [header]) + rows.map { $0.map(printable) }
        let columns = lines.map(\.count).max() ?? 0
        let widths = (0..<columns).map { column in lines.map { column < $0.count ? $0[column].count : 0 }.max() ?? 0 }
        return lines.map { line in
            var text = ""
            for (cell, width) in zip(line, widths) {
                text += cell + String(repeating: " ", count: width - cell.count + 2)
            }
            while text.last == " " { text.removeLast() }
            return text + "\n"
        }.joined()
    }
}
