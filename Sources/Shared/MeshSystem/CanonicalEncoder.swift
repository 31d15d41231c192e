// SPDX-License-Identifier: Apache-2.0

internal import FoundationEssentials
import Glibc

/// Writes what JSONEncoder writes with sorted keys and unescaped slashes, byte for byte, in less time: the journal writes one entry
/// per report of a fleet, and a plan's digest covers megabytes. A value becomes a tree of small parts, and the tree becomes bytes once.
final class CanonicalEncoder: Encoder {
    enum Part {
        case null
        case bool(Bool)
        case signed(Int64)
        case unsigned(UInt64)
        case text(String)
        /// Already JSON.
        case raw([UInt8])
        case list(List)
        case object(Object)
        /// Somebody holds the encoder and may still write with it.
        case open(CanonicalEncoder)
    }

    final class List { var parts: [Part] = [] }

    final class Object {
        /// `place` tells which of two members with one name came later.
        private(set) var members: [(key: String, place: Int, part: Part)] = []

        func put(_ part: Part, under key: String) { members.append((key, members.count, part)) }

        /// The part under `key`, for containers that are asked for twice.
        func part(_ key: String) -> Part? { members.last { $0.key == key }?.part }

        /// By the bytes of the names, as JSONEncoder has it.
        func sort() {
            members.sort { left, right in
                let order = CanonicalEncoder.compare(left.key, right.key)
                return order == 0 ? left.place < right.place : order < 0
            }
        }
    }

    /// Nobody asks: our types do not look at where they are written to.
    var codingPath: [any CodingKey] { [] }
    var userInfo: [CodingUserInfoKey: Any] { [:] }
    fileprivate(set) var part: Part?

    /// The canonical bytes of a value.
    static func encode(_ value: some Encodable) throws -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(1024)
        try part(of: value).write(to: &bytes)
        return bytes
    }

    fileprivate static func part<Value: Encodable>(of value: Value) throws -> Part {
        // Those whose JSON is not what their own `encode` says.
        if Value.self == Data.self || Value.self == Date.self || Value.self == URL.self || Value.self == Decimal.self {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.withoutEscapingSlashes]
            return .raw(Array(try encoder.encode(value)))
        }
        let encoder = CanonicalEncoder()
        try value.encode(to: encoder)
        return encoder.part ?? .object(Object())
    }

    fileprivate static func part(ofNumber number: Double) throws -> Part {
        guard number.isFinite else {
            throw EncodingError.invalidValue(number, .init(codingPath: [], debugDescription: "JSON has no \(number)"))
        }
        let text = number.description
        return .raw(Array((text.hasSuffix(".0") ? text.dropLast(2) : text[...]).utf8))
    }

    fileprivate static func part(ofNumber number: Float) throws -> Part {
        guard number.isFinite else {
            throw EncodingError.invalidValue(number, .init(codingPath: [], debugDescription: "JSON has no \(number)"))
        }
        let text = number.description
        return .raw(Array((text.hasSuffix(".0") ? text.dropLast(2) : text[...]).utf8))
    }

    fileprivate static func compare(_ left: String, _ right: String) -> Int32 {
        let order = left.utf8.withContiguousStorageIfAvailable { one in
            right.utf8.withContiguousStorageIfAvailable { other -> Int32 in
                guard let first = one.baseAddress, let second = other.baseAddress else { return Int32(clamping: one.count - other.count) }
                let order = memcmp(first, second, min(one.count, other.count))
                return order == 0 ? Int32(clamping: one.count - other.count) : order
            }
        }
        return (order ?? nil) ?? (left.utf8.lexicographicallyPrecedes(right.utf8) ? -1 : left.utf8.elementsEqual(right.utf8) ? 0 : 1)
    }

    // MARK: Encoder

    func container<Key: CodingKey>(keyedBy type: Key.Type) -> KeyedEncodingContainer<Key> {
        if case .object(let object) = part { return KeyedEncodingContainer(CanonicalObject(object: object)) }
        let object = Object()
        part = .object(object)
        return KeyedEncodingContainer(CanonicalObject(object: object))
    }

    func unkeyedContainer() -> any UnkeyedEncodingContainer {
        if case .list(let list) = part { return CanonicalList(list: list) }
        let list = List()
        part = .list(list)
        return CanonicalList(list: list)
    }

    func singleValueContainer() -> any SingleValueEncodingContainer { CanonicalValue(encoder: self) }
}

