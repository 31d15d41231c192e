// SPDX-License-Identifier: Apache-2.0

internal import MeshModel
internal import MeshTrust

/// One event of the replay store: 256 bytes, chained by SHA-256.
///
///     0 magic 8 · 8 kind u8 · 9 zero 7 · 16 number u64 · 24 wall time i64 (ms) · 32 id 16 · 48 diskseq u64 · 56 offset u64 · 64 boot id 64
///     128 zero 64 · 192 hash of the record before 32 · 224 hash of bytes 0..<224
struct ReplayRecord: Hashable, Sendable {
    enum Kind: UInt8, Hashable, Sendable { case armed = 1, claimed, done, failed, interrupted }

    var kind: Kind
    var number: UInt64
    var time: Timestamp
    /// The warrant's id; of `armed` the random id of this installation.
    var id: WarrantID
    var sequence: UInt64 = 0
    /// How many bytes were certainly written when it ended.
    var offset: UInt64 = 0
    var boot: String = ""
    var previous: Digest

    static let size = 256
    static let unknownOffset = UInt64.max
    private static let magic = Array("MGWIPE1\n".utf8)

    /// The bytes, whose last 32 are the record's own hash.
    var encoded: [UInt8] {
        var bytes = Self.magic + [kind.rawValue] + [UInt8](repeating: 0, count: 7)
        bytes += Self.bigEndian(number) + Self.bigEndian(UInt64(bitPattern: time.milliseconds))
        bytes += decodeHex(id.text) ?? []
        bytes += Self.bigEndian(sequence) + Self.bigEndian(offset)
        bytes += Array(boot.utf8.prefix(64)) + [UInt8](repeating: 0, count: max(0, 64 - boot.utf8.count))
        bytes += [UInt8](repeating: 0, count: 64) + previous.bytes
        return bytes + Digest.sha256(bytes).bytes
    }

    static func hash(of bytes: [UInt8]) -> Digest? { Digest(Array(bytes.suffix(32))) }

    /// `nil` when any byte is not as `encoded` writes it.
    init?(_ bytes: [UInt8]) {
        guard bytes.count == Self.size, let kind = Kind(rawValue: bytes[8]), let previous = Digest(Array(bytes[192..<224])),
            let id = WarrantID(encodeHex(bytes[32..<48]))
        else { return nil }
        self.init(
            kind: kind, number: Self.number(bytes[16..<24]), time: Timestamp(milliseconds: Int64(bitPattern: Self.number(bytes[24..<32]))),
            id: id, previous: previous)
        sequence = Self.number(bytes[48..<56])
        offset = Self.number(bytes[56..<64])
        boot = String(decoding: bytes[64..<128].prefix { $0 != 0 }, as: UTF8.self)
        guard encoded == bytes else { return nil }
    }

    init(kind: Kind, number: UInt64, time: Timestamp, id: WarrantID, previous: Digest) {
        self.kind = kind
        self.number = number
        self.time = time
        self.id = id
        self.previous = previous
    }

    private static func bigEndian(_ value: UInt64) -> [UInt8] { withUnsafeBytes(of: value.bigEndian, Array.init) }
    private static func number(_ bytes: ArraySlice<UInt8>) -> UInt64 { bytes.reduce(0) { $0 << 8 | UInt64($1) } }
}
