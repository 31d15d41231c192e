// SPDX-License-Identifier: Apache-2.0

import Yams

/// A talosconfig as a document that is changed in places, like `KubeconfigDocument`. Its contexts are whole: endpoints, CA, certificate and key.
package struct TalosconfigDocument {
    private var root: Node.Mapping

    /// An empty text is an empty talosconfig.
    package init(parsing text: String, file: String) throws(Kubeconfig.Fault) {
        root = try ConfigNode.mapping(text, file: file)
        guard let contexts = root["contexts"], contexts.null == nil else { return }
        guard let entries = contexts.mapping else { throw Kubeconfig.Fault(file: file, problem: "contexts is not a mapping") }
        for entry in entries where entry.key.string == nil || entry.value.mapping == nil {
            throw Kubeconfig.Fault(file: file, problem: "an entry of contexts is not a mapping")
        }
    }

    package func text() throws -> String { try ConfigNode.text(root) }

    /// See `KubeconfigDocument.json`.
    func json(file: String) throws(Kubeconfig.Fault) -> String { try ConfigNode.json(root, file: file) }

    /// The context that talosctl uses when none is named.
    package var current: String? { root["context"]?.string.flatMap { $0.isEmpty ? nil : $0 } }

    package var contextNames: [String] { contexts.compactMap { $0.key.string } }

    /// Base64 of PEM.
    package func certificate(of context: String) -> String? { contexts[context]?["crt"]?.string }
    /// Base64 of PEM.
    package func authority(of context: String) -> String? { contexts[context]?["ca"]?.string }

    private var contexts: Node.Mapping { root["contexts"]?.mapping ?? [:] }

    /// Takes over every context of `source`. The same name and the same CA is a renewal; the same name and another CA gets another name.
    package mutating func merge(_ source: TalosconfigDocument) -> [MergedContext] {
        var merged: [MergedContext] = []
        var all = contexts
        for entry in source.contexts {
            guard let name = entry.key.string else { continue }
            let reserved = Set(source.contextNames).subtracting([name]).union(merged.map(\.name))
            func isSame(_ other: String) -> Bool {
                guard !reserved.contains(other), let ca = all[other]?["ca"]?.string, !ca.isEmpty else { return false }
                return ca == entry.value["ca"]?.string
            }
            let numbered = all.compactMap { $0.key.string }.filter { other in
                other.hasPrefix(name + "-") && Int(other.dropFirst(name.count + 1)).map { $0 >= 2 } == true
            }
            let known = ([name] + numbered).first(where: isSame)
            let target = known ?? freeName(name) { all[$0] != nil || reserved.contains($0) }
            all[target] = entry.value
            merged.append(MergedContext(source: name, name: target, replaced: known != nil))
        }
        root["contexts"] = .mapping(all)
        if root["context"]?.string?.isEmpty ?? true, let first = merged.first { root["context"] = ConfigNode.text(of: first.name) }
        return merged
    }

    /// One context, as a talosconfig of its own; `nil` when there is none.
    package func alone(_ name: String) throws -> String? {
        guard let entry = contexts[name] else { return nil }
        var all: Node.Mapping = [:]
        all[name] = entry
        var root: Node.Mapping = [:]
        root["context"] = ConfigNode.text(of: name)
        root["contexts"] = .mapping(all)
        return try ConfigNode.text(root)
    }

    /// Takes a context out. False when there is none.
    package mutating func remove(context name: String) -> Bool {
        var all = contexts
        guard all[name] != nil else { return false }
        all[name] = nil
        root["contexts"] = .mapping(all)
        if root["context"]?.string == name { root["context"] = ConfigNode.text(of: "") }
        return true
    }
}