// MARK: bytes

extension CanonicalEncoder.Part {
    fileprivate func write(to bytes: inout [UInt8]) {
        switch self {
        case .null: bytes += "null".utf8
        case .bool(let value): bytes += (value ? "true" : "false").utf8
        case .signed(let number): bytes += number.description.utf8
        case .unsigned(let number): bytes += number.description.utf8
        case .text(let text): Self.write(text, to: &bytes)
        case .raw(let json): bytes += json
        case .open(let encoder): (encoder.part ?? .object(CanonicalEncoder.Object())).write(to: &bytes)
        case .list(let list):
            bytes.append(UInt8(ascii: "["))
            for (index, part) in list.parts.enumerated() {
                if index > 0 { bytes.append(UInt8(ascii: ",")) }
                part.write(to: &bytes)
            }
            bytes.append(UInt8(ascii: "]"))
        case .object(let object): Self.write(object, to: &bytes)
        }
    }

    private static func write(_ object: CanonicalEncoder.Object, to bytes: inout [UInt8]) {
        object.sort()
        bytes.append(UInt8(ascii: "{"))
        var first = true
        for (index, member) in object.members.enumerated() {
            if index + 1 < object.members.count, object.members[index + 1].key.utf8.elementsEqual(member.key.utf8) { continue }
            if !first { bytes.append(UInt8(ascii: ",")) }
            first = false
            write(member.key, to: &bytes)
            bytes.append(UInt8(ascii: ":"))
            member.part.write(to: &bytes)
        }
        bytes.append(UInt8(ascii: "}"))
    }

    private static func write(_ text: String, to bytes: inout [UInt8]) {
        bytes.append(UInt8(ascii: "\""))
        defer { bytes.append(UInt8(ascii: "\"")) }
        let plain = text.utf8.withContiguousStorageIfAvailable { utf8 in
            guard utf8.allSatisfy({ $0 >= 0x20 && $0 != UInt8(ascii: "\"") && $0 != UInt8(ascii: "\\") }) else { return false }
            bytes.append(contentsOf: utf8)
            return true
        }
        if plain == true { return }
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"): bytes += [UInt8(ascii: "\\"), byte]
            case 0x08: bytes += "\\b".utf8
            case 0x09: bytes += "\\t".utf8
            case 0x0a: bytes += "\\n".utf8
            case 0x0c: bytes += "\\f".utf8
            case 0x0d: bytes += "\\r".utf8
            case 0..<0x10: bytes += "\\u000\(String(byte, radix: 16))".utf8
            case 0x10..<0x20: bytes += "\\u00\(String(byte, radix: 16))".utf8
            default: bytes.append(byte)
            }
        }
    }
}

// MARK: containers

private struct CanonicalObject<Key: CodingKey>: KeyedEncodingContainerProtocol {
    let object: CanonicalEncoder.Object
    var codingPath: [any CodingKey] { [] }

    private func put(_ part: CanonicalEncoder.Part, _ key: some CodingKey) { object.put(part, under: key.stringValue) }

    func encodeNil(forKey key: Key) { put(.null, key) }
    func encode(_ value: Bool, forKey key: Key) { put(.bool(value), key) }
    func encode(_ value: String, forKey key: Key) { put(.text(value), key) }
    func encode(_ value: Double, forKey key: Key) throws { put(try CanonicalEncoder.part(ofNumber: value), key) }
    func encode(_ value: Float, forKey key: Key) throws { put(try CanonicalEncoder.part(ofNumber: value), key) }
    func encode(_ value: Int, forKey key: Key) { put(.signed(Int64(value)), key) }
    func encode(_ value: Int8, forKey key: Key) { put(.signed(Int64(value)), key) }
    func encode(_ value: Int16, forKey key: Key) { put(.signed(Int64(value)), key) }
    func encode(_ value: Int32, forKey key: Key) { put(.signed(Int64(value)), key) }
    func encode(_ value: Int64, forKey key: Key) { put(.signed(value), key) }
    func encode(_ value: UInt, forKey key: Key) { put(.unsigned(UInt64(value)), key) }
    func encode(_ value: UInt8, forKey key: Key) { put(.unsigned(UInt64(value)), key) }
    func encode(_ value: UInt16, forKey key: Key) { put(.unsigned(UInt64(value)), key) }
    func encode(_ value: UInt32, forKey key: Key) { put(.unsigned(UInt64(value)), key) }
    func encode(_ value: UInt64, forKey key: Key) { put(.unsigned(value), key) }
    func encode<Value: Encodable>(_ value: Value, forKey key: Key) throws { put(try CanonicalEncoder.part(of: value), key) }

