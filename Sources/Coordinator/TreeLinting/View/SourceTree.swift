// SPDX-License-Identifier: Apache-2.0

/// The files of a tree as somebody at the edge read them. Paths are relative to its root, with `/` between names.
package struct SourceTree: Sendable {
    /// A file that was read as UTF-8.
    package struct File: Sendable {
        package let path: String
        package let text: String

        package init(path: String, text: String) {
            self.path = path
            self.text = text
        }
    }

    /// A file or directory of which nothing is known but that it is there.
    package struct Unread: Sendable {
        package let path: String
        package let why: String

        package init(path: String, why: String) {
            self.path = path
            self.why = why
        }
    }

    package let files: [File]
    package let unread: [Unread]
    /// Every path of the tree, those among them of which the content is of no interest.
    package let paths: Set<String>

    package init(files: [File], unread: [Unread] = [], paths: Set<String>? = nil) {
        self.files = files.sorted { $0.path < $1.path }
        self.unread = unread
        self.paths = paths ?? Set(files.map(\.path) + unread.map(\.path))
    }
}

/// `a/b` of `a/b/c.tf`; empty for a file at the root.
func directory(of path: String) -> String { path.lastIndex(of: "/").map { String(path[..<$0]) } ?? "" }

func basename(_ path: String) -> String { path.lastIndex(of: "/").map { String(path[path.index(after: $0)...]) } ?? path }

/// The path that `path` means when it is written in `directory`; `nil` when it leaves the tree.
func joined(_ directory: String, _ path: String) -> String? {
    var parts = path.hasPrefix("/") ? [] : directory.split(separator: "/").map(String.init)
    for part in path.split(separator: "/") where part != "." {
        if part == ".." {
            guard !parts.isEmpty else { return nil }
            parts.removeLast()
        } else {
            parts.append(String(part))
        }
    }
    return parts.joined(separator: "/")
}
