// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import MeshModel

/// A disk that is ours: found by identity, open for writing with O_EXCL, locked, and seen to be the same by descriptor and by sysfs. Held
/// from the checks to the last verification, so that what was checked is what is written.
struct HeldDisk {
    let name: String
    let device: BlockDevice
    let facts: BlockDevice.Facts
    let disk: SysfsDisk

    /// `largest`: a disk above this size in bytes is refused.
    static func hold(_ wanted: DiskIdentity, inventory: DiskInventory, largest: UInt64? = nil) throws(Refused) -> HeldDisk {
        let candidates: [DiskInventory.Candidate]
        do {
            candidates = try inventory.candidates()
        } catch {
            throw Refused(.noSuchDisk, "\(error)")
        }
        let candidate = try DiskMatch.find(wanted, among: candidates)
        try refuseUnfit(candidate)
        if let largest, candidate.disk.identity.sizeInBytes > largest {
            throw Refused(
                .tooLarge, "\(candidate.name) has \(candidate.disk.identity.sizeInBytes) bytes, and this host wipes up to \(largest)")
        }
        // A lab's machines have no disk to start from.
        if candidates.count == 1, candidate.disk.identity.kind != .loop {
            throw Refused(.onlyDisk, "\(candidate.name) is the only disk of this machine, so it is taken for the one that it starts from")
        }
        let device = try open(candidate, inventory)
        let held = try agree(candidate, wanted, device, inventory)
        guard device.lock() else {
            throw Refused(.locked, "another program holds a lock on \(candidate.name); wait until it is done with the disk")
        }
        return held
    }

    /// What the warrant's fingerprint says must be there; anything else, and the person signed for other content.
    func content(matching terms: WarrantTerms, inventory: DiskInventory) throws(Refused) -> DiskContent {
        let content: DiskContent
        do {
            content = try DiskContent.examine(device, disk: name, size: facts.size, forgettingCache: true)
        } catch let failure as BlockDevice.Failure {
            throw Refused(.foreignContent, "\(DiskWipeError.device(doing: failure.doing, on: name, errno: failure.errno))")
        } catch {
            throw Refused(.foreignContent, "\(error)")
        }
        guard content.fingerprint == terms.fingerprint else {
            let now = content.signatures.isEmpty ? "no signature" : content.signatures.map(\.words).joined(separator: "; ")
            throw Refused(
                .fingerprintMismatch,
                "the content of \(name) changed since the inventory (\(content.fingerprint?.short ?? "none") instead of \(terms.fingerprint.short)); "
                    + "now it holds \(now); take a new inventory and sign again")
        }
        if terms.disk.serial == nil, terms.disk.wwid == nil, !content.blank { try refuseTwins(content, inventory) }
        let found = WarrantTerms.holds(content.signatures)
        guard found == terms.holds else {
            let news = found.filter { !terms.holds.contains($0) }
            throw Refused(
                .contentsMismatch,
                "\(name) does not hold what the warrant lists"
                    + (news.isEmpty ? "" : "; not listed: \(news.joined(separator: "; "))") + "; take a new inventory and sign again")
        }
        guard content.untouchable.isEmpty else {
            throw Refused(.foreignContent, "\(name) is never wiped: \(content.untouchable.joined(separator: "; "))")
        }
        return content
    }

    /// Without serial and wwid, one medium on two ways would look like two disks, one of them idle while the other is mounted.
    private func refuseTwins(_ content: DiskContent, _ inventory: DiskInventory) throws(Refused) {
        do {
            for other in try inventory.candidates()
            where other.disk.number != facts.number && other.disk.identity.sizeInBytes == facts.size {
                let fingerprint = try inventory.content(other).fingerprint
                guard fingerprint == content.fingerprint else { continue }
                throw Refused(
                    .ambiguousDisk,
                    "\(name) and \(other.name) have no serial and hold the same, so they may be one disk; give each disk a serial of its own"
                )
            }
        } catch let refused as Refused {
            throw refused
        } catch {
            throw Refused(.ambiguousDisk, "\(name) has no serial, and it cannot be told from the other disks of its size: \(error)")
        }
    }

    /// The last look: no detector finds anything, and the head, the tail and every label area are zero.
    func provesClean() throws(WipeStop) {
        let content: DiskContent
        do {
            content = try DiskContent.examine(device, disk: name, size: facts.size, forgettingCache: true, fingerprinting: false)
        } catch {
            throw .failed("the last look at the disk failed: \(error)")
        }
        if !content.signatures.isEmpty {
            throw .failed("signatures are left: " + content.signatures.map { "\($0.words) (at byte \($0.offset))" }.joined(separator: "; "))
        }
        guard content.blank else { throw .failed("an area where signatures lie does not read as zero") }
    }