    func nestedContainer<Nested: CodingKey>(keyedBy type: Nested.Type, forKey key: Key) -> KeyedEncodingContainer<Nested> {
        if case .object(let known) = object.part(key.stringValue) { return KeyedEncodingContainer(CanonicalObject<Nested>(object: known)) }
        let nested = CanonicalEncoder.Object()
        put(.object(nested), key)
        return KeyedEncodingContainer(CanonicalObject<Nested>(object: nested))
    }

    func nestedUnkeyedContainer(forKey key: Key) -> any UnkeyedEncodingContainer {
        if case .list(let known) = object.part(key.stringValue) { return CanonicalList(list: known) }
        let nested = CanonicalEncoder.List()
        put(.list(nested), key)
        return CanonicalList(list: nested)
    }

    func superEncoder() -> any Encoder { opened(under: "super") }
    func superEncoder(forKey key: Key) -> any Encoder { opened(under: key.stringValue) }

    private func opened(under name: String) -> any Encoder {
        let encoder = CanonicalEncoder()
        object.put(.open(encoder), under: name)
        return encoder
    }
}

private struct CanonicalList: UnkeyedEncodingContainer {
    let list: CanonicalEncoder.List
    var codingPath: [any CodingKey] { [] }
    var count: Int { list.parts.count }

    func encodeNil() { list.parts.append(.null) }
    func encode(_ value: Bool) { list.parts.append(.bool(value)) }
    func encode(_ value: String) { list.parts.append(.text(value)) }
    func encode(_ value: Double) throws { list.parts.append(try CanonicalEncoder.part(ofNumber: value)) }
    func encode(_ value: Float) throws { list.parts.append(try CanonicalEncoder.part(ofNumber: value)) }
    func encode<Value: Encodable>(_ value: Value) throws { list.parts.append(try CanonicalEncoder.part(of: value)) }

    func nestedContainer<Nested: CodingKey>(keyedBy type: Nested.Type) -> KeyedEncodingContainer<Nested> {
        let nested = CanonicalEncoder.Object()
        list.parts.append(.object(nested))
        return KeyedEncodingContainer(CanonicalObject<Nested>(object: nested))
    }

    func nestedUnkeyedContainer() -> any UnkeyedEncodingContainer {
        let nested = CanonicalEncoder.List()
        list.parts.append(.list(nested))
        return CanonicalList(list: nested)
    }

    func superEncoder() -> any Encoder {
        let encoder = CanonicalEncoder()
        list.parts.append(.open(encoder))
        return encoder
    }
}

private struct CanonicalValue: SingleValueEncodingContainer {
    let encoder: CanonicalEncoder
    var codingPath: [any CodingKey] { [] }

    func encodeNil() { encoder.part = .null }
    func encode(_ value: Bool) { encoder.part = .bool(value) }
    func encode(_ value: String) { encoder.part = .text(value) }
    func encode(_ value: Double) throws { encoder.part = try CanonicalEncoder.part(ofNumber: value) }
    func encode(_ value: Float) throws { encoder.part = try CanonicalEncoder.part(ofNumber: value) }
    func encode(_ value: Int) { encoder.part = .signed(Int64(value)) }
    func encode(_ value: Int8) { encoder.part = .signed(Int64(value)) }
    func encode(_ value: Int16) { encoder.part = .signed(Int64(value)) }
    func encode(_ value: Int32) { encoder.part = .signed(Int64(value)) }
    func encode(_ value: Int64) { encoder.part = .signed(value) }
    func encode(_ value: UInt) { encoder.part = .unsigned(UInt64(value)) }
    func encode(_ value: UInt8) { encoder.part = .unsigned(UInt64(value)) }
    func encode(_ value: UInt16) { encoder.part = .unsigned(UInt64(value)) }
    func encode(_ value: UInt32) { encoder.part = .unsigned(UInt64(value)) }
    func encode(_ value: UInt64) { encoder.part = .unsigned(value) }
    func encode<Value: Encodable>(_ value: Value) throws { encoder.part = try CanonicalEncoder.part(of: value) }
}
