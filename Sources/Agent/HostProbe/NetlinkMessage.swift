// SPDX-License-Identifier: Apache-2.0

/// Why bytes are not netlink.
package enum NetlinkFault: Error, Hashable, Sendable, CustomStringConvertible {
    case truncated(what: String, wanted: Int, found: Int)
    case badLength(what: String, length: Int, room: Int)
    case badValue(what: String, found: String)

    package var description: String {
        switch self {
        case .truncated(let what, let wanted, let found): "the \(what) needs \(wanted) bytes and has \(found)"
        case .badLength(let what, let length, let room): "the \(what) claims \(length) bytes where \(room) are left"
        case .badValue(let what, let found): "the \(what) is \"\(found.prefix(60))\""
        }
    }
}

/// A piece of a datagram, read in the machine's byte order and never past its end.
struct NetlinkBytes {
    let bytes: ArraySlice<UInt8>
    var count: Int { bytes.count }

    func number<Number: FixedWidthInteger>(at offset: Int, as type: Number.Type, in what: String) throws(NetlinkFault) -> Number {
        let size = Number.bitWidth / 8
        guard offset >= 0, count - offset >= size else { throw .truncated(what: what, wanted: offset + size, found: count) }
        let start = bytes.startIndex + offset
        return bytes[start..<start + size].reversed().reduce(Number.zero) { $0 << 8 | Number(truncatingIfNeeded: $1) }.hostOrder
    }

    func from(_ offset: Int, in what: String) throws(NetlinkFault) -> NetlinkBytes {
        guard count >= offset else { throw .truncated(what: what, wanted: offset, found: count) }
        return NetlinkBytes(bytes: bytes.dropFirst(offset))
    }

    /// Text up to the first NUL; at most `limit` bytes and not empty.
    func text(limit: Int, in what: String) throws(NetlinkFault) -> String {
        let content = bytes.prefix { $0 != 0 }
        guard (1...limit).contains(content.count) else { throw .badLength(what: what, length: content.count, room: limit) }
        return String(decoding: content, as: UTF8.self)
    }
}

extension FixedWidthInteger {
    /// The bytes were folded as little endian; on a big-endian machine that is the swapped value.
    fileprivate var hostOrder: Self { Self(littleEndian: self) }
}

/// One netlink message: type, flags, sequence and what follows the header.
struct NetlinkMessage {
    let type: UInt16
    let flags: UInt16
    let sequence: UInt32
    let payload: NetlinkBytes

    /// Every message of one datagram; refuses the datagram when one length in it is wrong.
    static func parse(_ datagram: ArraySlice<UInt8>) throws(NetlinkFault) -> [NetlinkMessage] {
        var messages: [NetlinkMessage] = []
        var rest = datagram
        while !rest.isEmpty {
            let head = NetlinkBytes(bytes: rest)
            let length = Int(try head.number(at: 0, as: UInt32.self, in: "message header"))
            guard length >= 16, length <= rest.count else { throw .badLength(what: "message", length: length, room: rest.count) }
            messages.append(
                NetlinkMessage(
                    type: try head.number(at: 4, as: UInt16.self, in: "message header"),
                    flags: try head.number(at: 6, as: UInt16.self, in: "message header"),
                    sequence: try head.number(at: 8, as: UInt32.self, in: "message header"),
                    payload: NetlinkBytes(bytes: rest.dropFirst(16).prefix(length - 16))))
            rest = rest.dropFirst(aligned(length))
        }
        return messages
    }
}

/// One attribute: its type without the nested and byte-order marks, and its value.
struct NetlinkAttribute {
    let type: UInt16
    let value: NetlinkBytes

    /// Every attribute in `area`; refuses it when one length in it is wrong.
    static func parse(_ area: NetlinkBytes, in what: String) throws(NetlinkFault) -> [NetlinkAttribute] {
        var attributes: [NetlinkAttribute] = []
        var rest = area.bytes
        while !rest.isEmpty {
            let head = NetlinkBytes(bytes: rest)
            let length = Int(try head.number(at: 0, as: UInt16.self, in: what))
            let type = try head.number(at: 2, as: UInt16.self, in: what) & 0x3fff
            guard length >= 4, length <= rest.count else { throw .badLength(what: what, length: length, room: rest.count) }
            attributes.append(NetlinkAttribute(type: type, value: NetlinkBytes(bytes: rest.dropFirst(4).prefix(length - 4))))
            rest = rest.dropFirst(aligned(length))
        }
        return attributes
    }
}

extension [NetlinkAttribute] {
    /// The first value of a type.
    subscript(_ type: UInt16) -> NetlinkBytes? { first { $0.type == type }?.value }
}

func aligned(_ length: Int) -> Int { (length + 3) & ~3 }