    private static func refuseUnfit(_ candidate: DiskInventory.Candidate) throws(Refused) {
        let disk = candidate.disk
        if let objection = disk.notWholeDisk { throw Refused(.notWholeDisk, objection) }
        if disk.readOnly { throw Refused(.readOnly, "\(candidate.name) is read-only") }
        if disk.removable { throw Refused(.unsupported, "\(candidate.name) is removable") }
        if disk.zoned { throw Refused(.unsupported, "\(candidate.name) is a zoned device") }
        if disk.identity.sequence == 0 {
            throw Refused(.unsupported, "the kernel gives \(candidate.name) no disk sequence number; Linux 5.15 or newer is needed")
        }
        let size = disk.identity.sizeInBytes
        guard size >= DiskLayout.smallest, disk.identity.sectorSize <= 4096 else {
            throw Refused(.unsupported, "\(candidate.name) has \(size) bytes in sectors of \(disk.identity.sectorSize)")
        }
    }

    private static func open(_ candidate: DiskInventory.Candidate, _ inventory: DiskInventory) throws(Refused) -> BlockDevice {
        do throws(BlockDevice.Failure) {
            return try BlockDevice.exclusive(candidate.node, .exclusiveWriting)
        } catch {
            switch error.errno {
            case EBUSY:
                let users = DiskUsers(procroot: inventory.procroot).users(of: candidate.disk)
                let who =
                    users.isEmpty
                    ? "by something that is not visible from here (another container, a running OSD, or another wipe)"
                    : users.joined(separator: "; ")
                throw Refused(.inUse, "\(candidate.name) is in use: \(who)")
            case EROFS:
                throw Refused(.readOnly, "\(candidate.name) is read-only")
            case ELOOP:
                throw Refused(.notWholeDisk, "\(candidate.node) is a symbolic link")
            default:
                throw Refused(.noSuchDisk, "\(DiskWipeError.device(doing: "open for wiping", on: candidate.node, errno: error.errno))")
            }
        }
    }

    /// From the descriptor first, then sysfs by the descriptor's number, then the descriptor again: a disk that was swapped anywhere
    /// between shows another sequence number.
    private static func agree(
        _ candidate: DiskInventory.Candidate, _ wanted: DiskIdentity, _ device: BlockDevice, _ inventory: DiskInventory
    ) throws(Refused) -> HeldDisk {
        let facts = try facts(device, candidate)
        guard facts.number == candidate.disk.number else {
            throw Refused(.identityMismatch, "\(candidate.node) became another device while it was opened")
        }
        if facts.readOnly { throw Refused(.readOnly, "\(candidate.name) is read-only") }
        guard let disk = SysfsDisk(facts.number, sysroot: inventory.sysroot) else {
            throw Refused(.noSuchDisk, "\(candidate.name) vanished while it was opened")
        }
        let differences = DiskMatch.differences(disk.identity, wanted)
        guard differences.isEmpty, facts.sequence == wanted.sequence, facts.size == wanted.sizeInBytes, facts.sector == wanted.sectorSize
        else {
            throw Refused(
                .identityMismatch,
                "\(candidate.name) is not the disk that the warrant describes: \(differences.joined(separator: ", ")) "
                    + "(open descriptor: size \(facts.size), sector size \(facts.sector), disk sequence \(facts.sequence))")
        }
        try refuseUnfit(DiskInventory.Candidate(name: candidate.name, node: candidate.node, disk: disk))
        let users = DiskUsers(procroot: inventory.procroot).users(of: disk)
        guard users.isEmpty else { throw Refused(.inUse, "\(candidate.name) is in use: \(users.joined(separator: "; "))") }
        guard try Self.facts(device, candidate) == facts else {
            throw Refused(.identityMismatch, "\(candidate.name) became another disk while it was looked at")
        }
        return HeldDisk(name: candidate.name, device: device, facts: facts, disk: disk)
    }

    private static func facts(_ device: BlockDevice, _ candidate: DiskInventory.Candidate) throws(Refused) -> BlockDevice.Facts {
        do throws(BlockDevice.Failure) {
            return try device.facts()
        } catch {
            throw Refused(.noSuchDisk, "\(DiskWipeError.device(doing: error.doing, on: candidate.name, errno: error.errno))")
        }
    }
}
