// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import MeshModel

/// Checks of single fields, each with the place for the message. What passed here is never checked again, so the bounds that keep later
/// arithmetic from overflowing are here too.
enum WireField {
    /// Up to the end of the year 9999.
    static let latest: Int64 = 253_402_300_799_999
    /// Three hundred years in milliseconds.
    static let longest: Int64 = 9_467_280_000_000
    /// The longest text of one field in bytes.
    static let longestText = 4096

    static func text(_ value: String, _ place: String, limit: Int = longestText) throws(WireError) -> String {
        guard value.utf8.count <= limit else {
            throw .badField(place: place, problem: "the text has \(value.utf8.count) bytes and at most \(limit) are taken")
        }
        return value
    }

    static func id<ID: Identifier>(_ value: String, _ place: String) throws(WireError) -> ID {
        guard let id = ID(value) else { throw .badField(place: place, problem: "not \(ID.grammar)") }
        return id
    }

    static func value<Value: TextualValue>(_ text: String, _ place: String) throws(WireError) -> Value {
        guard text.utf8.count <= 64, let value = Value(text) else { throw .badField(place: place, problem: "not \(Value.form)") }
        return value
    }

    static func named<Name: RawRepresentable<String>>(_ text: String, _ place: String) throws(WireError) -> Name {
        guard let name = Name(rawValue: text) else {
            throw .badField(place: place, problem: "a word that this version does not know; upgrade the older side")
        }
        return name
    }

    static func digest(_ bytes: Data, _ place: String) throws(WireError) -> Digest {
        guard let digest = Digest(Array(bytes)) else { throw .badField(place: place, problem: "\(bytes.count) bytes instead of 32") }
        return digest
    }

    static func time(_ milliseconds: Int64, _ place: String) throws(WireError) -> Timestamp {
        guard (0...latest).contains(milliseconds) else { throw .badField(place: place, problem: "a time outside 1970 to 9999") }
        return Timestamp(milliseconds: milliseconds)
    }

    static func span(_ milliseconds: Int64, _ place: String) throws(WireError) -> TimeSpan {
        guard (0...longest).contains(milliseconds) else { throw .badField(place: place, problem: "a negative or absurd duration") }
        return TimeSpan(.milliseconds(milliseconds))
    }

    /// A count of bytes or a place on a disk.
    static func size(_ value: UInt64, _ place: String) throws(WireError) -> UInt64 {
        guard value < 1 << 62 else { throw .badField(place: place, problem: "larger than any disk") }
        return value
    }

    static func percent(_ value: UInt32, _ place: String) throws(WireError) -> Int {
        guard value <= 100 else { throw .badField(place: place, problem: "\(value) is no share in percent") }
        return Int(value)
    }

    /// A number that must lie in `range`.
    static func within(_ range: ClosedRange<Int>, _ value: UInt32, _ place: String) throws(WireError) -> Int {
        guard range.contains(Int(value)) else {
            throw .badField(place: place, problem: "\(value) is not in \(range.lowerBound) to \(range.upperBound)")
        }
        return Int(value)
    }

    static func port(_ value: UInt32, _ place: String) throws(WireError) -> UInt16 {
        guard let port = UInt16(exactly: value), port > 0 else { throw .badField(place: place, problem: "\(value) is not a port") }
        return port
    }

    /// Every item with its own place; more than `limit` items are refused before any is looked at.
    static func list<Item, Value>(
        _ items: [Item], _ place: String, limit: Int, _ decode: (Item, String) throws(WireError) -> Value
    ) throws(WireError) -> [Value] {
        guard items.count <= limit else { throw .badField(place: place, problem: "\(items.count) items, and at most \(limit) are taken") }
        var values: [Value] = []
        values.reserveCapacity(items.count)
        for (index, item) in items.enumerated() { values.append(try decode(item, "\(place)[\(index)]")) }
        return values
    }

    static func texts(_ items: [String], _ place: String, limit: Int = 1024) throws(WireError) -> [String] {
        try list(items, place, limit: limit) { (item, place) throws(WireError) in try text(item, place) }
    }
}

extension TimeSpan {
    /// Whole milliseconds, as durations travel.
    var milliseconds: Int64 { duration.inMilliseconds }
}
