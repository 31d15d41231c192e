// SPDX-License-Identifier: Apache-2.0

import MeshModel

/// The parts of a name: `talos-proxmox_east` has `talos`, `proxmox` and `east`.
func tokens(_ name: String) -> [String] { name.lowercased().split { "-_./:@\"".contains($0) }.map(String.init) }

/// The pairs of words by which this tree tells its clusters apart: what differs between modules of one source, and the points of the compass.
func sides(_ view: TreeView) -> Set<String> {
    var found: Set<String> = ["east", "west", "north", "south"]
    for module in view.modules {
        let bySource = Dictionary(grouping: module.calls) { $0.body.attribute("source")?.value.plainText ?? "" }
        for (source, calls) in bySource where source.hasPrefix(".") && calls.count > 1 {
            let names = calls.map { tokens($0.name) }
            guard let first = names.first, names.allSatisfy({ $0.count == first.count }) else { continue }
            let different = first.indices.filter { index in Set(names.map { $0[index] }).count > 1 }
            if different.count == 1 { for name in names { found.insert(name[different[0]]) } }
        }
    }
    return found
}

/// The one side that a name speaks of; `nil` when it speaks of none or of several.
func side(of name: String, among sides: Set<String>) -> String? {
    let named = Set(tokens(name)).intersection(sides)
    return named.count == 1 ? named.first : nil
}

/// A name of a file or variable that holds a credential.
func isCredentialName(_ name: String) -> Bool {
    let lower = name.lowercased()
    return ["kubeconfig", "talosconfig", "secret", "credential", "password", ".pem", ".key", "token"].contains { lower.contains($0) }
}

func isSecretName(_ name: String) -> Bool {
    let parts = tokens(name)
    if !Set(parts).isDisjoint(with: ["token", "password", "passwd", "pwd", "secret", "passphrase"]) { return true }
    let pairs = zip(parts, parts.dropFirst()).map { "\($0)_\($1)" }
    return !Set(pairs).isDisjoint(with: ["private_key", "api_key", "access_key", "client_key", "signing_key", "secret_key"])
}

/// Every IPv4 address within a text; ranges are none.
func addresses(in text: String) -> [IPAddress] {
    let words = text.split { !($0.isNumber || $0 == "." || $0 == "/") }
    return words.compactMap { word in
        // `10.0.0.0/8` is a range, `//10.0.0.1` and `10.0.0.1/path` are parts of web addresses.
        let parts = word.split(separator: "/", omittingEmptySubsequences: false)
        if parts.count == 2, !parts[0].isEmpty, !parts[1].isEmpty { return nil }
        return parts.first { $0.split(separator: ".").count == 4 }.flatMap { IPAddress(String($0)) }
    }
}

/// Addresses of the web within a text.
func webAddresses(in text: String) -> [Substring] {
    guard text.contains("://") else { return [] }
    return text.split {
        $0 == " " || $0 == "\n" || $0 == "\"" || $0 == "'" || $0 == "\t" || $0 == "\r" || $0 == "<" || $0 == ">" || $0 == ","
    }.filter {
        $0.contains("://")
    }
}

/// Whether what is behind an address may be another thing tomorrow.
func moves(_ address: Substring) -> Bool {
    address.split { "/:@?=&".contains($0) }.contains { ["main", "master", "latest", "HEAD"].contains($0) }
}

extension Sequence {
    /// The first element for each key, in order.
    func firsts<Key: Hashable>(by key: (Element) -> Key) -> [Element] {
        var seen: Set<Key> = []
        return filter { seen.insert(key($0)).inserted }
    }
}
