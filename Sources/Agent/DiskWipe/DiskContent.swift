// SPDX-License-Identifier: Apache-2.0

internal import MeshModel
internal import MeshTrust

/// What is on a disk: every signature, in words that a person can judge before signing, and a fingerprint that a warrant can name.
///
/// The fingerprint is SHA-256 over, for each probe area and then each sample block (see `DiskLayout`), in that order: offset u64, length
/// u64 (big endian), the bytes. Content that changes in any of them after the admin looked refuses the wipe.
struct DiskContent {
    let signatures: [DiskFact.Signature]
    /// No signature, and every probe area reads as zero.
    let blank: Bool
    /// Absent where nobody would compare it.
    let fingerprint: Digest?
    let partitions: Int
    /// What makes the disk one that no warrant may wipe; empty for others.
    let untouchable: [String]
    /// Starts and ends of partitions, and the places of copies counted from their starts: where what lies inside of them has its signatures.
    let innerPlaces: [UInt64]

    /// More findings than this on one disk is no disk that a person made, and would not fit into one answer.
    private static let mostSignatures = 256

    /// Reads only. `forgettingCache` makes even libblkid see the medium instead of cached pages. Without `fingerprinting` the sample blocks,
    /// which serve nothing else, are not read and nothing is hashed.
    static func examine(_ device: BlockDevice, disk: String, size: UInt64, forgettingCache: Bool, fingerprinting: Bool = true) throws
        -> DiskContent
    {
        let buffer = AlignedBuffer(count: Int(DiskLayout.mebibyte))
        let (fingerprint, zero) =
            fingerprinting ? try digest(device, size: size, buffer) : (nil, try probesAreZero(device, size: size, buffer))
        let labels = try blueStoreLabels(device, size: size, buffer)
        let remnants = try Remnants(device, size: size, buffer)
        return try device.withCachedReads(forgettingCache: forgettingCache) { descriptor in
            let scan = SignatureScan(descriptor: descriptor, disk: disk, size: size)
            let partitions = try scan.partitions()
            let found = try scan.whole()
            let words = SignatureWords(partitions: partitions, descriptor: descriptor)
            var signatures = found.filter { $0.kind != SignatureWords.blueStore }.map(words.describe) + words.describe(labels)
            var inner: [(SignatureScan.Partition, SignatureScan.Found)] = []
            for partition in partitions { inner += try scan.inside(partition).map { (partition, $0) } }
            signatures += inner.map { words.describe($1, inside: $0) }
            signatures += remnants.signatures.filter { remnant in !found.contains { $0.offset == remnant.offset } }
            guard signatures.count <= mostSignatures else {
                throw DiskWipeError.contentUnreadable(disk: disk, problem: "more than \(mostSignatures) signatures")
            }
            return DiskContent(
                signatures: signatures.sorted { ($0.offset, $0.kind) < ($1.offset, $1.kind) }, blank: signatures.isEmpty && zero,
                fingerprint: fingerprint, partitions: partitions.count,
                untouchable: Untouchable.reasons(found: found + inner.map(\.1), partitions: partitions),
                innerPlaces: partitions.flatMap { partition in
                    [partition.offset, partition.offset &+ max(partition.length, 1) &- 1]
                        + DiskLayout.anchors(partition.length).map { partition.offset &+ $0 }
                })
        }
    }

    private static func probesAreZero(_ device: BlockDevice, size: UInt64, _ buffer: AlignedBuffer) throws -> Bool {
        var zero = true
        try device.read(DiskLayout.probeAreas(size), buffer: buffer) { bytes, _ in
            zero = firstNonzero(bytes) == nil
            return zero
        }
        return zero
    }

    private static func digest(_ device: BlockDevice, size: UInt64, _ buffer: AlignedBuffer) throws -> (Digest?, zero: Bool) {
        var hasher = SHA256Hasher()
        var zero = true
        for (areas, isProbe) in [(DiskLayout.probeAreas(size), true), (DiskLayout.sampleBlocks(size), false)] {
            for area in areas {
                hasher.update(bigEndian(area.offset) + bigEndian(area.length))
                try device.read([area], buffer: buffer) { bytes, _ in
                    hasher.update(bytes)
                    if isProbe, firstNonzero(bytes) != nil { zero = false }
                    return true
                }
            }
        }
        return (hasher.finish(), zero)
    }

    private static func bigEndian(_ value: UInt64) -> [UInt8] { withUnsafeBytes(of: value.bigEndian, Array.init) }

    /// What begins like a label at each offset where one can be; damaged ones count.
    private static func blueStoreLabels(
        _ device: BlockDevice, size: UInt64, _ buffer: AlignedBuffer
    ) throws -> [(UInt64, Result<BlueStoreLabel, BlueStoreLabel.Damage>)] {
        var labels: [(UInt64, Result<BlueStoreLabel, BlueStoreLabel.Damage>)] = []
        for offset in BlueStoreLabel.offsets(onDiskOf: size) {
            try device.read(into: buffer, count: BlueStoreLabel.blockSize, at: offset)
            do throws(BlueStoreLabel.Damage) {
                if let label = try BlueStoreLabel(parsing: Array(buffer.bytes[..<BlueStoreLabel.blockSize])) {
                    labels.append((offset, .success(label)))
                }
            } catch {
                labels.append((offset, .failure(error)))
            }
        }
        return labels
    }
}

/// Content that no warrant releases: disks that other machines share, and the disk that the machine itself starts from.
enum Untouchable {
    private static let shared: Set<String> = [
        "VMFS", "VMFS_volume_member", "ocfs2", "gfs", "gfs2", "gpfs", "lustre", "mpath_member", "drbd", "drbdproxy_datalog",
    ]
    private static let systemNames: Set<String> = ["STATE", "EPHEMERAL", "META", "BOOT-A", "BOOT-B"]
    private static let systemTypes: Set<String> = [
        "c12a7328-f81f-11d2-ba4b-00a0c93ec93b", "21686148-6449-6e6f-744e-656564454649", "0xef",
    ]

    static func reasons(found: [SignatureScan.Found], partitions: [SignatureScan.Partition]) -> [String] {
        found.filter { shared.contains($0.kind) }.map { "\($0.kind) at \(DiskLayout.words($0.offset)), which other machines may be using" }
            + partitions.filter { systemNames.contains($0.name ?? "") }.map { "partition \($0.number) is Talos' \($0.name ?? "")" }
            + partitions.filter { systemTypes.contains($0.type?.lowercased() ?? "") }.map { "partition \($0.number) starts a machine" }
    }
}
