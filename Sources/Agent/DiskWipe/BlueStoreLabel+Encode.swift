// SPDX-License-Identifier: Apache-2.0

internal import MeshModel

extension BlueStoreLabel {
    /// The 4 KiB block as Ceph writes it. For labs and tests that need an OSD's leftovers; the product itself only reads labels.
    package static func encode(_ label: BlueStoreLabel) -> [UInt8] {
        var payload = Array(label.osdUUID.prefix(16)) + [UInt8](repeating: 0, count: max(0, 16 - label.osdUUID.count))
        payload += little(label.sizeInBytes, 8) + little(UInt64(max(0, label.created.seconds)), 4) + little(0, 4)
        payload += text(label.description) + little(UInt64(label.meta.count), 4)
        for (key, value) in label.meta.sorted(by: { $0.key < $1.key }) { payload += text(key) + text(value) }
        var block = magic + [0x0a] + Array(uuidText(payload.prefix(16)).utf8) + [0x0a]
        block += [2, 1] + little(UInt64(payload.count), 4) + payload
        block += little(UInt64(CRC32C.checksum(block)), 4)
        return block + [UInt8](repeating: 0, count: max(0, blockSize - block.count))
    }

    /// The offsets at which a disk of `size` bytes may hold a label.
    package static func offsets(onDiskOf size: UInt64) -> [UInt64] {
        DiskLayout.labelOffsets.filter { $0 + UInt64(blockSize) <= size }
    }

    private static func little(_ value: UInt64, _ count: Int) -> [UInt8] {
        (0..<count).map { UInt8(truncatingIfNeeded: value >> (8 * UInt64($0))) }
    }

    private static func text(_ value: String) -> [UInt8] { little(UInt64(value.utf8.count), 4) + Array(value.utf8) }

    private static func uuidText(_ bytes: ArraySlice<UInt8>) -> String {
        let hex = Array(encodeHex(bytes))
        return [0..<8, 8..<12, 12..<16, 16..<20, 20..<32].map { String(hex[$0]) }.joined(separator: "-")
    }
}
