// SPDX-License-Identifier: Apache-2.0

package import MeshModel

/// A label as a Ceph OSD leaves it on its disk, written by the Lab to have something real to find and to wipe.
///
/// Layout of the 4 KiB block (host.md section 1): a 60 byte text (magic line, uuid line); version 2 and compat 1; payload length; the payload
/// (uuid, size, birth time, description, key/value map); CRC-32C over everything before it (seed all ones, no final xor); zeros.
package struct BlueStoreLabel: Hashable, Sendable {
    package static let magic = "bluestore block device\n"
    package static let blockSize = 4096
    /// Where Ceph repeats the label of a main device, as far as the device reaches.
    package static let offsets: [UInt64] = [0, 1 << 30, 10 << 30, 100 << 30, 1000 << 30]

    /// 16 bytes.
    package var osdUUID: [UInt8]
    package var sizeInBytes: UInt64
    package var bornAt: Timestamp
    package var description: String
    package var metadata: [String: String]

    /// The label of OSD `number` of the Ceph cluster `fsid`, as Ceph Squid writes it in several places.
    package static func osd(_ number: Int, ofCluster fsid: String, uuid: [UInt8], size: UInt64, bornAt: Timestamp) -> BlueStoreLabel {
        BlueStoreLabel(
            osdUUID: uuid, sizeInBytes: size, bornAt: bornAt, description: "main",
            metadata: [
                "bfm_blocks": String(size / 4096), "bfm_blocks_per_key": "128", "bfm_bytes_per_block": "4096", "bfm_size": String(size),
                "bluefs": "1", "ceph_fsid": fsid, "created_at": bornAt.description, "elastic_shared_blobs": "1", "epoch": "17",
                "kv_backend": "rocksdb", "magic": "ceph osd volume v026", "mkfs_done": "yes", "multi": "yes", "ready": "ready",
                "require_osd_release": "19", "type": "bluestore", "whoami": String(number),
            ])
    }

    /// `xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx`.
    package static func text(ofUUID bytes: [UInt8]) -> String {
        let digits = Array(encodeHex(bytes))
        let cuts = [0, 8, 12, 16, 20, 32]
        return zip(cuts, cuts.dropFirst()).map { String(digits[min($0, digits.count)..<min($1, digits.count)]) }.joined(separator: "-")
    }

    /// The whole block, 4096 bytes.
    package var block: [UInt8] {
        var bytes = Array((Self.magic + Self.text(ofUUID: osdUUID) + "\n").utf8)
        let payload = payload
        bytes += [2, 1]
        bytes.append(little: UInt32(payload.count))
        bytes += payload
        bytes.append(little: crc32c(bytes))
        return bytes + Array(repeating: 0, count: max(0, Self.blockSize - bytes.count))
    }

    private var payload: [UInt8] {
        var bytes = osdUUID
        bytes.append(little: sizeInBytes)
        bytes.append(little: UInt32(truncatingIfNeeded: bornAt.seconds))
        bytes.append(little: UInt32(bornAt.milliseconds - bornAt.seconds * 1000) * 1_000_000)
        bytes.append(counted: description)
        bytes.append(little: UInt32(metadata.count))
        for (key, value) in metadata.sorted(by: { $0.key < $1.key }) {
            bytes.append(counted: key)
            bytes.append(counted: value)
        }
        return bytes
    }

    /// True when a block begins with the magic and its checksum is right.
    package static func isGenuine(_ block: [UInt8]) -> Bool {
        guard block.count >= 66, block.starts(with: magic.utf8) else { return false }
        let length = block[62..<66].reversed().reduce(0) { $0 << 8 | Int($1) }
        let end = 66 + length
        guard end + 4 <= block.count else { return false }
        let stored = block[end..<end + 4].reversed().reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
        return stored == crc32c(block[..<end])
    }
}

/// CRC-32C (Castagnoli) as Ceph uses it: seed all ones, no final xor.
func crc32c(_ bytes: some Sequence<UInt8>) -> UInt32 {
    var crc = UInt32.max
    for byte in bytes {
        crc ^= UInt32(byte)
        for _ in 0..<8 { crc = crc & 1 == 1 ? crc >> 1 ^ 0x82F6_3B78 : crc >> 1 }
    }
    return crc
}

extension [UInt8] {
    fileprivate mutating func append(little value: some FixedWidthInteger) {
        for shift in stride(from: 0, to: value.bitWidth, by: 8) { append(UInt8(truncatingIfNeeded: value >> shift)) }
    }

    fileprivate mutating func append(counted text: String) {
        append(little: UInt32(text.utf8.count))
        self += Array(text.utf8)
    }
}
