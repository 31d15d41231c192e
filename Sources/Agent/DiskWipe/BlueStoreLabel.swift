// SPDX-License-Identifier: Apache-2.0

package import MeshModel

/// The label that Ceph's BlueStore keeps at the head of an OSD's disk, and newer releases also at 1, 10, 100 and 1000 GiB: the copies that
/// a quick wipe forgets, and that let Rook find a disk "belongs to a different ceph cluster".
///
/// Layout (4 KiB block, little endian): 60 bytes of text (magic line, uuid line) · version u8, compat u8, length u32 · uuid 16, size u64,
/// birth time 2 x u32, description, map of texts · CRC-32C of everything before it.
package struct BlueStoreLabel: Hashable, Sendable {
    package var osdUUID: [UInt8]
    package var sizeInBytes: UInt64
    /// When the label was made.
    package var created: Timestamp
    package var description: String
    /// May hold `osd_key`, which is a secret: never shown as a whole.
    package var meta: [String: String]

    package init(osdUUID: [UInt8], sizeInBytes: UInt64, created: Timestamp, description: String, meta: [String: String]) {
        self.osdUUID = osdUUID
        self.sizeInBytes = sizeInBytes
        self.created = created
        self.description = description
        self.meta = meta
    }

    package var clusterID: String? { meta["ceph_fsid"] }
    /// The number of the OSD.
    package var osd: String? { meta["whoami"] }

    package static let blockSize = 4096
    /// Without the newline that follows, because libblkid looks no further either.
    static let magic = Array("bluestore block device".utf8)
    static let prefixLength = 60

    /// Why a block that starts like a label is not a sound one.
    package enum Damage: Error, Hashable, Sendable { case truncated, checksum, version, malformed }

    /// `nil` when the block does not begin like a label; throws when it does and is damaged. Bytes after the label are not looked at.
    package init?(parsing block: [UInt8]) throws(Damage) {
        guard block.starts(with: Self.magic) else { return nil }
        guard block.count <= Self.blockSize else { throw .malformed }
        var header = LittleEndianReader(block[...])
        guard header.take(Self.prefixLength) != nil, header.byte() != nil, let compat = header.byte(), let length = header.uint32() else {
            throw .truncated
        }
        guard compat <= 2 else { throw .version }
        guard let payload = header.take(Int(length)), let checksum = header.uint32() else { throw .truncated }
        guard CRC32C.checksum(block[..<payload.endIndex]) == checksum else { throw .checksum }
        var reader = LittleEndianReader(payload)
        guard let uuid = reader.take(16), let size = reader.uint64(), let seconds = reader.uint32(), reader.uint32() != nil,
            let description = reader.text(), let count = reader.uint32(), count <= 512
        else { throw .malformed }
        var meta: [String: String] = [:]
        for _ in 0..<count {
            guard let key = reader.text(), let value = reader.text() else { throw .malformed }
            meta[key] = value
        }
        self.init(
            osdUUID: Array(uuid), sizeInBytes: size, created: Timestamp(seconds: Int64(seconds)), description: description, meta: meta)
    }

    /// `BlueStore OSD 3 of cluster fsid 4a1c..., created 2026-01-02T03:04:05.000Z`.
    package var words: String {
        let who = osd.map { " OSD \(plainWords($0, limit: 12))" } ?? " device"
        let cluster = clusterID.map { " of cluster fsid \(plainWords($0, limit: 40))" } ?? ""
        return "BlueStore\(who)\(cluster), created \(created)"
    }
}

/// Reads forward through bytes; `nil` once they run out.
struct LittleEndianReader {
    private var rest: ArraySlice<UInt8>
    init(_ bytes: ArraySlice<UInt8>) { rest = bytes }

    mutating func take(_ count: Int) -> ArraySlice<UInt8>? {
        guard count >= 0, count <= rest.count else { return nil }
        defer { rest = rest.dropFirst(count) }
        return rest.prefix(count)
    }
    mutating func byte() -> UInt8? { rest.popFirst() }
    mutating func uint32() -> UInt32? { take(4).map { UInt32(truncatingIfNeeded: Self.number($0)) } }
    mutating func uint64() -> UInt64? { take(8).map(Self.number) }
    /// Length u32, then that many bytes.
    mutating func text() -> String? { uint32().flatMap { take(Int($0)) }.map { String(decoding: $0, as: UTF8.self) } }

    private static func number(_ bytes: ArraySlice<UInt8>) -> UInt64 { bytes.reversed().reduce(0) { $0 << 8 | UInt64($1) } }
}
