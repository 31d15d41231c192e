// SPDX-License-Identifier: Apache-2.0

import Yams

/// Takes contexts out of the text of a kubeconfig and leaves every other byte as it is, comments included. `KubeconfigDocument` writes the whole
/// file anew; that is for files which get something in. What comes out is read again and compared with what the document makes of it.
package enum KubeconfigSurgery {
    /// - Parameter context: one that is there.
    package static func removing(_ context: String, from text: String, file: String) throws -> String {
        var wanted = try KubeconfigDocument(parsing: text, file: file)
        let before = try KubeconfigDocument(parsing: text, file: file)
        guard wanted.remove(context: context) else { throw Kubeconfig.Fault(file: file, problem: "it has no context \(context)") }
        var lines = text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        var emptied: [Int] = []
        var gone: Set<Int> = []
        for key in ["clusters", "users", "contexts"] {
            let leaving = before.names(key).subtracting(wanted.names(key))
            guard !leaving.isEmpty else { continue }
            let section = try Section(key, of: text, lines, file)
            for item in section.items where leaving.contains(item.name) { gone.formUnion(item.lines) }
            if section.items.allSatisfy({ leaving.contains($0.name) }) { emptied.append(section.line) }
        }
        for line in emptied { lines[line] += " []" }
        if before.current == context, let line = lines.firstIndex(where: { $0.hasPrefix("current-context:") }) {
            lines[line] = "current-context: \"\""
        }
        let new = lines.enumerated().filter { !gone.contains($0.offset) }.map(\.element).joined(separator: "\n")
        guard let read = try? KubeconfigDocument(parsing: new, file: file), try read.text() == wanted.text() else {
            throw Kubeconfig.Fault(
                file: file, problem: "\(context) cannot be taken out without writing other lines anew; use `meshgate kubeconfig --remove`")
        }
        return new
    }

    /// One list of the file, item by item, in lines counted from 0.
    private struct Section {
        struct Item {
            var name: String
            var lines: Range<Int>
        }
        /// Of the key.
        let line: Int
        let items: [Item]

        init(_ key: String, of text: String, _ lines: [String], _ file: String) throws {
            func fault() -> Kubeconfig.Fault {
                Kubeconfig.Fault(file: file, problem: "\(key) is not written as a list of one entry after the other")
            }
            guard let root = try Yams.compose(yaml: text)?.mapping, let entry = root.first(where: { $0.key.string == key }),
                let place = entry.key.mark?.line, let list = entry.value.sequence, lines[place - 1].trimmed == key + ":"
            else { throw fault() }
            let later = root.compactMap { $0.key.mark?.line }.filter { $0 > place }.min() ?? lines.count + 1
            let starts = list.compactMap { $0.mark.map { $0.line - 1 } }
            guard starts.count == list.count, Set(starts).count == starts.count, starts.allSatisfy({ lines[$0].trimmed.hasPrefix("-") })
            else {
                throw fault()
            }
            line = place - 1
            items = zip(list, starts.indices).map { node, index in
                let next = index + 1 < starts.count ? starts[index + 1] : later - 1
                return Item(name: node["name"]?.string ?? "", lines: starts[index]..<Self.end(lines, starts[index], next))
            }
        }

        /// Comments and empty lines before what follows belong to that.
        private static func end(_ lines: [String], _ start: Int, _ next: Int) -> Int {
            var end = next
            while end > start + 1, lines[end - 1].trimmed.isEmpty || lines[end - 1].trimmed.hasPrefix("#") { end -= 1 }
            return end
        }
    }
}

extension String {
    fileprivate var trimmed: Substring {
        let tail = drop { $0 == " " }
        guard let last = tail.lastIndex(where: { $0 != " " && $0 != "\r" }) else { return "" }
        return tail[...last]
    }
}
