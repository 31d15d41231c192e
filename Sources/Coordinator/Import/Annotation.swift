// SPDX-License-Identifier: Apache-2.0

extension Proposal {
    /// The text of a mesh file with each note as a comment above the line it is about.
    /// - Parameter place: the line, from 1, of a path of the spec in this text.
    package func annotated(_ text: String, line: (String) -> Int) -> String {
        var comments: [Int: [String]] = [:]
        for note in notes {
            let key = note.path.split(separator: ".").last.map(String.init) ?? note.path
            comments[line(note.path), default: []].append("# \(note.kind.rawValue): \(key): \(note.text)")
        }
        var result: [String] = []
        for (index, row) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            let indent = row.prefix { $0 == " " }
            result += (comments[index + 1] ?? []).map { indent + $0 }
            result.append(String(row))
        }
        return result.joined(separator: "\n")
    }
}
