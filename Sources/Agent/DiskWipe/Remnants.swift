// SPDX-License-Identifier: Apache-2.0

internal import MeshModel

/// Leftovers that libblkid does not report: copies far from the head of a disk, which other programs find all the same.
struct Remnants {
    let signatures: [DiskFact.Signature]

    /// Reads only.
    init(_ device: BlockDevice, size: UInt64, _ buffer: AlignedBuffer) throws {
        var found: [DiskFact.Signature] = []
        for offset in DiskLayout.mirrorOffsets where offset + 4096 <= size {
            try device.read(into: buffer, count: 4096, at: offset)
            if Self.isBtrfs(Array(buffer.bytes[..<4096]), at: offset) {
                found.append(
                    DiskFact.Signature(
                        kind: "btrfs", offset: offset + 64, words: "copy of a btrfs superblock at \(DiskLayout.words(offset))"))
            }
        }
        try device.read(into: buffer, count: 8192, at: 0)
        if let offset = Self.alternateGPT(Array(buffer.bytes[..<8192])), offset < size {
            let start = offset / 4096 * 4096
            let count = Int(min(4096, size - start))
            try device.read(into: buffer, count: count, at: start)
            let sector = Array(buffer.bytes[Int(offset - start)..<count].prefix(8))
            // libblkid looks in the last sector only: on a disk that has grown, the old backup lies before it.
            if sector == Self.gptMagic {
                found.append(DiskFact.Signature(kind: "gpt", offset: offset, words: "backup GPT"))
            }
        }
        signatures = found
    }

    private static let gptMagic = Array("EFI PART".utf8)

    /// btrfs: magic at byte 64 of the block, and the block's own address at byte 48.
    static func isBtrfs(_ block: [UInt8], at offset: UInt64) -> Bool {
        guard block.count >= 72, Array(block[64..<72]) == Array("_BHRfS_M".utf8) else { return false }
        return littleEndian(block[48..<56]) == offset
    }

    /// Where the header in the second sector says that its copy lies, in bytes. `head`: the first 8 KiB of the disk.
    static func alternateGPT(_ head: [UInt8]) -> UInt64? {
        for sector in [512, 4096] where head.count >= sector + 40 && Array(head[sector..<sector + 8]) == gptMagic {
            let (offset, overflow) = littleEndian(head[sector + 32..<sector + 40]).multipliedReportingOverflow(by: UInt64(sector))
            return overflow ? nil : offset
        }
        return nil
    }

    private static func littleEndian(_ bytes: ArraySlice<UInt8>) -> UInt64 { bytes.reversed().reduce(0) { $0 << 8 | UInt64($1) } }
}
