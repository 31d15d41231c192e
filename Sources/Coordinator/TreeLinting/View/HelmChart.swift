// SPDX-License-Identifier: Apache-2.0

import MeshModel

/// What is known of a chart from its archive: defaults, schema, and which values its templates read.
package struct HelmChart: Sendable {
    package let name: String
    package let version: String
    private let defaults: YAMLNode?
    private let schema: YAMLNode?
    /// Dotted paths as templates read them, each at its full length.
    private let reads: Set<String>
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
        var reads: Set<String> = []
        for (path, text) in files {
            let parts = path.split(separator: "/")
            if parts.first == "templates" {
                reads.formUnion(valuesRead(by: text))
            } else if parts.first == "charts", parts.count > 2 {
                // A part of the chart sees its own values under its name, and `global` at the top.
                if parts[2] == "templates" {
                    for read in valuesRead(by: text) { reads.insert(read.hasPrefix("global") ? read : "\(parts[1]).\(read)") }
                } else if parts[2] == "values.yaml" {
                    reads.insert(String(parts[1]))
                }
            }
        }
        for dependency in chart["dependencies"]?.elements ?? [] {
            for key in ["condition", "alias", "name"] {
                for word in dependency[key]?.text?.split(separator: ",") ?? [] { reads.insert(trimmed(word)) }
            }
        }
        self.reads = reads
        var known = reads
        if let defaults { for setting in HelmUse.flatten(defaults, "", { Spot(file: "", place: $0) }) { known.insert(setting.key) } }
        self.known = known
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
        for count in 1...max(1, parts.count) where reads.contains(parts.prefix(count).joined(separator: ".")) { return true }
        let whole = parts.joined(separator: ".") + "."
        // A map of which the templates read a part may be set as a whole.
        if reads.contains(where: { $0.hasPrefix(whole) }) { return true }
        return isDefault(parts) || isInSchema(parts)
    }

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

/// `.Values.a.b` and `index .Values "a" "b"` of a template.
func valuesRead(by template: String) -> Set<String> {
    let bytes = Array(template.utf8)
    let needle = Array(".Values".utf8)
    var found: Set<String> = []
    var at = 0
    while at + needle.count <= bytes.count {
        guard bytes[at] == needle[0], bytes[at..<(at + needle.count)].elementsEqual(needle) else {
            at += 1
            continue
        }
        at += needle.count
        let start = at
        while at < bytes.count, bytes[at].isLetter || bytes[at].isDigit || bytes[at] == .ascii("_") || bytes[at] == .ascii(".") { at += 1 }
        var path = bytes[start..<at].split(separator: .ascii(".")).map(\.text)
        if path.isEmpty {
            while at + 1 < bytes.count, bytes[at] == .ascii(" "), bytes[at + 1] == .ascii("\"") {
                guard let close = bytes[(at + 2)...].firstIndex(of: .ascii("\"")) else { break }
                path.append(bytes[(at + 2)..<close].text)
                at = close + 1
            }
        }
        if !path.isEmpty { found.insert(path.joined(separator: ".")) }
    }
    return found
}
