// SPDX-License-Identifier: Apache-2.0

/// What the .gitignore files of a tree leave out, by gitignore(5): the last pattern that fits decides, and nothing within an ignored directory comes back.
package struct IgnoreRules: Sendable {
    private struct Pattern: Sendable {
        let directory: [String]
        let parts: [[UInt8]]
        let isNegated: Bool
        let isForDirectories: Bool
    }
    private var patterns: [Pattern] = []

    package init() {}

    /// Adds the file `.gitignore` of a directory; directories nearer to the root come first.
    package mutating func add(_ text: String, in directory: String) {
        let place = directory.split(separator: "/").map(String.init)
        for raw in text.split(whereSeparator: \.isNewline) {
            if let pattern = pattern(raw, place) { patterns.append(pattern) }
        }
    }

    private func pattern(_ raw: Substring, _ place: [String]) -> Pattern? {
        var line = raw
        while line.hasSuffix(" "), !line.hasSuffix("\\ ") { line = line.dropLast() }
        if line.hasSuffix("\r") { line = line.dropLast() }
        guard !line.isEmpty, !line.hasPrefix("#") else { return nil }
        let negated = line.hasPrefix("!")
        if negated || line.hasPrefix("\\#") || line.hasPrefix("\\!") { line = line.dropFirst() }
        let forDirectories = line.hasSuffix("/")
        if forDirectories { line = line.dropLast() }
        guard !line.isEmpty else { return nil }
        let anchored = line.contains("/")
        var parts = line.split(separator: "/", omittingEmptySubsequences: true).map { Array($0.utf8) }
        if !anchored { parts.insert(Array("**".utf8), at: 0) }
        return Pattern(directory: place, parts: parts, isNegated: negated, isForDirectories: forDirectories)
    }

    /// Whether git would leave the file out. The path is relative to the root of the tree.
    package func ignores(_ path: String) -> Bool {
        let parts = path.split(separator: "/").map(String.init)
        guard !parts.isEmpty else { return false }
        for count in 1..<parts.count where isIgnored(parts.prefix(count), isDirectory: true) { return true }
        return isIgnored(parts[...], isDirectory: false)
    }

    private func isIgnored(_ parts: ArraySlice<String>, isDirectory: Bool) -> Bool {
        for pattern in patterns.reversed() {
            guard isDirectory || !pattern.isForDirectories, parts.starts(with: pattern.directory) else { continue }
            let rest = parts.dropFirst(pattern.directory.count).map { Array($0.utf8) }
            if !rest.isEmpty, fits(pattern.parts, rest) { return !pattern.isNegated }
        }
        return false
    }

    /// Row by row, so that many `**` cost no more than patterns times names.
    private func fits(_ pattern: [[UInt8]], _ names: [[UInt8]]) -> Bool {
        var reached = [Bool](repeating: false, count: names.count + 1)
        reached[0] = true
        for (index, part) in pattern.enumerated() {
            var next = [Bool](repeating: false, count: names.count + 1)
            if part.elementsEqual("**".utf8) {
                // At the end `**` means everything within, so at least one name.
                var open = false
                for position in names.indices {
                    open = open || reached[position]
                    if open { next[position + 1] = true }
                    if index + 1 < pattern.count, reached[position] { next[position] = true }
                }
                if reached[names.count], index + 1 < pattern.count { next[names.count] = true }
            } else {
                for position in names.indices where reached[position] && glob(part, names[position]) { next[position + 1] = true }
            }
            reached = next
        }
        return reached[names.count]
    }
}

/// `*`, `?`, `[...]` and backslashes within one name. Goes back to the last star only, so it takes no more than pattern times name.
func glob(_ pattern: [UInt8], _ name: [UInt8]) -> Bool {
    var (at, index) = (0, 0)
    var star: (pattern: Int, name: Int)?
    while index < name.count {
        if at < pattern.count, pattern[at] == .ascii("*") {
            star = (at + 1, index)
            at += 1
            continue
        }
        if at < pattern.count, let next = matches(pattern, at, name[index]) {
            at = next
            index += 1
            continue
        }
        guard let last = star else { return false }
        star = (last.pattern, last.name + 1)
        (at, index) = (last.pattern, last.name + 1)
    }
    while at < pattern.count, pattern[at] == .ascii("*") { at += 1 }
    return at == pattern.count
}

/// The index behind the element at `at` when it fits the byte.
private func matches(_ pattern: [UInt8], _ at: Int, _ byte: UInt8) -> Int? {
    switch pattern[at] {
    case .ascii("?"): return at + 1
    case .ascii("\\") where at + 1 < pattern.count: return pattern[at + 1] == byte ? at + 2 : nil
    case .ascii("["):
        guard let close = pattern[(at + 1)...].dropFirst().firstIndex(of: .ascii("]")) else { return byte == .ascii("[") ? at + 1 : nil }
        var set = pattern[(at + 1)..<close]
        let negated = set.first == .ascii("!") || set.first == .ascii("^")
        if negated { set = set.dropFirst() }
        var found = false
        var index = set.startIndex
        while index < set.endIndex {
            if index + 2 < set.endIndex, set[index + 1] == .ascii("-") {
                found = found || (set[index] <= byte && byte <= set[index + 2])
                index += 3
            } else {
                found = found || set[index] == byte
                index += 1
            }
        }
        return found != negated ? close + 1 : nil
    default: return pattern[at] == byte ? at + 1 : nil
    }
}
