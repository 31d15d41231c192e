// SPDX-License-Identifier: Apache-2.0

/// Reads protobuf fields one after the other from bytes that anybody may have written. Never reads outside of its range.
package struct ProtoReader {
    /// How a value is written.
    package enum WireType: UInt8, Sendable {
        case varint = 0
        case fixed64 = 1
        case block = 2
        case fixed32 = 5
    }

    /// One field: its number and its value. `number` holds varints and fixed widths, `range` the place of a block.
    package struct Field {
        package var id: UInt64
        package var type: WireType
        package var number: UInt64
        package var range: Range<Int>
    }

    let bytes: UnsafeRawBufferPointer
    private(set) var position: Int
    let end: Int
    let name: String

    /// Reads `range`, which must lie in `bytes`.
    package init(_ bytes: UnsafeRawBufferPointer, in range: Range<Int>, of name: String) {
        precondition(range.lowerBound >= 0 && range.upperBound <= bytes.count)
        self.bytes = bytes
        position = range.lowerBound
        end = range.upperBound
        self.name = name
    }

    /// The next field, or `nil` at the end.
    package mutating func next() throws(TelemetryFault) -> Field? {
        guard position < end else { return nil }
        let key = try varint()
        guard let type = WireType(rawValue: UInt8(key & 7)), key >> 3 > 0, key >> 3 < 1 << 29 else { throw .notProtobuf(name) }
        var field = Field(id: key >> 3, type: type, number: 0, range: position..<position)
        switch type {
        case .varint: field.number = try varint()
        case .fixed64: field.number = try fixed(8)
        case .fixed32: field.number = try fixed(4)
        case .block:
            let length = try varint()
            guard length <= UInt64(end - position) else { throw .notProtobuf(name) }
            field.range = position..<position + Int(length)
            position += Int(length)
        }
        return field
    }

    private mutating func varint() throws(TelemetryFault) -> UInt64 {
        var (value, shift): (UInt64, UInt64) = (0, 0)
        while position < end, shift < 64 {
            let byte = bytes[position]
            position += 1
            value |= UInt64(byte & 0x7f) << shift
            if byte < 0x80 { return value }
            shift += 7
        }
        throw .notProtobuf(name)
    }

    private mutating func fixed(_ width: Int) throws(TelemetryFault) -> UInt64 {
        guard end - position >= width else { throw .notProtobuf(name) }
        var value: UInt64 = 0
        for index in 0..<width { value |= UInt64(bytes[position + index]) << UInt64(8 * index) }
        position += width
        return value
    }
}
