// SPDX-License-Identifier: Apache-2.0

import MeshModel
import MeshSystem

/// The values of one service: what the catalogue and mesh.yaml say, and secrets read at the last moment from where they are kept.
struct ServiceValues: Sendable {
    let service: MeshSpec.Service
    let tools: Toolbox

    /// With the secrets in. For a file of mode 0600 and for comparing, never for a message.
    func complete() throws -> [String: HelmValue] {
        var values = service.chartValues
        for (key, reference) in (service.secretValues ?? [:]).sorted(by: { $0.key < $1.key }) {
            values = HelmValue.merge(values, Self.nested(key, .string(try read(reference, key: key))))
        }
        return values
    }

    /// The secret texts themselves, so that they can be taken out of what others say.
    func secrets() throws -> [String] {
        try (service.secretValues ?? [:]).sorted { $0.key < $1.key }.map { try read($0.value, key: $0.key) }
    }

    private func read(_ reference: MeshSpec.Service.SecretReference, key: String) throws -> String {
        try tools.secret(reference, key: key)
    }

    /// `a.b.c` as nested maps; `\.` is a dot within a key, as Helm's `--set` has it.
    static func nested(_ key: String, _ value: HelmValue) -> [String: HelmValue] {
        var parts = [""]
        var escaped = false
        for character in key {
            if escaped || (character != "\\" && character != ".") {
                parts[parts.count - 1].append(character)
                escaped = false
            } else if character == "\\" {
                escaped = true
            } else {
                parts.append("")
            }
        }
        let last = parts.removeLast()
        return parts.reversed().reduce([last: value]) { inner, part in [part: .map(inner)] }
    }

    /// Where two trees of values differ, as dotted keys, at most ten. What is null is as good as absent: Helm drops it.
    static func differences(planned: HelmValue, installed: HelmValue) -> [String] {
        var found: [String] = []
        compare(planned, installed, "", &found)
        return found.count > 10 ? found.prefix(10) + ["and \(found.count - 10) more"] : found
    }

    private static func compare(_ planned: HelmValue, _ installed: HelmValue, _ key: String, _ found: inout [String]) {
        guard let left = branches(planned), let right = branches(installed), planned != .null || installed != .null else {
            if !same(planned, installed) { found.append(key.isEmpty ? "values" : "value \(key)") }
            return
        }
        for name in Set(left.keys).union(right.keys).sorted() {
            compare(left[name] ?? .null, right[name] ?? .null, key.isEmpty ? name : key + "." + name, &found)
        }
    }

    /// What is not there has no branches; `nil` for a leaf.
    private static func branches(_ value: HelmValue) -> [String: HelmValue]? {
        switch value {
        case .map(let map): map
        case .null: [:]
        default: nil
        }
    }

    /// Helm reads numbers as floating point and writes them back as it likes; a map without entries is no map.
    private static func same(_ left: HelmValue, _ right: HelmValue) -> Bool {
        switch (left, right) {
        case (.integer(let a), .number(let b)), (.number(let b), .integer(let a)): Double(a) == b
        case (.list(let a), .list(let b)): a.count == b.count && zip(a, b).allSatisfy { differences(planned: $0, installed: $1).isEmpty }
        default: left == right
        }
    }
}

extension Toolbox {
    /// The text that mesh.yaml keeps elsewhere. `key`: what it is for, for the message.
    func secret(_ reference: MeshSpec.Service.SecretReference, key: String) throws -> String {
        switch reference {
        case .environment(let name):
            guard let text = variable(name), !text.isEmpty else {
                throw ServiceError.secret(key: key, problem: "is to come from \(name), which is not set for the coordinator")
            }
            return text
        case .file(let path):
            guard let bytes = try files.read(absolute(path), limit: 1 << 20) else {
                throw ServiceError.secret(key: key, problem: "is to come from \(absolute(path)), which is not there")
            }
            let text = String(decoding: bytes, as: UTF8.self)
            return text.hasSuffix("\n") ? String(text.dropLast()) : text
        }
    }
}
