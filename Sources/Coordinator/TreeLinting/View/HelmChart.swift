// SPDX-License-Identifier: Apache-2.0

import MeshModel

/// What is known of a chart from its archive: defaults, schema, and which values its templates read.
package struct HelmChart: Sendable {
    package let name: String
    package let version: String
    private let defaults: YAMLNode?
    private let schema: YAMLNode?
    /// Dotted paths as templates read them, each at its full length, and the maps above them.
    private let named: Set<String>
    /// Paths of which templates take everything that is there.
    private let whole: Set<String>
    /// All paths that can be set and mean something, for suggestions.
    private let known: Set<String>

    /// From the files of a chart, by their paths within it (`Chart.yaml`, `templates/x.yaml`, `charts/sub/values.yaml`); `nil` when there is no
    /// readable Chart.yaml.
    package init?(files: [String: String], yaml: YAMLReader) {
        func document(_ path: String) -> YAMLNode? { files[path].flatMap { yaml($0).documents.first } }
        guard let chart = document("Chart.yaml"), let name = chart["name"]?.text, let version = chart["version"]?.text else { return nil }
        self.name = name
        self.version = version
        defaults = document("values.yaml")
        schema = document("values.schema.json")
        var (named, whole): (Set<String>, Set<String>) = ([], [])
        for (path, text) in files {
            let parts = path.split(separator: "/")
            if parts.first == "templates" {
                let read = ValuesRead(text)
                named.formUnion(read.named)
                whole.formUnion(read.whole)
            } else if parts.first == "charts", parts.count > 2 {
                // A part of the chart sees its own values under its name, and it may have parts of its own.
                whole.insert(String(parts[1]))
            }
        }
        for dependency in chart["dependencies"]?.elements ?? [] {
            for name in [dependency["name"]?.text, dependency["alias"]?.text].compactMap(\.self) { whole.insert(name) }
            for word in dependency["condition"]?.text?.split(separator: ",") ?? [] { named.insert(trimmed(word)) }
        }
        var known = named.union(whole)
        if let defaults { for setting in HelmUse.flatten(defaults, "", { Spot(file: "", place: $0) }) { known.insert(setting.key) } }
        self.known = known
        for path in named.union(whole) {
            var rest = path[...]
            while let dot = rest.lastIndex(of: ".") {
                rest = rest[..<dot]
                guard named.insert(String(rest)).inserted else { break }
            }
        }
        (self.named, self.whole) = (named, whole)
    }

    /// The default of a value, when it is a plain one.
    func defaultValue(_ key: String) -> YAMLNode? {
        var node = defaults
        for part in path(key) { node = node?.entry(part)?.value }
        return node
    }

    /// Whether setting this key would change anything.
    func knows(_ key: String) -> Bool {
        let parts = path(key)
        if named.contains(parts.joined(separator: ".")) || isDefault(parts) || isInSchema(parts) { return true }
        return parts.indices.contains { count in
            let above = parts.prefix(count + 1).joined(separator: ".")
            // What is read by its name alone may be a list or a map, unless the defaults show what belongs into it.
            return whole.contains(above) || named.contains(above) && !hasParts(parts.prefix(count + 1)) && !isAbove(above)
        }
    }

    /// The defaults or the schema name what is within.
    private func hasParts(_ parts: ArraySlice<String>) -> Bool {
        var (value, rule) = (defaults, schema)
        for part in parts {
            value = value?.entry(part)?.value
            rule = rule?["properties"]?.entry(part)?.value
        }
        return !(value?.entries.isEmpty ?? true) || !(rule?["properties"]?.entries.isEmpty ?? true)
    }

    /// Templates read something within.
    private func isAbove(_ path: String) -> Bool { known.contains { $0.hasPrefix(path + ".") } }

    func near(_ key: String) -> String? { nearest(key, of: known.sorted()) }

    /// The types that the schema allows for a key; empty when it says nothing.
    func types(_ key: String) -> [String] {
        var node = schema
        for part in path(key) { node = node?["properties"]?.entry(part)?.value }
        guard let type = node?["type"] else { return [] }
        return type.text.map { [$0] } ?? type.elements.compactMap(\.text)
    }

    private func isDefault(_ parts: [String]) -> Bool {
        guard var node = defaults else { return false }
        for part in parts {
            switch node.content {
            case .map(let entries):
                // An empty map or a null is there to be filled.
                guard let next = node.entry(part) else { return entries.isEmpty && !parts.isEmpty }
                node = next.value
            case .scalar(let text, let isPlain): return isPlain && ["", "null", "~"].contains(text)
            case .list: return true
            }
        }
        return true
    }

    private func isInSchema(_ parts: [String]) -> Bool {
        guard var node = schema else { return false }
        for part in parts {
            guard let next = node["properties"]?.entry(part)?.value else {
                // Without properties of its own the object takes what it is given.
                return node["properties"] == nil && node["additionalProperties"]?.isFalse != true && node["type"]?.text == "object"
            }
            node = next
        }
        return true
    }

    /// `a.b[0].c` and `a.b\.c` as names; indices are left out.
    private func path(_ key: String) -> [String] {
        var parts: [[UInt8]] = [[]]
        var isProtected = false
        for byte in key.utf8 {
            if isProtected {
                parts[parts.count - 1].append(byte)
                isProtected = false
            } else if byte == .ascii("\\") {
                isProtected = true
            } else if byte == .ascii(".") {
                parts.append([])
            } else {
                parts[parts.count - 1].append(byte)
            }
        }
        return parts.map { part in part.prefix { $0 != .ascii("[") }.text }
    }
}

