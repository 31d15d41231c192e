// SPDX-License-Identifier: Apache-2.0

import MeshModel

/// What probing nodes say to each other behind an ARP packet, about VLAN tags: a question with a token, and an answer of the same length.
///
///      0  "MGV1"
///      4  1 question sent with the tag, 2 question sent without, 3 answer
///      5  of an answer, how many tags the question had when it came (2 stands for more, too)
///      6  the VLAN that is asked about (16 bits, big endian, here and below)
///      8  nonce of the asking side (8 bytes)
///     16  sequence number (32 bits)
///     20  in a question the token (32 bytes); in an answer the tags of the question, the outer one first, and zeroes
///
/// The answer is tagged as its question was meant to be, whatever became of the question's tag on the way.
struct TagProbe: Hashable, Sendable {
    enum Kind: UInt8, Hashable, Sendable { case tagged = 1, untagged, answer }
    static let length = 52
    private static let magic = Array("MGV1".utf8)
    private static let mostTags = 2

    var kind: Kind
    var vlan: Int
    var nonce: UInt64
    var sequence: UInt32
    /// Of a question.
    var token: [UInt8] = []
    /// Of an answer.
    var seen: [Int] = []

    var bytes: [UInt8] {
        let seen = self.seen.prefix(Self.mostTags)
        let rest = kind == .answer ? seen.flatMap { Self.big(UInt16($0)) } : Array(token.prefix(32))
        return Self.magic + [kind.rawValue, kind == .answer ? UInt8(seen.count) : 0] + Self.big(UInt16(vlan)) + Self.big(nonce)
            + Self.big(sequence) + rest + Array(repeating: 0, count: 32 - rest.count)
    }

    /// `nil` for what is not whole or makes no sense; what comes after it is the frame's padding.
    init?(_ bytes: [UInt8]) {
        guard bytes.count >= Self.length, bytes.starts(with: Self.magic), let kind = Kind(rawValue: bytes[4]) else { return nil }
        let vlan = Int(Self.number(bytes[6..<8]))
        let tags = Int(bytes[5])
        guard VLANTarget.ids.contains(vlan), tags <= Self.mostTags, kind == .answer || tags == 0 else { return nil }
        self.init(kind: kind, vlan: vlan, nonce: Self.number(bytes[8..<16]), sequence: UInt32(Self.number(bytes[16..<20])))
        if kind == .answer {
            seen = (0..<tags).map { Int(Self.number(bytes[20 + $0 * 2..<22 + $0 * 2])) }
            guard seen.allSatisfy(VLANTarget.ids.contains) else { return nil }
        } else {
            token = Array(bytes[20..<52])
        }
    }

    init(kind: Kind, vlan: Int, nonce: UInt64, sequence: UInt32, token: [UInt8] = [], seen: [Int] = []) {
        self.kind = kind
        self.vlan = vlan
        self.nonce = nonce
        self.sequence = sequence
        self.token = token
        self.seen = seen
    }

    /// To a question that came with `tags`.
    func answer(seen tags: [Int]) -> TagProbe { TagProbe(kind: .answer, vlan: vlan, nonce: nonce, sequence: sequence, seen: tags) }

    private static func number(_ bytes: some Sequence<UInt8>) -> UInt64 { bytes.reduce(0) { $0 << 8 | UInt64($1) } }
    private static func big<Value: FixedWidthInteger>(_ value: Value) -> [UInt8] { withUnsafeBytes(of: value.bigEndian, Array.init) }
}
