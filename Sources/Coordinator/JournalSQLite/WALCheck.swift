// SPDX-License-Identifier: Apache-2.0

/// Reads SQLite's write-ahead log before SQLite does. SQLite takes the frames up to the first one whose checksum does not fit and drops the
/// rest without a word (security.md J2). After a power cut at most one commit, the unacknowledged last one, may lie in that rest.
///
///     header 32 bytes: magic, version, page size, checkpoint number, salt 1, salt 2, checksum 1, checksum 2
///     frame 24 bytes + page: page number, pages after commit (0: no commit), salt 1, salt 2, checksum 1, checksum 2
enum WALCheck {
    enum Finding: Hashable {
        case whole
        /// The frames after the first bad one hold so many commits; bytes from there on are lost.
        case broken(commitsBehind: Int, bytesLost: Int)
        case headerBroken
    }

    static func inspect(_ log: [UInt8]) -> Finding {
        guard !log.isEmpty else { return .whole }
        guard log.count >= 32 else { return .headerBroken }
        let magic = word(log, 0)
        let pageSize = Int(word(log, 8))
        guard magic & ~1 == 0x377f_0682, (512...65_536).contains(pageSize), pageSize & (pageSize - 1) == 0 else { return .headerBroken }
        var sums = Checksum(bigEndian: magic & 1 == 1)
        sums.add(log[0..<24])
        guard sums.first == word(log, 24), sums.second == word(log, 28) else { return .headerBroken }
        let frame = 24 + pageSize
        var brokenAt: Int?
        var commits = 0
        var offset = 32
        while offset + 24 <= log.count {
            // Frames with other salts are leftovers of an earlier round and mean nothing.
            let isCurrent = log[offset + 8..<offset + 16].elementsEqual(log[16..<24])
            if brokenAt == nil {
                if offset + frame <= log.count, isCurrent {
                    sums.add(log[offset..<offset + 8])
                    sums.add(log[offset + 24..<offset + frame])
                }
                let fits =
                    isCurrent && offset + frame <= log.count && sums.first == word(log, offset + 16)
                    && sums.second == word(log, offset + 20)
                if !fits { brokenAt = offset }
            }
            if brokenAt != nil, isCurrent, word(log, offset + 4) != 0 { commits += 1 }
            offset += frame
        }
        guard let brokenAt, commits > 0 else { return .whole }
        return .broken(commitsBehind: commits, bytesLost: log.count - brokenAt)
    }

    private static func word(_ bytes: [UInt8], _ at: Int) -> UInt32 {
        bytes[at..<at + 4].reduce(0) { $0 << 8 | UInt32($1) }
    }

    /// SQLite's Fibonacci-weighted checksum over pairs of 32-bit words.
    private struct Checksum {
        let bigEndian: Bool
        var first: UInt32 = 0
        var second: UInt32 = 0

        init(bigEndian: Bool) { self.bigEndian = bigEndian }

        mutating func add(_ bytes: ArraySlice<UInt8>) {
            bytes.withUnsafeBytes { raw in
                for offset in stride(from: 0, to: raw.count - 7, by: 8) {
                    first &+= load(raw, offset) &+ second
                    second &+= load(raw, offset + 4) &+ first
                }
            }
        }

        private func load(_ raw: UnsafeRawBufferPointer, _ offset: Int) -> UInt32 {
            let value = raw.loadUnaligned(fromByteOffset: offset, as: UInt32.self)
            return bigEndian ? UInt32(bigEndian: value) : UInt32(littleEndian: value)
        }
    }
}
