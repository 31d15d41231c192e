// SPDX-License-Identifier: Apache-2.0

import MeshModel

/// One map of the file while it is read. Unknown keys are refused at once; each accessor reads one key and logs what is wrong with it.
struct Section {
    /// What the map describes, for messages: `cluster "talos-east"`.
    let title: String
    let place: Place
    let log: FaultLog
    private let entries: [YAMLTree.Entry]

    /// `nil`, with a fault, when the value is not a map.
    init?(_ tree: YAMLTree, _ title: String, keys: [String], log: FaultLog) {
        guard case .map(let entries) = tree.content else {
            log.add(tree.place, "\(title) wants a map of keys (\(keys.joined(separator: ", "))), not \(tree.kindInWords)")
            return nil
        }
        self.title = title
        self.log = log
        self.entries = entries
        place = tree.place
        for entry in entries where !keys.contains(entry.key) {
            let near = log.wantsSuggestions ? suggestion(nearest(entry.key, of: keys)) : ""
            log.add(entry.place, "unknown key \(quoted(entry.key)) in \(title)\(near)")
        }
    }

    /// The value behind a key; `nil` when the key is absent or has nothing behind it.
    func value(_ key: String) -> YAMLTree? {
        guard let value = entries.first(where: { $0.key == key })?.value, !value.isNull else { return nil }
        return value
    }

    func has(_ key: String) -> Bool { value(key) != nil }

    /// Where the key's value stands, or the section when the key is absent.
    func place(of key: String) -> Place { value(key)?.place ?? place }

    func optional<Value>(_ key: String, _ form: Form<Value>) -> Value? {
        value(key).flatMap { scalar($0, form, "\(quoted(key)) of \(title)") }
    }

    func required<Value>(_ key: String, _ form: Form<Value>) -> Value? {
        guard has(key) else {
            missing(key, form.wanted)
            return nil
        }
        return optional(key, form)
    }

    /// A list of scalars; `nil` when the key is absent.
    func list<Value>(_ key: String, _ form: Form<Value>) -> [Value]? {
        guard let value = value(key) else { return nil }
        guard case .list(let items) = value.content else {
            log.add(value.place, "\(quoted(key)) of \(title) wants a list, each \(form.wanted), not \(value.kindInWords)")
            return []
        }
        return items.compactMap { scalar($0, form, "\(quoted(key)) of \(title)") }
    }

    /// A list of maps or mixed things; empty when the key is absent.
    func items(_ key: String) -> [YAMLTree] {
        guard let value = value(key) else { return [] }
        guard case .list(let items) = value.content else {
            log.add(value.place, "\(quoted(key)) of \(title) wants a list, not \(value.kindInWords)")
            return []
        }
        return items
    }

    /// A map within the map; `nil` when the key is absent or its value is no map.
    func section(_ key: String, _ title: String? = nil, keys: [String]) -> Section? {
        value(key).flatMap { Section($0, title ?? "\(quoted(key)) of \(self.title)", keys: keys, log: log) }
    }

    func missing(_ key: String, _ wanted: String) {
        log.add(place, "\(title) has no \(quoted(key)); it wants \(wanted)")
    }

    private func scalar<Value>(_ tree: YAMLTree, _ form: Form<Value>, _ what: @autoclosure () -> String) -> Value? {
        if case .scalar(let text, let plain) = tree.content, let value = form.parse(text, plain) { return value }
        var near = ""
        if case .scalar(let text, _) = tree.content, log.wantsSuggestions { near = suggestion(nearest(text, of: form.words)) }
        log.add(tree.place, "\(what()) wants \(form.wanted), not \(tree.kindInWords)\(near)")
        return nil
    }
}

extension YAMLTree {
    /// `cluster "talos-east"`, or `cluster 2` when it has no name to be called by.
    func title(_ kind: String, _ index: Int) -> String {
        guard case .scalar(let name, _)? = entry("name")?.value.content, !name.isEmpty else { return "\(kind) \(index + 1)" }
        return "\(kind) \(quoted(name))"
    }
}

/// The names of one kind that the file has given out, so that doubles and references to nowhere are found.
struct NameBook {
    /// `cluster`, and the list where such names are made, for messages.
    let kind: String
    let list: String
    private var places: [String: Place] = [:]

    init(_ kind: String, list: String) {
        self.kind = kind
        self.list = list
    }

    /// Takes the name of an item even when the rest of the item is faulty, so that references to it are not faults too.
    mutating func claim(_ item: YAMLTree, log: FaultLog) {
        guard let value = item.entry("name")?.value, case .scalar(let name, _) = value.content, !name.isEmpty else { return }
        if let first = places[name] {
            log.add(value.place, "the \(kind) name \(quoted(name)) is already taken on line \(first.line)")
        } else {
            places[name] = value.place
        }
    }

    /// Logs a fault when nothing has the name that stands at `place`.
    func check(_ name: String, at place: Place, from title: String, log: FaultLog) {
        guard places[name] == nil else { return }
        let near = log.wantsSuggestions && places.count < 2000 ? suggestion(nearest(name, of: places.keys.sorted())) : ""
        log.add(place, "\(title) names the \(kind) \(quoted(name)), which is not in \(quoted(list))\(near)")
    }
}
