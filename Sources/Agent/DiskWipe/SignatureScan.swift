// SPDX-License-Identifier: Apache-2.0

internal import CBlkid
internal import Glibc
internal import MeshModel
internal import MeshSystem

/// Everything that libblkid recognises on a disk, all of it and not the first: each finding is hidden (in memory only) and the same
/// detector asked again, so that backups and second headers show too.
struct SignatureScan {
    struct Found: Hashable {
        var kind: String
        var offset: UInt64
        var label: String?
        var version: String?
        var isTable: Bool
        var badChecksum: Bool
    }

    struct Partition: Hashable {
        var number: Int
        var offset: UInt64
        var length: UInt64
        var name: String?
        var type: String?
    }

    let descriptor: Int32
    let disk: String
    let size: UInt64

    /// More findings or partitions than this on one disk is no disk that a person made.
    private static let limit = 256

    /// Findings on the whole disk, by offset.
    func whole() throws -> [Found] { try findings(at: 0, length: size, tables: true) }

    /// Findings inside one partition; offsets are the disk's.
    func inside(_ partition: Partition) throws -> [Found] {
        guard partition.length >= 4096, partition.offset < size, partition.length <= size - partition.offset else { return [] }
        return try findings(at: partition.offset, length: partition.length, tables: false).map { found in
            var moved = found
            moved.offset += partition.offset
            return moved
        }
    }

    func partitions() throws -> [Partition] {
        let probe = try makeProbe(at: 0, length: size)
        defer { blkid_free_probe(probe) }
        blkid_probe_enable_partitions(probe, 1)
        blkid_probe_set_partitions_flags(probe, BLKID_PARTS_FORCE_GPT)
        // No list is both "there is no table" and "it could not be read"; libblkid keeps the difference in errno alone.
        errno = 0
        guard let list = blkid_probe_get_partitions(probe) else {
            guard errno == 0 else { throw problem("libblkid cannot read its partition table: \(explain(errno))") }
            return []
        }
        let count = max(0, blkid_partlist_numof_partitions(list))
        guard count <= Self.limit else { throw problem("more than \(Self.limit) partitions") }
        return (0..<count).compactMap { index in
            guard let part = blkid_partlist_get_partition(list, index) else { return nil }
            let start = UInt64(max(0, blkid_partition_get_start(part)))
            let sectors = UInt64(max(0, blkid_partition_get_size(part)))
            return Partition(
                number: Int(blkid_partition_get_partno(part)), offset: start &* 512, length: sectors &* 512,
                name: blkid_partition_get_name(part).map { String(cString: $0) },
                type: blkid_partition_get_type_string(part).map { String(cString: $0) })
        }
    }

    private func makeProbe(at offset: UInt64, length: UInt64) throws -> blkid_probe {
        guard let probe = blkid_new_probe() else { throw problem("libblkid found no memory") }
        guard blkid_probe_set_device(probe, descriptor, blkid_loff_t(offset), blkid_loff_t(length)) == 0 else {
            blkid_free_probe(probe)
            throw problem("libblkid cannot read the disk")
        }
        return probe
    }

    private func findings(at offset: UInt64, length: UInt64, tables: Bool) throws -> [Found] {
        let probe = try makeProbe(at: offset, length: length)
        defer { blkid_free_probe(probe) }
        blkid_probe_enable_superblocks(probe, 1)
        blkid_probe_set_superblocks_flags(
            probe, BLKID_SUBLKS_LABEL | BLKID_SUBLKS_TYPE | BLKID_SUBLKS_VERSION | BLKID_SUBLKS_MAGIC | BLKID_SUBLKS_BADCSUM)
        blkid_probe_enable_partitions(probe, tables ? 1 : 0)
        blkid_probe_set_partitions_flags(probe, BLKID_PARTS_MAGIC | BLKID_PARTS_FORCE_GPT)
        var found: [Found] = []
        for _ in 0..<Self.limit {
            let code = blkid_do_probe(probe)
            if code == 1 { return found.sorted { ($0.offset, $0.kind) < ($1.offset, $1.kind) } }
            guard code == 0 else { throw problem("libblkid reports a read error") }
            guard let (next, magicLength) = finding(probe), !found.contains(next) else { continue }
            found.append(next)
            let hidden = Self.hidden(next, magicLength)
            if hidden.length > 0, blkid_probe_hide_range(probe, hidden.offset, hidden.length) == 0 { blkid_probe_step_back(probe) }
        }
        throw problem("more than \(Self.limit) signatures")
    }

    /// What is hidden before the detectors are asked again. ZFS writes a ring of up to 128 uberblocks into the second half of each of its four
    /// labels of 256 KiB, and each would count as a finding: one for the ring is enough.
    private static func hidden(_ found: Found, _ magicLength: UInt64) -> (offset: UInt64, length: UInt64) {
        guard found.kind == "zfs_member", magicLength > 0 else { return (found.offset, magicLength) }
        let half: UInt64 = 128 << 10
        return (found.offset / half * half, half)
    }

    private func finding(_ probe: blkid_probe) -> (Found, magicLength: UInt64)? {
        let isTable = text(probe, "TYPE") == nil
        guard let kind = text(probe, "TYPE") ?? text(probe, "PTTYPE") else { return nil }
        let offset = text(probe, isTable ? "PTMAGIC_OFFSET" : "SBMAGIC_OFFSET").flatMap { UInt64($0) }
        var length = 0
        let hasMagic = blkid_probe_lookup_value(probe, isTable ? "PTMAGIC" : "SBMAGIC", nil, &length) == 0
        let found = Found(
            kind: kind, offset: offset ?? 0, label: text(probe, "LABEL"), version: text(probe, "VERSION"), isTable: isTable,
            badChecksum: text(probe, "SBBADCSUM") == "1")
        return (found, offset != nil && hasMagic ? UInt64(length) : 0)
    }

    private func text(_ probe: blkid_probe, _ name: String) -> String? {
        var data: UnsafePointer<CChar>?
        guard blkid_probe_lookup_value(probe, name, &data, nil) == 0, let data else { return nil }
        let value = String(cString: data)
        return value.isEmpty ? nil : value
    }

    private func problem(_ text: String) -> DiskWipeError { .contentUnreadable(disk: disk, problem: text) }
}
