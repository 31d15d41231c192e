// SPDX-License-Identifier: Apache-2.0

import Yams

/// Takes contexts out of the text of a kubeconfig and leaves every other byte as it is, comments included. `KubeconfigDocument` writes the whole
/// file anew; that is for files which get something in. What comes out is read again and compared with what the document makes of it.
package enum KubeconfigSurgery {
    /// - Parameter context: one that is there.
    package static func removing(_ context: String, from text: String, file: String) throws -> String {
        let before = try KubeconfigDocument(parsing: text, file: file)
        var wanted = before
        guard wanted.remove(context: context) else { throw Kubeconfig.Fault(file: file, problem: "it has no context \(context)") }
        if ConfigLines.isOnePiece(text) { return try wanted.json(file: file) }
        var lines = ConfigLines(text, file: file)
        for key in ["clusters", "users", "contexts"] { try lines.cut(before.names(key).subtracting(wanted.names(key)), outOf: key) }
        if before.current == context { lines.empty("current-context") }
        let new = lines.text
        guard let read = try? KubeconfigDocument(parsing: new, file: file), try read.text() == wanted.text() else {
            throw Kubeconfig.Fault(
                file: file, problem: "\(context) cannot be taken out without writing other lines anew; use `meshgate kubeconfig --remove`")
        }
        return new
    }
}

/// The same for a talosconfig.
package enum TalosconfigSurgery {
    /// - Parameter context: one that is there.
    package static func removing(_ context: String, from text: String, file: String) throws -> String {
        var wanted = try TalosconfigDocument(parsing: text, file: file)
        let current = wanted.current
        guard wanted.remove(context: context) else { throw Kubeconfig.Fault(file: file, problem: "it has no context \(context)") }
        if ConfigLines.isOnePiece(text) { return try wanted.json(file: file) }
        var lines = ConfigLines(text, file: file)
        try lines.cut([context], outOf: "contexts")
        if current == context { lines.empty("context") }
        let new = lines.text
        guard let read = try? TalosconfigDocument(parsing: new, file: file), try read.text() == wanted.text() else {
            throw Kubeconfig.Fault(
                file: file, problem: "\(context) cannot be taken out without writing other lines anew; use `meshgate talosconfig --remove`")
        }
        return new
    }
}

/// The lines of a configuration in block style, out of which whole entries are cut.
private struct ConfigLines {
    private let source: String
    private let file: String
    private var lines: [String]
    private var gone: Set<Int> = []

    init(_ text: String, file: String) {
        source = text
        self.file = file
        lines = text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
    }

    /// JSON has no comments, and its lines mean nothing: such a file is written anew, as JSON.
    static func isOnePiece(_ text: String) -> Bool { text.first { !$0.isWhitespace } == "{" }

    var text: String { lines.enumerated().filter { !gone.contains($0.offset) }.map(\.element).joined(separator: "\n") }

    mutating func empty(_ key: String) {
        if let line = lines.firstIndex(where: { $0.hasPrefix(key + ":") }) { lines[line] = key + ": \"\"" }
    }

    mutating func cut(_ names: Set<String>, outOf key: String) throws {
        guard !names.isEmpty else { return }
        let section = try section(key)
        for entry in section.entries where names.contains(entry.name) { gone.formUnion(entry.lines) }
        if section.entries.allSatisfy({ names.contains($0.name) }) { lines[section.line] += section.isList ? " []" : " {}" }
    }

    /// What stands below one key of the file, entry by entry, in lines counted from 0.
    private struct Section {
        var line: Int
        var isList: Bool
        var entries: [(name: String, lines: Range<Int>)]
    }

    /// Either a list of entries with a `name`, or a map of them.
    private func section(_ key: String) throws -> Section {
        let fault = Kubeconfig.Fault(file: file, problem: "\(key) is not written as one entry after the other")
        guard let root = try Yams.compose(yaml: source)?.mapping, let entry = root.first(where: { $0.key.string == key }),
            let place = entry.key.mark?.line, lines[place - 1].trimmed == key + ":"
        else { throw fault }
        let marks: [(name: String, line: Int?)]
        switch entry.value {
        case .sequence(let list): marks = list.map { ($0["name"]?.string ?? "", $0.mark?.line) }
        case .mapping(let map): marks = map.map { ($0.key.string ?? "", $0.key.mark?.line) }
        case .scalar, .alias: throw fault
        }
        let starts = marks.compactMap { $0.line.map { $0 - 1 } }
        let isList = entry.value.sequence != nil
        guard starts.count == marks.count, Set(starts).count == starts.count,
            !isList || starts.allSatisfy({ lines[$0].trimmed.hasPrefix("-") })
        else { throw fault }
        let later = root.compactMap { $0.key.mark?.line }.filter { $0 > place }.min() ?? lines.count + 1
        return Section(
            line: place - 1, isList: isList,
            entries: marks.indices.map { index in
                let next = index + 1 < starts.count ? starts[index + 1] : later - 1
                return (marks[index].name, starts[index]..<end(starts[index], next))
            })
    }

    /// Comments and empty lines before what follows belong to that.
    private func end(_ start: Int, _ next: Int) -> Int {
        var end = next
        while end > start + 1, lines[end - 1].trimmed.isEmpty || lines[end - 1].trimmed.hasPrefix("#") { end -= 1 }
        return end
    }
}

extension String {
    fileprivate var trimmed: Substring {
        let tail = drop { $0 == " " }
        guard let last = tail.lastIndex(where: { $0 != " " && $0 != "\r" }) else { return "" }
        return tail[...last]
    }
}
