// SPDX-License-Identifier: Apache-2.0

/// Superblocks of those makers that cannot run without kernel parts of their own (md, ZFS), as their own tools accept them.
enum ForgedSuperblock {
    struct Piece {
        let offset: UInt64
        let bytes: [UInt8]
    }

    private struct Block {
        var bytes: [UInt8]
        init(_ count: Int) { bytes = [UInt8](repeating: 0, count: count) }

        mutating func put(_ value: UInt64, _ count: Int, at offset: Int) {
            for index in 0..<count { bytes[offset + index] = UInt8(truncatingIfNeeded: value >> UInt64(8 * index)) }
        }
        mutating func put(_ text: String, at offset: Int) { bytes.replaceSubrange(offset..<offset + text.utf8.count, with: text.utf8) }
        /// The sum of all words, its carry added: md's checksum.
        func sum(_ count: Int) -> UInt64 {
            let total = stride(from: 0, to: count, by: 4).reduce(UInt64(0)) { total, offset in
                total + (0..<4).reduce(UInt64(0)) { $0 | UInt64(bytes[offset + $1]) << UInt64(8 * $1) }
            }
            return (total & 0xffff_ffff) + (total >> 32)
        }
    }

    private static let mdMagic: UInt64 = 0xa92b_4efc

    /// Version 1.0 near the end, 1.1 at the start, 1.2 at 4 KiB; a mirror of two named `host:r0`.
    static func md1(minor: Int, size: UInt64) -> Piece {
        let sectors = size / 512
        let place = [(sectors - 16) & ~7, 0, 8][minor]
        var block = Block(4096)
        block.put(mdMagic, 4, at: 0)
        block.put(1, 4, at: 4)
        for index in 0..<16 {
            block.bytes[16 + index] = UInt8(index + 1)
            block.bytes[168 + index] = UInt8(index + 17)
        }
        block.put("host:r0", at: 32)
        for (value, offset) in [(1, 72), (2, 92), (2, 220)] as [(UInt64, Int)] { block.put(value, 4, at: offset) }
        for (value, offset) in [
            (1_767_225_600, 64), (sectors / 2, 80), (minor == 0 ? 0 : 2048, 128), (sectors - 4096, 136), (place, 144), (1, 200),
            (.max, 208),
        ] as [(UInt64, Int)] { block.put(value, 8, at: offset) }
        block.put(1, 2, at: 258)
        block.put(block.sum(260), 4, at: 216)
        return Piece(offset: place * 512, bytes: block.bytes)
    }

    /// Version 0.90: at the last whole 64 KiB but one.
    static func md090(size: UInt64) -> Piece {
        let place = size / 65_536 * 65_536 - 65_536
        var block = Block(4096)
        for (word, value) in [
            (0, mdMagic), (2, 90), (5, 0x1111_1111), (6, 1_767_225_600), (7, 1), (8, place / 1024), (9, 2), (10, 2), (13, 0x2222_2222),
            (14, 0x3333_3333), (15, 0x4444_4444), (32, 1_767_225_600), (33, 1), (34, 2), (35, 2), (39, 1), (129, 7), (132, 6), (160, 1),
            (161, 7), (162, 1), (163, 1), (164, 6), (993, 7), (996, 6),
        ] as [(Int, UInt64)] { block.put(value, 4, at: 4 * word) }
        block.put(block.sum(4096), 4, at: 4 * 38)
        return Piece(offset: place, bytes: block.bytes)
    }

    /// The four labels of a ZFS device, each with its ring of uberblocks: up to 128 of 1 KiB, as on sectors of 512 bytes.
    static func zfs(size: UInt64, uberblocks: Int) -> [Piece] {
        let label: UInt64 = 256 << 10
        let end = size / label * label
        return [0, label, end - 2 * label, end - label].map { start in
            var block = Block(1024 * uberblocks)
            for index in 0..<uberblocks {
                for (number, value) in [0x00ba_b10c, 5000, 100 + UInt64(index), 1, 1_767_225_600].enumerated() {
                    block.put(value, 8, at: 1024 * index + 8 * number)
                }
            }
            return Piece(offset: start + (128 << 10), bytes: block.bytes)
        }
    }
}
