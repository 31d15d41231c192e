// SPDX-License-Identifier: Apache-2.0

/// Writes protobuf fields by hand: events are too many for a general encoder, and other programs shall still be able to read them.
package struct ProtoWriter: Sendable {
    package var bytes: [UInt8] = []

    package init() {}

    /// A number in as few bytes as it needs.
    package mutating func varint(_ value: UInt64) {
        var rest = value
        while rest >= 0x80 {
            bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(truncatingIfNeeded: rest))
    }

    /// What comes before each value: its field and its type.
    package mutating func tag(_ field: UInt64, _ type: ProtoReader.WireType) { varint(field << 3 | UInt64(type.rawValue)) }

    /// Left out when zero, as proto3 does.
    package mutating func number(_ field: UInt64, _ value: UInt64) {
        guard value != 0 else { return }
        tag(field, .varint)
        varint(value)
    }

    /// Eight bytes; left out when zero, unless the zero means something.
    package mutating func fixed64(_ field: UInt64, _ value: UInt64, always: Bool = false) {
        guard value != 0 || always else { return }
        tag(field, .fixed64)
        withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
    }

    /// Bytes or a text; left out when empty.
    package mutating func block(_ field: UInt64, _ value: some Collection<UInt8>) {
        guard !value.isEmpty else { return }
        tag(field, .block)
        varint(UInt64(value.count))
        bytes.append(contentsOf: value)
    }

    /// A message inside a message; an empty one is written too, so that it counts as an item.
    package mutating func message(_ field: UInt64, _ write: (inout ProtoWriter) -> Void) {
        var inner = ProtoWriter()
        write(&inner)
        tag(field, .block)
        varint(UInt64(inner.bytes.count))
        bytes.append(contentsOf: inner.bytes)
    }
}
