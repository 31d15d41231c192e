// SPDX-License-Identifier: Apache-2.0

/// A table as `talosctl` prints it with Go's text/tabwriter (padding 3, as in `cmd/talosctl/cmd/talos/etcd.go`): a column begins where its
/// name in the first line begins, counted in code points, and cells may be empty or hold spaces.
struct TalosTable: Hashable {
    /// Why a text is no such table, with the line.
    struct Fault: Error, Hashable, CustomStringConvertible {
        var line: Int
        var problem: String
        var description: String { "line \(line) of the table: \(problem)" }
    }

    /// By the names of the columns.
    private(set) var rows: [[String: String]] = []

    /// More lines, or longer ones, are no table of a cluster.
    private static let mostLines = 10_000
    private static let longestLine = 16_384

    /// - Parameter columns: those that must be there. An empty text is a table without rows: some commands print no names for nothing.
    init(_ text: String, columns wanted: [String]) throws(Fault) {
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        guard lines.count <= Self.mostLines else { throw Fault(line: Self.mostLines, problem: "there are more lines than are read") }
        var columns: [(name: String, start: Int)]?
        for (index, line) in lines.enumerated() where !line.allSatisfy(\.isWhitespace) {
            let scalars = Array(line.unicodeScalars)
            guard scalars.count <= Self.longestLine else { throw Fault(line: index + 1, problem: "it is longer than \(Self.longestLine)") }
            guard let known = columns else {
                let found = Self.names(scalars)
                for name in wanted where !found.contains(where: { $0.name == name }) {
                    throw Fault(line: index + 1, problem: "it has no column \(name)")
                }
                columns = found
                continue
            }
            rows.append(try Self.cells(scalars, known, line: index + 1))
        }
    }

    /// Names may have single spaces in them; two or more end one.
    private static func names(_ line: [Unicode.Scalar]) -> [(name: String, start: Int)] {
        var names: [(name: String, start: Int)] = []
        var start: Int?
        func end(at position: Int) {
            guard let begin = start else { return }
            names.append((text(line[begin..<position]), begin))
            start = nil
        }
        for (index, scalar) in line.enumerated() {
            if !isSpace(scalar) {
                if start == nil { start = index }
            } else if index + 1 >= line.count || isSpace(line[index + 1]) {
                end(at: index)
            }
        }
        end(at: line.count)
        return names
    }

    private static func cells(
        _ line: [Unicode.Scalar], _ columns: [(name: String, start: Int)], line number: Int
    ) throws(Fault) -> [String: String] {
        var cells: [String: String] = [:]
        for (index, column) in columns.enumerated() {
            let end = index + 1 < columns.count ? min(columns[index + 1].start, line.count) : line.count
            if column.start > 0, column.start < line.count, !isSpace(line[column.start - 1]) {
                throw Fault(line: number, problem: "what stands before \(column.name) reaches into it")
            }
            cells[column.name] = column.start < end ? text(line[column.start..<end]) : ""
        }
        return cells
    }

    private static func isSpace(_ scalar: Unicode.Scalar) -> Bool { scalar == " " || scalar == "\t" || scalar == "\r" }

    /// Without the spaces around it.
    private static func text(_ scalars: ArraySlice<Unicode.Scalar>) -> String {
        var slice = scalars
        while let last = slice.last, isSpace(last) { slice.removeLast() }
        while let first = slice.first, isSpace(first) { slice.removeFirst() }
        return String(String.UnicodeScalarView(slice))
    }
}
