// SPDX-License-Identifier: Apache-2.0

/// A table of the page. On a phone its rows stand one below the other, each value behind the name of its column: nothing has to be pushed
/// sideways to be read.
struct BoardTable {
    /// What stands in one place of every row.
    struct Column {
        let name: String
        var isNumber = false
        /// What needs no name on a phone, as it speaks for itself: a state, a name, a sentence.
        var isPlain = false
    }

    private let columns: [Column]
    /// The column that a row is named by.
    private let heading: Int

    init(_ columns: [Column], heading: Int) {
        self.columns = columns
        self.heading = heading
    }

    /// - Parameter rows: a value for each column, none longer or shorter than another.
    func markup(_ rows: [[Markup]]) -> Markup {
        let heads = columns.map { column -> Markup in
            column.isNumber ? "<th scope=\"col\" class=\"number\">\(column.name)</th>" : "<th scope=\"col\">\(column.name)</th>"
        }
        return """
            <div class="scroll"><table>
            <thead><tr>\(heads)</tr></thead>
            <tbody>\(rows.map(row))</tbody></table></div>
            """
    }

    private func row(_ values: [Markup]) -> Markup {
        let cells = zip(columns, values).enumerated().map { index, cell -> Markup in
            let (column, value) = cell
            if index == heading { return "<th scope=\"row\">\(value)</th>" }
            let number: Markup = column.isNumber ? " class=\"number\"" : ""
            let name: Markup = column.isPlain || value.text.isEmpty ? "" : " data-name=\"\(column.name)\""
            return "<td\(number)\(name)>\(value)</td>"
        }
        return "<tr>\(cells)</tr>\n"
    }
}
