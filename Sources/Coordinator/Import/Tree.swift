// SPDX-License-Identifier: Apache-2.0

import MeshModel

/// Trees of other tools: any shape, looked into by key, never trusted to have one.
extension HelmValue {
    subscript(key: String) -> HelmValue? { if case .map(let map) = self { map[key] } else { nil } }
    /// A path of keys; a list with one item is looked through, as Terraform writes nested blocks as lists.
    subscript(path: String...) -> HelmValue? {
        path.reduce(Optional(self)) { value, key in
            if case .list(let items)? = value { items.first?[key] } else { value?[key] }
        }
    }
    /// At most 4 KiB: names and addresses are shorter, and secrets in one piece are longer.
    var text: String? { if case .string(let text) = self, !text.isEmpty, text.utf8.count <= 4096 { text } else { nil } }
    var number: Int? {
        switch self {
        case .integer(let value): Int(exactly: value)
        case .number(let value): Int(exactly: value)
        case .string(let text): Int(text)
        case .null, .bool, .list, .map: nil
        }
    }
    var flag: Bool? { if case .bool(let value) = self { value } else { nil } }
    var items: [HelmValue] { if case .list(let list) = self { list } else { [] } }
    var entries: [String: HelmValue] { if case .map(let map) = self { map } else { [:] } }
    var texts: [String] { items.compactMap(\.text) }
}
