// SPDX-License-Identifier: Apache-2.0

internal import CLinux
internal import MeshModel

/// Says a finding in plain words: "GPT with 2 partitions", "ext4 'data01'", "LVM PV of vg0".
struct SignatureWords {
    let partitions: [SignatureScan.Partition]
    let descriptor: Int32

    static let blueStore = "ceph_bluestore"

    func describe(_ found: SignatureScan.Found) -> DiskFact.Signature {
        DiskFact.Signature(kind: found.kind, offset: found.offset, words: words(found) + (found.badChecksum ? " (checksum wrong)" : ""))
    }

    func describe(_ found: SignatureScan.Found, inside partition: SignatureScan.Partition) -> DiskFact.Signature {
        let name = partition.name.map { " '\(plainWords($0, limit: 36))'" } ?? ""
        return DiskFact.Signature(
            kind: found.kind, offset: found.offset, words: "partition \(partition.number)\(name): \(words(found, from: partition.offset))")
    }

    /// One signature for each label; the first names them all, so that nobody wipes one and forgets the copies.
    func describe(_ labels: [(UInt64, Result<BlueStoreLabel, BlueStoreLabel.Damage>)]) -> [DiskFact.Signature] {
        let places = labels.map { DiskLayout.words($0.0) }.joined(separator: ", ")
        return labels.enumerated().map { index, entry in
            let (offset, result) = entry
            let what: String
            var owner: String?
            switch result {
            case .success(let label):
                what = label.words
                owner = label.clusterID.map { plainWords($0, limit: 64) }
            case .failure(let damage): what = "damaged BlueStore label (\(damage))"
            }
            let suffix = index == 0 ? "label\(labels.count == 1 ? "" : "s") at \(places)" : "copy at \(DiskLayout.words(offset))"
            return DiskFact.Signature(kind: Self.blueStore, offset: offset, words: "\(what), \(suffix)", owner: owner)
        }
    }

    /// `start` is where the device that holds it begins.
    private func words(_ found: SignatureScan.Found, from start: UInt64 = 0) -> String {
        let named = found.label.map { " '\(plainWords($0, limit: 64))'" } ?? ""
        switch found.kind {
        case "gpt" where found.offset <= 4096: return "GPT with \(counted)"
        case "gpt": return "backup GPT"
        case "PMBR": return "protective MBR"
        case "dos": return "MBR with \(counted)"
        case "LVM2_member": return volumeGroup(found.offset).map { "LVM PV of \($0)" } ?? "LVM PV without a volume group"
        case "crypto_LUKS":
            let version = found.version.map { plainWords($0, limit: 2) } ?? ""
            return "LUKS\(version)\(named)\(found.offset > start ? " header copy" : "")"
        case "linux_raid_member": return "mdraid member\(named.isEmpty ? "" : " of\(named)")"
        case "swap": return "swap space\(named)"
        case "zfs_member": return "ZFS member\(named.isEmpty ? "" : " of\(named)")"
        case Self.blueStore: return "BlueStore device"
        default: return plainWords(found.kind, limit: 32) + named
        }
    }

    private var counted: String {
        let names = partitions.compactMap(\.name).filter { !$0.isEmpty }.prefix(8).map { plainWords($0, limit: 36) }
        return "\(partitions.count) partition\(partitions.count == 1 ? "" : "s")"
            + (names.isEmpty ? "" : " (\(names.joined(separator: ", ")))")
    }

    /// libblkid gives the offset of `LVM2 001`, 24 bytes into the label sector.
    private func volumeGroup(_ offset: UInt64) -> String? {
        guard offset >= 24 else { return nil }
        return VolumeGroupName.find(label: offset - 24) { offset, count in
            var bytes = [UInt8](repeating: 0, count: count)
            return meshgate_block_read(descriptor, &bytes, count, offset) == 0 ? bytes : nil
        }
    }
}
