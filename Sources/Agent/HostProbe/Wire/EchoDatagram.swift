// SPDX-License-Identifier: Apache-2.0

import MeshModel

/// What probing nodes say to each other in UDP: a question with a token, and an answer that is never longer than its question.
///
///      0  "MGE1"
///      4  1 full question, 2 brief question, 3 answer
///      5  0
///      6  size of the IP packet that the question makes (16 bits, big endian)
///      8  nonce of the asking side (8 bytes)
///     16  sequence number (32 bits, big endian)
///     20  in a question the token (32 bytes); in an answer the sender as it was seen: address (16 bytes, IPv4 mapped), port, zeroes
///     52  zeroes up to the size
///
/// A full question is answered with as many bytes as it has, so that both directions are tried; a brief one with the head alone.
struct EchoDatagram: Hashable, Sendable {
    enum Kind: UInt8, Hashable, Sendable { case full = 1, brief, answer }
    static let headLength = 52
    private static let magic = Array("MGE1".utf8)

    var kind: Kind
    /// Of the IP packet, in bytes.
    var size: UInt16
    var nonce: UInt64
    var sequence: UInt32
    /// The token of a question, or in an answer who asked.
    var rest: [UInt8]

    /// A question as it is sent over IP of `family`.
    func bytes(_ family: IPAddress.Family) -> [UInt8] {
        head + Array(repeating: 0, count: max(0, Int(size) - PathTarget.headers(family) - Self.headLength))
    }

    private var head: [UInt8] {
        precondition(rest.count == 32, "a token has 32 bytes")
        return Self.magic + [kind.rawValue, 0] + Self.big(size) + Self.big(nonce) + Self.big(sequence) + rest
    }

    /// The answer to this question, from `received` bytes; `nil` when none is due: this is an answer itself.
    func answer(to address: IPAddress, _ port: UInt16, received: Int) -> [UInt8]? {
        guard kind != .answer else { return nil }
        var answer = self
        answer.kind = .answer
        answer.rest = Self.mapped(address) + Self.big(port) + Array(repeating: 0, count: 14)
        return answer.head + Array(repeating: 0, count: kind == .full ? received - Self.headLength : 0)
    }

    /// In an answer: as whom the other end saw us.
    var seen: IPAddress? {
        guard kind == .answer else { return nil }
        let isMapped = rest.prefix(12).elementsEqual(Self.mappedPrefix)
        let value = rest.prefix(16).reduce(UInt128(0)) { $0 << 8 | UInt128($1) }
        return isMapped ? IPAddress(family: .v4, value: value & 0xffff_ffff) : IPAddress(family: .v6, value: value)
    }

    /// `nil` for anything that is not whole; what comes after the head is not looked at.
    init?(_ bytes: some RandomAccessCollection<UInt8>) {
        guard bytes.count >= Self.headLength else { return nil }
        let head = Array(bytes.prefix(Self.headLength))
        guard head.prefix(4).elementsEqual(Self.magic), let kind = Kind(rawValue: head[4]), head[5] == 0 else { return nil }
        self.init(
            kind: kind, size: UInt16(Self.number(head[6..<8])), nonce: Self.number(head[8..<16]),
            sequence: UInt32(Self.number(head[16..<20])), rest: Array(head[20...]))
    }

    init(kind: Kind, size: UInt16, nonce: UInt64, sequence: UInt32, rest: [UInt8]) {
        self.kind = kind
        self.size = size
        self.nonce = nonce
        self.sequence = sequence
        self.rest = rest
    }

    private static let mappedPrefix: [UInt8] = Array(repeating: 0, count: 10) + [0xff, 0xff]

    private static func mapped(_ address: IPAddress) -> [UInt8] {
        address.family == .v4 ? mappedPrefix + address.octets : address.octets
    }

    private static func number(_ bytes: some Sequence<UInt8>) -> UInt64 { bytes.reduce(0) { $0 << 8 | UInt64($1) } }

    private static func big<Value: FixedWidthInteger>(_ value: Value) -> [UInt8] { withUnsafeBytes(of: value.bigEndian, Array.init) }
}

extension IPAddress {
    /// 4 or 16 bytes in the order of the network.
    var octets: [UInt8] { (0..<bits / 8).reversed().map { UInt8(truncatingIfNeeded: value >> ($0 * 8)) } }

    init(octets: some Collection<UInt8>, _ family: Family) {
        self.init(family: family, value: octets.reduce(UInt128(0)) { $0 << 8 | UInt128($1) })
    }
}
