// SPDX-License-Identifier: Apache-2.0

import DiskWipe
import Glibc
import MeshModel

/// Disks that somebody uses, or that cannot be written: refused, and not a byte is different afterwards.
extension Stage {
    /// An active logical volume on the disk.
    func volume() async throws {
        try await lvm("pvcreate", "/dev/vdb")
        try await lvm("vgcreate", "data", "/dev/vdb")
        try await lvm("lvcreate", "-y", "-Zn", "-Wn", "-L", "32M", "-n", "db", "data")
        try await expectHeld(by: "held by dm-0", holding: "LVM2_member")
    }

    /// Half of a mirror.
    func array() async throws {
        try await machine.tool(
            "mdadm", "--create", "/dev/md0", "--run", "--level=1", "--raid-devices=2", "--metadata=1.2", "--bitmap=none",
            "/dev/vdb", "missing")
        // A fifth of a second after its last write an array writes once more, that it is clean.
        try await settled { RawDisk("md0").attribute("md/array_state") }
        try await expectHeld(by: "held by md0", holding: "linux_raid_member")
    }

    /// A file system on a partition that the kernel itself found.
    func mounted() async throws {
        try await machine.tool("sgdisk", "-n", "1:1M:0", "-c", "1:data", "/dev/vdb")
        try await mountFirstPartition()
        try await expectHeld(by: "vdb1 mounted at /mnt (ext4)", holding: "gpt")
    }

    /// One medium seen as two disks, and mounted through the second: the kernel calls the first free, only the serial tells.
    func twins() async throws {
        _ = try machine.disk(named: "vdc")
        try await machine.tool("mke2fs", "-q", "-t", "ext4", "-E", "lazy_itable_init=0,lazy_journal_init=0", "/dev/vdc")
        try await machine.tool("mount", "-t", "ext4", "/dev/vdc", "/mnt")
        sync()
        let disk = try machine.disk(named: "vdb")
        checks.expect(disk.exclusiveOpen && disk.users.isEmpty, "the kernel calls the first free", "\(disk)")
        checks.expect(disk.signatures.contains { $0.kind == "ext4" }, "what the second got is seen through the first", "\(disk.signatures)")
        try await expectRefused(disk, .zero, .ambiguousDisk, saying: "vdb, vdc")
    }

    /// A volume group on one partition and a file system on another: refused while either is in use, and wiped once both are let go.
    func released() async throws {
        try await machine.tool("sgdisk", "-n", "1:1M:+64M", "-n", "2:100M:0", "/dev/vdb")
        try await mountFirstPartition()
        try await lvm("pvcreate", "/dev/vdb2")
        try await lvm("vgcreate", "data", "/dev/vdb2")
        try await lvm("lvcreate", "-y", "-Zn", "-Wn", "-L", "32M", "-n", "db", "data")
        let used = try machine.disk("DISK-1")
        checks.expect(used.partitions == 2, "two partitions", "\(used.partitions)")
        try await expectRefused(used, .labels, .inUse, saying: "vdb1 mounted at /mnt (ext4); vdb2 held by dm-0")
        try await machine.tool("umount", "/mnt")
        try await expectRefused(try machine.disk("DISK-1"), .labels, .inUse, saying: "vdb is in use: vdb2 held by dm-0")
        try await lvm("vgchange", "-an", "data")
        sync()
        let free = try machine.disk("DISK-1")
        checks.expect(free.exclusiveOpen && free.users.isEmpty, "the inventory has it for itself again", "\(free.users)")
        try await expectCleared(free, .labels)
        let after = try machine.disk("DISK-1")
        say("# partitions that the kernel still shows after the wipe: \(after.partitions)")
        try await machine.tool("blockdev", "--rereadpt", "/dev/vdb")
        checks.expect(try machine.disk("DISK-1").partitions == 0, "the kernel, asked again, finds no partition")
        let volumes = try await lvm("pvs", "--noheadings")
        checks.expect(!volumes.contains("data"), "LVM finds no volume group", volumes)
    }

    /// A drive that QEMU itself opened for reading only.
    func locked() async throws {
        let disk = try machine.disk("DISK-1")
        checks.expect(disk.readOnly, "the inventory calls it read-only")
        try await expectRefused(disk, .zero, .readOnly, saying: "vdb is read-only")
    }

    /// With everything that ext4 would do later done at once, so that the image comes to rest.
    private func mountFirstPartition() async throws {
        for _ in 0..<100 where access("/dev/vdb1", F_OK) != 0 { poll(nil, 0, 50) }
        try await machine.tool("mke2fs", "-q", "-t", "ext4", "-E", "lazy_itable_init=0,lazy_journal_init=0", "/dev/vdb1")
        try await machine.tool("mount", "-t", "ext4", "/dev/vdb1", "/mnt")
        try await machine.tool("dd", "if=/dev/urandom", "of=/mnt/file", "bs=1M", "count=4", "conv=fsync")
    }

    @discardableResult
    private func lvm(_ command: String, _ arguments: String...) async throws -> String {
        let config = ["--config", "activation { udev_sync=0 udev_rules=0 } devices { use_devicesfile=0 }"]
        return try await machine.tool("lvm", [command, "-q"] + config + arguments)
    }

    private func expectHeld(by words: String, holding kind: String) async throws {
        sync()
        let disk = try machine.disk("DISK-1")
        checks.expect(!disk.exclusiveOpen, "the inventory cannot have it for itself")
        checks.expect(disk.users.contains(words), "the inventory says \"\(words)\"", "\(disk.users)")
        checks.expect(disk.signatures.contains { $0.kind == kind }, "the inventory finds \(kind)", "\(disk.signatures)")
        for method in WarrantTerms.Method.allCases { try await expectRefused(disk, method, .inUse, saying: words) }
    }

    private func settled(_ state: () -> String) async throws {
        for _ in 0..<100 {
            if ["clean", "read-auto", "readonly"].contains(state()) { return }
            poll(nil, 0, 50)
        }
        throw Stuck("the array does not come to rest: \(state())")
    }
}
