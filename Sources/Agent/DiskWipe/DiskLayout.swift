// SPDX-License-Identifier: Apache-2.0

package import MeshModel
internal import MeshTrust

/// Where on a disk of a given size something can lie that makes another program believe the disk is taken.
package enum DiskLayout {
    /// BlueStore keeps a label at each of these that fits.
    package static let labelOffsets: [UInt64] = [0, 1 << 30, 10 << 30, 100 << 30, 1000 << 30]
    /// btrfs keeps copies of its superblock here; wipefs does not list them.
    static let mirrorOffsets: [UInt64] = [64 << 20, 256 << 30]
    static let mebibyte: UInt64 = 1 << 20
    static let wipeLength: UInt64 = 4 << 20
    static let endLength: UInt64 = 64 << 20
    static let smallest: UInt64 = 1 << 20

    /// Label and mirror offsets that fit on the disk, ascending, without 0.
    static func anchors(_ size: UInt64) -> [UInt64] {
        (labelOffsets.dropFirst() + mirrorOffsets).filter { $0 + 4096 <= size }.sorted()
    }

    /// What is read to say "blank": 1 MiB at the head, at each anchor and at the tail.
    static func probeAreas(_ size: UInt64) -> [WipeReport.Area] {
        merged(([0] + anchors(size)).map { ($0, $0 + mebibyte) } + [tail(size, mebibyte)], size: size)
    }

    /// 64 blocks of 4 KiB spread over the disk by SplitMix64 seeded with the size: the same blocks for the same size, everywhere.
    static func sampleBlocks(_ size: UInt64) -> [WipeReport.Area] {
        let blocks = size / 4096
        guard blocks > 0 else { return [] }
        var state = size
        return (0..<64).map { _ in
            state &+= 0x9e37_79b9_7f4a_7c15
            var mixed = state
            mixed = (mixed ^ mixed >> 30) &* 0xbf58_476d_1ce4_e5b9
            mixed = (mixed ^ mixed >> 27) &* 0x94d0_49bb_1331_11eb
            mixed ^= mixed >> 31
            return WipeReport.Area(offset: mixed % blocks * 4096, length: 4096)
        }
    }

    /// What method `labels` writes: 4 MiB at the head, the tail and each anchor, and around every place that was found to matter
    /// (signatures, partition ends). The head and tail cover GPT and its backup, LVM, LUKS, all md superblocks and the ZFS labels.
    package static func labelAreas(size: UInt64, around found: [UInt64]) -> [WipeReport.Area] {
        var ranges = ([0] + anchors(size)).map { ($0, $0 + wipeLength) } + [tail(size, wipeLength)]
        ranges += found.filter { $0 < size }.map { offset in
            let start = offset / mebibyte * mebibyte
            // One mebibyte before as well: a superblock's magic can lie behind its structure's start.
            return (start > mebibyte ? start - mebibyte : 0, start + 2 * mebibyte)
        }
        return merged(ranges, size: size)
    }

    /// Both ends of a disk of which the rest is looked at in samples only.
    static func ends(_ size: UInt64) -> (head: [WipeReport.Area], tail: [WipeReport.Area]) {
        let head = merged([(0, endLength)], size: size)
        return (head, merged([tail(size, endLength)], size: size).filter { $0.offset >= endLength })
    }

    /// Pieces of 1 MiB that a seed chooses: from each run of `100 / share` pieces one, so that they are spread evenly and nobody can know
    /// them before the seed. `share` in percent; 0 chooses none, 100 all. Made one by one: a large disk has millions.
    static func sample(_ size: UInt64, share: Int, seed: Digest) -> some Collection<WipeReport.Area> {
        let run = UInt64(max(1, 100 / max(1, share)))
        let pieces = share > 0 ? size / mebibyte : 0
        return (0..<BlanknessFact.sampleCount(size: size, share: share)).lazy.map { index in
            let start = UInt64(index) * run
            let choice = Digest.sha256(seed.bytes + withUnsafeBytes(of: start.bigEndian, Array.init)).bytes.prefix(8)
            let piece = start + choice.reduce(UInt64(0)) { $0 << 8 | UInt64($1) } % min(run, pieces - start)
            return WipeReport.Area(offset: piece * mebibyte, length: mebibyte)
        }
    }

    /// Sorted, without overlaps, cut at the end of the disk.
    private static func merged(_ ranges: [(UInt64, UInt64)], size: UInt64) -> [WipeReport.Area] {
        var result: [(UInt64, UInt64)] = []
        for (start, end) in ranges.sorted(by: { $0.0 < $1.0 }) where start < size {
            if let last = result.last, start <= last.1 {
                result[result.count - 1].1 = max(last.1, min(end, size))
            } else {
                result.append((start, min(end, size)))
            }
        }
        return result.map { WipeReport.Area(offset: $0.0, length: $0.1 - $0.0) }
    }

    /// At least `length` bytes up to the very end, from a whole 4 KiB.
    private static func tail(_ size: UInt64, _ length: UInt64) -> (UInt64, UInt64) {
        (size > length ? (size - length) / 4096 * 4096 : 0, size)
    }

    /// `0`, `64 MiB`, `10 GiB`, or plain bytes.
    package static func words(_ offset: UInt64) -> String {
        if offset > 0, offset % (1 << 30) == 0 { return "\(offset >> 30) GiB" }
        if offset > 0, offset % (1 << 20) == 0 { return "\(offset >> 20) MiB" }
        return String(offset)
    }
}