/// What a template reads of its values: single paths, and paths of which everything beneath is read too.
struct ValuesRead {
    private(set) var named: Set<String> = []
    private(set) var whole: Set<String> = []

    /// `.Values.a.b`, `index .Values "a" "b"` and `hasKey .Values.a "b"`, each by the action in which it stands: `toYaml`, `with` and the like take all.
    init(_ template: String) {
        let bytes = Array(template.utf8)
        var at = 0
        while let open = Self.find("{{", in: bytes[...], from: at) {
            let close = Self.find("}}", in: bytes[...], from: open) ?? bytes.count
            take(bytes[open..<close])
            at = close
        }
    }

    private static let takers = [
        "toYaml", "toJson", "toPrettyJson", "with ", "range ", "merge", "Merge", "include ", "tpl ", ":=", "keys ", "values ", "dict ",
    ]

    private mutating func take(_ action: ArraySlice<UInt8>) {
        var at = action.startIndex
        var takesAll: Bool?
        while let found = Self.find(".Values", in: action, from: at) {
            at = found + 7
            let start = at
            while at < action.endIndex, action[at].isLetter || action[at].isDigit || action[at] == .ascii("_") || action[at] == .ascii(".")
            { at += 1 }
            var path = action[start..<at].split(separator: .ascii(".")).map(\.text)
            let before = action[action.startIndex..<found].suffix(12).text
            if path.isEmpty || ["index ", "hasKey ", "get "].contains(where: { before.hasSuffix($0) || before.hasSuffix($0 + "$") }) {
                while at + 1 < action.endIndex, action[at] == .ascii(" "), action[at + 1] == .ascii("\"") {
                    guard let end = action[(at + 2)...].firstIndex(of: .ascii("\"")) else { break }
                    path.append(action[(at + 2)..<end].text)
                    at = end + 1
                }
            }
            guard !path.isEmpty else { continue }
            let all: Bool
            if let known = takesAll {
                all = known
            } else {
                let text = action.text
                all = Self.takers.contains { text.contains($0) }
                takesAll = all
            }
            if all { whole.insert(path.joined(separator: ".")) } else { named.insert(path.joined(separator: ".")) }
        }
    }

    private static func find(_ text: String, in bytes: ArraySlice<UInt8>, from start: Int) -> Int? {
        let wanted = Array(text.utf8)
        var at = start
        while at + wanted.count <= bytes.endIndex {
            if bytes[at] == wanted[0], bytes[at..<(at + wanted.count)].elementsEqual(wanted) { return at }
            at += 1
        }
        return nil
    }
}
