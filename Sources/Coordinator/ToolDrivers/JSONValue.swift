// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import MeshModel

/// JSON of outside tools: any shape, looked into by key, never trusted to have one. `HelmValue` is the tree.
enum JSON {
    /// Bytes of JSON larger than this are not read.
    static let longest = 64 << 20

    static func decode(_ bytes: [UInt8]) -> HelmValue? {
        guard bytes.count <= longest else { return nil }
        return try? JSONDecoder().decode(HelmValue.self, from: Data(bytes))
    }

    static func encode(_ value: HelmValue) throws -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return Array(try encoder.encode(value))
    }

    static func base64(_ bytes: [UInt8]) -> String { Data(bytes).base64EncodedString() }
    static func unbase64(_ text: String) -> [UInt8]? { Data(base64Encoded: text).map { Array($0) } }
}

extension HelmValue {
    subscript(key: String) -> HelmValue? {
        if case .map(let map) = self { map[key] } else { nil }
    }
    /// A path of keys.
    subscript(path: String...) -> HelmValue? {
        path.reduce(Optional(self)) { $0?[$1] }
    }
    var string: String? { if case .string(let text) = self { text } else { nil } }
    /// A whole number; Go writes some as strings.
    var integer: Int? {
        switch self {
        case .integer(let value): Int(exactly: value)
        case .string(let text): Int(text)
        case .null, .bool, .number, .list, .map: nil
        }
    }
    var bool: Bool? { if case .bool(let value) = self { value } else { nil } }
    var list: [HelmValue] { if case .list(let list) = self { list } else { [] } }
    var map: [String: HelmValue] { if case .map(let map) = self { map } else { [:] } }
    var isMap: Bool { if case .map = self { true } else { false } }
    var isList: Bool { if case .list = self { true } else { false } }
    var stringMap: [String: String] { map.compactMapValues(\.string) }
}
