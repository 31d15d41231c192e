// SPDX-License-Identifier: Apache-2.0

/// CRC-32C (Castagnoli, RFC 3720 section B.4), eight bytes at a time: the checksum of spool and store records.
package enum CRC32C {
    /// `tables[k][b]` is the checksum of byte `b` followed by `k` zero bytes, laid out in one row after the other.
    private static let tables: [UInt32] = {
        var tables = [UInt32](repeating: 0, count: 8 * 256)
        for index in 0..<256 {
            tables[index] = (0..<8).reduce(UInt32(index)) { value, _ in value & 1 == 1 ? value >> 1 ^ 0x82f6_3b78 : value >> 1 }
        }
        for row in 1..<8 {
            for index in 0..<256 {
                let before = tables[(row - 1) * 256 + index]
                tables[row * 256 + index] = tables[Int(before & 0xff)] ^ before >> 8
            }
        }
        return tables
    }()

    /// The checksum of `bytes`; that of more bytes follows with the one before as `seed`.
    package static func checksum(_ bytes: UnsafeRawBufferPointer, seed: UInt32 = 0) -> UInt32 {
        tables.withUnsafeBufferPointer { table in
            var value = ~seed
            var position = 0
            while bytes.count - position >= 8 {
                let word = bytes.loadUnaligned(fromByteOffset: position, as: UInt64.self).littleEndian ^ UInt64(value)
                var next: UInt32 = 0
                for index in 0..<8 { next ^= table[(7 - index) * 256 + Int(word >> UInt64(8 * index) & 0xff)] }
                value = next
                position += 8
            }
            while position < bytes.count {
                value = table[Int((value ^ UInt32(bytes[position])) & 0xff)] ^ value >> 8
                position += 1
            }
            return ~value
        }
    }

    package static func checksum(_ bytes: [UInt8], seed: UInt32 = 0) -> UInt32 {
        bytes.withUnsafeBytes { checksum($0, seed: seed) }
    }
}
