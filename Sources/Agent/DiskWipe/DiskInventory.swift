// SPDX-License-Identifier: Apache-2.0

internal import Glibc
package import MeshModel
internal import MeshSystem

/// Lists the whole disks that have a node in `devroot`, with who they are, who uses them and what is on them. Reads only.
///
/// A disk is found by the number of its node (`/sys/dev/block/M:m`) and shown under the node's name, so a lab can show a loop
/// device as `vdb`.
package struct DiskInventory: Sendable {
    package let sysroot: String
    package let devroot: String
    package let procroot: String
    /// Loop devices are disks in labs and tests only: their backing can be swapped under the same descriptor.
    package let allowLoop: Bool

    package init(sysroot: String = "/sys", devroot: String = "/dev", procroot: String = "/proc", allowLoop: Bool = false) {
        self.sysroot = sysroot
        self.devroot = devroot
        self.procroot = procroot
        self.allowLoop = allowLoop
    }

    /// One fact for each disk, by name. Content that cannot be read is said in the fact and never leaves a disk out.
    package func disks() throws -> [DiskFact] { try candidates().map(fact) }

    /// A node in /dev and what sysfs says of its number.
    struct Candidate: Sendable {
        let name: String
        let node: String
        let disk: SysfsDisk
    }

    func candidates() throws -> [Candidate] {
        var seen: Set<BlockNumber> = []
        let names = (try LinuxFileStore().list(devroot) ?? []).filter { SysfsDisk.kind(of: $0) != .other }
        return names.sorted { ($0.utf8.count, $0) < ($1.utf8.count, $1) }.compactMap { name in
            let node = "\(devroot)/\(name)"
            guard let number = BlockNumber.ofNode(node), !seen.contains(number), let disk = SysfsDisk(number, sysroot: sysroot),
                disk.notWholeDisk == nil, disk.identity.kind != .loop || allowLoop, disk.identity.sizeInBytes > 0
            else { return nil }
            seen.insert(number)
            return Candidate(name: name, node: node, disk: disk)
        }
    }

    private func fact(_ candidate: Candidate) -> DiskFact {
        let disk = candidate.disk
        let users = DiskUsers(procroot: procroot).users(of: disk)
        var fact = DiskFact(
            name: candidate.name, identity: disk.identity, physicalSectorSize: disk.physicalSectorSize, readOnly: disk.readOnly,
            rotational: disk.rotational, writesZeroes: disk.writeZeroesLimit > 0, discards: disk.discardLimit > 0,
            exclusiveOpen: opensExclusively(candidate.node, patiently: users.isEmpty), users: users,
            partitions: disk.partitions.count, signatures: [], blank: false, fingerprint: nil)
        do {
            let content = try content(candidate)
            // The kernel keeps the partitions of a table that is gone until somebody makes it look again.
            fact.partitions = content.blank ? 0 : max(fact.partitions, content.partitions)
            fact.signatures = content.signatures
            fact.blank = content.blank
            fact.fingerprint = content.fingerprint
        } catch let failure as BlockDevice.Failure {
            fact.unreadable = "\(DiskWipeError.device(doing: failure.doing, on: candidate.node, errno: failure.errno))"
        } catch {
            fact.unreadable = "\(error)"
        }
        return fact
    }

    /// Reads the content between two looks at the sequence number, so that it is known whose content it is.
    func content(_ candidate: Candidate) throws -> DiskContent {
        let device = try BlockDevice(candidate.node, .reading)
        let before = try device.facts()
        let wanted = candidate.disk.identity
        guard before.number == candidate.disk.number, before.sequence == wanted.sequence, before.size == wanted.sizeInBytes,
            before.sector == wanted.sectorSize
        else { throw DiskWipeError.changedWhileRead(disk: candidate.name) }
        let content = try DiskContent.examine(device, disk: candidate.name, size: before.size, forgettingCache: false)
        guard try device.facts() == before, SysfsDisk(candidate.disk.number, sysroot: sysroot)?.identity == wanted else {
            throw DiskWipeError.changedWhileRead(disk: candidate.name)
        }
        return content
    }

    /// Held for a moment only, and for reading, so that nobody is kept out and udev does not wake.
    private func opensExclusively(_ node: String, patiently: Bool) -> Bool {
        do throws(BlockDevice.Failure) {
            _ = patiently ? try BlockDevice.exclusive(node, .exclusiveReading) : try BlockDevice(node, .exclusiveReading)
            return true
        } catch {
            return false
        }
    }
}
