// SPDX-License-Identifier: Apache-2.0

/// Where each part of a spec stands in its file. Looked up by the path texts that findings carry, such as `spec.clusters[0].podCIDRs[1]`.
package struct SourceMap: Sendable {
    private let root: YAMLTree

    init(root: YAMLTree) { self.root = root }

    /// The place of the part, or of the nearest part around it when a default stands there.
    package func place(of path: String) -> (line: Int, column: Int) {
        var tree = root
        var place = root.place
        for step in Self.steps(path) {
            switch (step, tree.content) {
            case (.key(let key), .map):
                guard let entry = tree.entry(key) else { return (place.line, place.column) }
                tree = entry.value
                place = tree.isBlock ? entry.place : tree.place
            case (.index(let index), .list(let items)):
                guard items.indices.contains(index) else { return (place.line, place.column) }
                tree = items[index]
                place = tree.place
            default:
                return (place.line, place.column)
            }
        }
        return (place.line, place.column)
    }

    private enum Step {
        case key(String)
        case index(Int)
    }

    private static func steps(_ path: String) -> [Step] {
        path.split(separator: ".").flatMap { part -> [Step] in
            let pieces = part.split(separator: "[", omittingEmptySubsequences: false)
            let indices = pieces.dropFirst().compactMap { Int($0.prefix { $0 != "]" }) }
            return [.key(String(pieces[0]))] + indices.map { .index($0) }
        }
    }
}

extension YAMLTree {
    /// A list or map shows itself by its key; a scalar by itself.
    fileprivate var isBlock: Bool {
        if case .scalar = content { return false }
        return true
    }
}
