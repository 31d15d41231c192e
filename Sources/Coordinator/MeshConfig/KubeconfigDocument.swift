// SPDX-License-Identifier: Apache-2.0

import Yams

/// A kubeconfig as a document that is changed in places: contexts of a source are merged in, or one is taken out. Entries that no merged
/// context names stay as they are.
package struct KubeconfigDocument {
    /// Which cluster a context leads to, written beside its cluster as an extension that kubectl keeps.
    package struct Pin: Hashable, Sendable, Codable {
        /// SHA-256 of the API server's CA, hex.
        package var apiCA: String
        /// The uid of namespace kube-system; absent when it could not be asked.
        package var systemUID: String?
        package init(apiCA: String, systemUID: String?) {
            self.apiCA = apiCA
            self.systemUID = systemUID
        }
    }

    private static let pinName = "meshgate.dev/pin"
    private var root: Node.Mapping

    /// An empty text is an empty kubeconfig.
    package init(parsing text: String, file: String) throws(Kubeconfig.Fault) {
        root = try ConfigNode.mapping(text, file: file)
        for key in ["clusters", "users", "contexts"] {
            guard let list = root[key], list.null == nil else { continue }
            guard let items = list.sequence else { throw Kubeconfig.Fault(file: file, problem: "\(key) is not a list") }
            for item in items where item["name"]?.string == nil || item[Self.inner(key)]?.mapping == nil {
                throw Kubeconfig.Fault(file: file, problem: "an entry of \(key) has no name or no \(Self.inner(key))")
            }
        }
    }

    package func text() throws -> String { try ConfigNode.text(root) }

    /// As JSON, which is YAML too and which some readers insist on: a file that is JSON stays JSON.
    func json(file: String) throws(Kubeconfig.Fault) -> String { try ConfigNode.json(root, file: file) }

    /// In the order of the file.
    package var contextNames: [String] { entries("contexts").compactMap { $0["name"]?.string } }

    /// The context that kubectl uses when none is named.
    package var current: String? { root["current-context"]?.string.flatMap { $0.isEmpty ? nil : $0 } }

    // MARK: merging

    /// Takes over every context of `source`. One of the same name and the same cluster gets the new credentials; of the same name and another
    /// cluster, the newcomer gets another name. The current context stays, when there is one.
    package mutating func merge(_ source: KubeconfigDocument) -> [MergedContext] {
        if root["apiVersion"] == nil { root["apiVersion"] = Node("v1") }
        if root["kind"] == nil { root["kind"] = Node("Config") }
        var merged: [MergedContext] = []
        for entry in source.entries("contexts") {
            guard let name = entry["name"]?.string, !merged.contains(where: { $0.source == name }), let cluster = source.cluster(of: entry)
            else { continue }
            // A name that the source itself has is that context's own, and so is one that was given out already.
            let reserved = Set(source.contextNames).subtracting([name]).union(merged.map(\.name))
            merged.append(take(name, entry, cluster, source.user(of: entry), reserved))
        }
        if current == nil, let first = merged.first { root["current-context"] = ConfigNode.text(of: first.name) }
        return merged
    }

    private mutating func take(
        _ name: String, _ entry: Node, _ cluster: Node, _ user: Node?, _ reserved: Set<String>
    ) -> MergedContext {
        let known = home(of: name, cluster, reserved)
        let context = known ?? freeName(name) { find("contexts", $0) != nil || reserved.contains($0) }
        let old = known.flatMap { find("contexts", $0) }
        let clusterName = put("clusters", cluster, replacing: old?["context"]?["cluster"]?.string, except: context)
        var inner = (old ?? entry)["context"] ?? .mapping([:])
        inner["cluster"] = ConfigNode.text(of: clusterName)
        if let user {
            inner["user"] = ConfigNode.text(of: put("users", user, replacing: old?["context"]?["user"]?.string, except: context))
        }
        var whole = old ?? entry
        whole["name"] = ConfigNode.text(of: context)
        whole["context"] = inner
        set("contexts", whole)
        return MergedContext(source: name, name: context, replaced: known != nil)
    }

    /// The context that already leads to this cluster under this name, or under a name that an earlier collision gave it.
    private func home(of name: String, _ cluster: Node, _ reserved: Set<String>) -> String? {
        func numbered(_ other: String) -> Bool {
            other.hasPrefix(name + "-") && Int(other.dropFirst(name.count + 1)).map { $0 >= 2 } == true
        }
        let names = contextNames
        return ([name] + names.filter(numbered)).first { candidate in
            guard !reserved.contains(candidate), let entry = find("contexts", candidate), let own = self.cluster(of: entry) else {
                return false
            }
            return Self.isSame(own, cluster)
        }
    }

    /// The same CA makes the same cluster; where one has none in the file, the same address.
    private static func isSame(_ left: Node, _ right: Node) -> Bool {
        func authority(_ node: Node) -> String? {
            node["cluster"]?["certificate-authority-data"]?.string.map { $0.filter { !$0.isWhitespace } }
        }
        if let one = authority(left), let other = authority(right) { return one == other }
        return left["cluster"]?["server"]?.string == right["cluster"]?["server"]?.string
    }

    /// Puts a cluster or user in and returns its name: the one that the replaced context has, when nobody else uses it, else a free one. An
    /// entry that says the very same is shared.
    private mutating func put(_ key: String, _ entry: Node, replacing old: String?, except context: String) -> String {
        let kind = Self.inner(key)
        let wanted = entry["name"]?.string ?? context
        if let old, find(key, old) != nil, !isUsed(key, old, byOthersThan: context) || find(key, old)?[kind] == entry[kind] {
            var new = entry
            new["name"] = ConfigNode.text(of: old)
            if let kept = find(key, old)?[kind]?["extensions"], new[kind]?["extensions"] == nil { new[kind]?["extensions"] = kept }
            set(key, new)
            return old
        }
        if let same = find(key, wanted), same[kind] == entry[kind] { return wanted }
        let name = freeName(wanted) { find(key, $0) != nil }
        var new = entry
        new["name"] = ConfigNode.text(of: name)
        set(key, new)
        return name
    }

    // MARK: removing

    /// Takes a context out, with the cluster and user that no other context names. False when there is none.
    package mutating func remove(context name: String) -> Bool {
        guard let entry = find("contexts", name) else { return false }
        let named = [("clusters", entry["context"]?["cluster"]?.string), ("users", entry["context"]?["user"]?.string)]
        drop("contexts", name)
        for case (let key, let other?) in named where !isUsed(key, other, byOthersThan: name) { drop(key, other) }
        if current == name { root["current-context"] = ConfigNode.text(of: "") }
        return true
    }

    /// One context with its cluster and user, as a kubeconfig of its own; `nil` when there is none. What points to files beside it is refused.
    package func alone(_ name: String, file: String) throws -> String? {
        guard let entry = find("contexts", name), let cluster = cluster(of: entry) else { return nil }
        let user = user(of: entry)
        let files =
            ["certificate-authority"].filter { cluster["cluster"]?[$0] != nil }
            + ["client-certificate", "client-key", "tokenFile"].filter { user?["user"]?[$0] != nil }
        guard files.isEmpty else {
            throw Kubeconfig.Fault(
                file: file,
                problem:
                    "context \(name) names files beside it (\(files.joined(separator: ", "))); `kubectl config view --flatten` puts them in"
            )
        }
        var root: Node.Mapping = ["apiVersion": Node("v1"), "kind": Node("Config")]
        root["clusters"] = .sequence(Node.Sequence([cluster]))
        root["users"] = .sequence(Node.Sequence(user.map { [$0] } ?? []))
        root["contexts"] = .sequence(Node.Sequence([entry]))
        root["current-context"] = ConfigNode.text(of: name)
        return try ConfigNode.text(root)
    }

    // MARK: pins

    /// What the cluster of a context was, when its credentials were fetched.
    package func pin(of context: String) -> Pin? {
        guard let entry = find("contexts", context), let cluster = cluster(of: entry) else { return nil }
        let extensions = cluster["cluster"]?["extensions"]?.sequence.map(Array.init) ?? []
        guard let pin = extensions.first(where: { $0["name"]?.string == Self.pinName })?["extension"],
            let authority = pin["api-ca"]?.string
        else { return nil }
        return Pin(apiCA: authority, systemUID: pin["system-uid"]?.string)
    }

    /// Writes what the cluster of a context is.
    package mutating func setPin(_ pin: Pin, of context: String) {
        guard let entry = find("contexts", context), var cluster = cluster(of: entry) else { return }
        var inner: Node = .mapping([:])
        inner["api-ca"] = ConfigNode.text(of: pin.apiCA)
        if let uid = pin.systemUID { inner["system-uid"] = ConfigNode.text(of: uid) }
        var item: Node = .mapping([:])
        item["name"] = ConfigNode.text(of: Self.pinName)
        item["extension"] = inner
        let others = (cluster["cluster"]?["extensions"]?.sequence.map(Array.init) ?? []).filter { $0["name"]?.string != Self.pinName }
        cluster["cluster"]?["extensions"] = .sequence(Node.Sequence(others + [item]))
        set("clusters", cluster)
    }

    // MARK: entries

    private static func inner(_ key: String) -> String { String(key.dropLast()) }

    func names(_ key: String) -> Set<String> { Set(entries(key).compactMap { $0["name"]?.string }) }

    private func entries(_ key: String) -> [Node] { root[key]?.sequence.map(Array.init) ?? [] }

    /// The first of a name counts, as for kubectl.
    private func find(_ key: String, _ name: String) -> Node? { entries(key).first { $0["name"]?.string == name } }

    private func cluster(of context: Node) -> Node? { context["context"]?["cluster"]?.string.flatMap { find("clusters", $0) } }

    private func user(of context: Node) -> Node? { context["context"]?["user"]?.string.flatMap { find("users", $0) } }

    private func isUsed(_ key: String, _ name: String, byOthersThan context: String) -> Bool {
        entries("contexts").contains { $0["name"]?.string != context && $0["context"]?[Self.inner(key)]?.string == name }
    }

    /// In the place of the first of its name, or at the end.
    private mutating func set(_ key: String, _ entry: Node) {
        var all = entries(key)
        if let index = all.firstIndex(where: { $0["name"]?.string == entry["name"]?.string }) {
            all[index] = entry
        } else {
            all.append(entry)
        }
        root[key] = .sequence(Node.Sequence(all))
    }

    private mutating func drop(_ key: String, _ name: String) {
        var all = entries(key)
        if let index = all.firstIndex(where: { $0["name"]?.string == name }) { all.remove(at: index) }
        root[key] = .sequence(Node.Sequence(all))
    }
}
