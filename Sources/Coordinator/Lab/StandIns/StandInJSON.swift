// SPDX-License-Identifier: Apache-2.0

internal import FoundationEssentials
package import MeshModel

/// Lets the stand-ins write objects of an API the way they look.
extension HelmValue: ExpressibleByStringInterpolation, ExpressibleByBooleanLiteral, ExpressibleByIntegerLiteral {
    package init(stringLiteral value: String) { self = .string(value) }
    package init(booleanLiteral value: Bool) { self = .bool(value) }
    package init(integerLiteral value: Int64) { self = .integer(value) }
}

extension HelmValue: ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral {
    package init(arrayLiteral elements: HelmValue...) { self = .list(elements) }
    package init(dictionaryLiteral elements: (String, HelmValue)...) {
        self = .map(Dictionary(elements, uniquingKeysWith: { _, last in last }))
    }
}

extension HelmValue {
    static func count(_ number: Int) -> HelmValue { .integer(Int64(number)) }

    /// A path of keys. Setting makes the maps on the way; setting `nil` removes the last key.
    subscript(path: String...) -> HelmValue? {
        get { path.reduce(Optional(self)) { value, key in if case .map(let map) = value { map[key] } else { nil } } }
        set { set(newValue, at: path[...]) }
    }

    private mutating func set(_ value: HelmValue?, at path: ArraySlice<String>) {
        guard let key = path.first else {
            self = value ?? .null
            return
        }
        var map = entries
        if path.count == 1 {
            map[key] = value
        } else {
            var child = map[key] ?? .map([:])
            child.set(value, at: path.dropFirst())
            map[key] = child
        }
        self = .map(map)
    }

    /// Sets by a dotted path, as `--set a.b=c` does.
    mutating func set(_ value: HelmValue, atDotted path: String) { set(value, at: path.split(separator: ".").map(String.init)[...]) }

    var text: String? { if case .string(let text) = self { text } else { nil } }
    var truth: Bool? { if case .bool(let value) = self { value } else { nil } }
    var elements: [HelmValue] { if case .list(let list) = self { list } else { [] } }
    var entries: [String: HelmValue] { if case .map(let map) = self { map } else { [:] } }
    var number: Int? {
        switch self {
        case .integer(let value): Int(exactly: value)
        case .string(let text): Int(text)
        case .null, .bool, .number, .list, .map: nil
        }
    }
    /// What stands in a ConfigMap: everything is text there.
    var plain: String? {
        switch self {
        case .string(let text): text
        case .bool(let value): String(value)
        case .integer(let value): String(value)
        case .number(let value): String(value)
        case .null, .list, .map: nil
        }
    }

    /// `over` wins; maps are merged, everything else is replaced. With `nullRemoves` this is a JSON merge patch (RFC 7396).
    func merged(with over: HelmValue, nullRemoves: Bool = false) -> HelmValue {
        guard case .map(let patch) = over else { return over }
        var result = entries
        for (key, value) in patch {
            if nullRemoves, value == .null {
                result[key] = nil
            } else {
                result[key] = (result[key] ?? .null).merged(with: value, nullRemoves: nullRemoves)
            }
        }
        return .map(result)
    }
}

/// JSON in and out.
enum StandInJSON {
    static func decode(_ bytes: [UInt8]) -> HelmValue? { try? JSONDecoder().decode(HelmValue.self, from: Data(bytes)) }

    static func encode(_ value: HelmValue, pretty: Bool = false) throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        if pretty { encoder.outputFormatting.insert(.prettyPrinted) }
        return String(decoding: try encoder.encode(value), as: UTF8.self)
    }

    static func base64(_ text: some Collection<UInt8>) -> String { Data(text).base64EncodedString() }
    static func base64(_ text: String) -> String { base64(Array(text.utf8)) }
    static func unbase64(_ text: String) -> [UInt8]? { Data(base64Encoded: text).map { Array($0) } }
}
