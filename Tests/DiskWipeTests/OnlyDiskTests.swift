// SPDX-License-Identifier: Apache-2.0

import Glibc
import MeshModel
import MeshSystem
import Testing

@testable import DiskWipe

/// A machine must start from something: its only disk is taken for that, whatever the warrant says. The machines here are a /sys and a
/// /dev of plain files with nodes whose numbers no driver has, so that nothing can be opened, let alone written.
@Suite("the only disk of a machine", .enabled(if: geteuid() == 0, "needs root to make device nodes"))
struct OnlyDiskTests {
    private final class Machine {
        let path: String
        init() throws {
            path = "/tmp/meshgate-only-\(getpid())-\(try KernelEntropy().hexID(byteCount: 6))"
            try LinuxFileStore().createDirectory(path)
            for directory in ["/sys", "/sys/dev", "/sys/dev/block", "/dev", "/proc"] {
                try LinuxFileStore().createDirectory(path + directory)
            }
        }

        deinit { Self.remove(path) }

        private static func remove(_ path: String) {
            var status = stat()
            guard lstat(path, &status) == 0 else { return }
            if status.st_mode & S_IFMT == S_IFDIR {
                for name in (try? LinuxFileStore().list(path)) ?? [] { remove(path + "/" + name) }
                rmdir(path)
            } else {
                unlink(path)
            }
        }

        /// A disk of 64 GiB as sysfs shows it, and its node. Majors from 384 on are given to nobody.
        func add(_ name: String, minor: Int, attributes: [String: String] = [:]) throws {
            let number = "400:\(minor)"
            let directory = "\(path)/sys/devices/pci0000:00/0000:00:0\(minor).0/virtio\(minor)/block/\(name)"
            var made = path + "/sys"
            for part in directory.dropFirst(made.count).split(separator: "/") {
                made += "/" + part
                try LinuxFileStore().createDirectory(made)
            }
            for folder in ["queue", "holders", "slaves", "loop", "device"] {
                try LinuxFileStore().createDirectory(directory + "/" + folder)
            }
            let usual = [
                "dev": number, "size": "134217728", "ro": "0", "removable": "0", "serial": "\(name)-data", "diskseq": String(minor),
                "queue/logical_block_size": "512", "queue/zoned": "none", "loop/backing_file": "/images/\(name)-data.img",
            ]
            for (file, text) in usual.merging(attributes, uniquingKeysWith: { $1 }) {
                try LinuxFileStore().write(Array((text + "\n").utf8), to: directory + "/" + file)
            }
            try #require(symlink(directory, "\(path)/sys/dev/block/\(number)") == 0)
            try #require(mknod("\(path)/dev/\(name)", S_IFBLK | 0o600, dev_t(400) << 8 | dev_t(minor)) == 0)
        }

        var inventory: DiskInventory {
            DiskInventory(sysroot: path + "/sys", devroot: path + "/dev", procroot: path + "/proc", allowLoop: true)
        }

        /// Why a warrant for this disk, as it is, does not get it.
        func refusal(_ name: String) throws -> TaskRefusal? {
            let candidate = try #require(try inventory.candidates().first { $0.name == name })
            do throws(Refused) {
                _ = try HeldDisk.hold(candidate.disk.identity, inventory: inventory)
                return nil
            } catch {
                return error.refusal
            }
        }
    }

    @Test("is refused, by name and with the reason, although the warrant describes it rightly")
    func alone() throws {
        let machine = try Machine()
        try machine.add("vda", minor: 1)
        let refusal = try machine.refusal("vda")
        #expect(refusal?.code == .onlyDisk)
        #expect(refusal?.detail == "vda is the only disk of this machine, so it is taken for the one that it starts from")
    }

    @Test("is no longer the only one beside a second, and then goes on to be opened")
    func beside() throws {
        let machine = try Machine()
        try machine.add("vda", minor: 1)
        try machine.add("vdb", minor: 2)
        // These nodes have no driver, so opening is what fails.
        for name in ["vda", "vdb"] { #expect(try machine.refusal(name)?.code == .noSuchDisk, "\(name)") }
    }

    @Test("stays the only one beside what is no disk: a partition, an empty slot, a node that sysfs does not know, a stacked device")
    func noDisks() throws {
        let machine = try Machine()
        try machine.add("vda", minor: 1)
        try machine.add("vdb", minor: 2, attributes: ["size": "0"])
        try machine.add("vdc", minor: 3, attributes: ["partition": "1"])
        try machine.add("vdd", minor: 4, attributes: ["slaves/dm-0": ""])
        try machine.add("dm-5", minor: 5)
        try #require(mknod("\(machine.path)/dev/vde", S_IFBLK | 0o600, dev_t(400) << 8 | 6) == 0)
        #expect(try machine.inventory.candidates().map(\.name) == ["vda"])
        #expect(try machine.refusal("vda")?.code == .onlyDisk)
    }

    @Test("is counted once however many nodes it has")
    func twoNodes() throws {
        let machine = try Machine()
        try machine.add("vda", minor: 1)
        try #require(mknod("\(machine.path)/dev/vdz", S_IFBLK | 0o600, dev_t(400) << 8 | 1) == 0)
        #expect(try machine.refusal("vda")?.code == .onlyDisk)
    }

    @Test("of a lab may be wiped: a loop device starts no machine")
    func loop() throws {
        let machine = try Machine()
        try machine.add("loop7", minor: 7)
        #expect(try machine.refusal("loop7")?.code == .noSuchDisk)
    }

    @Test("that is unfit besides is refused for that, and another disk that is not there is not confused with it")
    func otherReasons() throws {
        let machine = try Machine()
        try machine.add("vda", minor: 1, attributes: ["ro": "1"])
        #expect(try machine.refusal("vda")?.code == .readOnly)
        var other = try #require(try machine.inventory.candidates().first).disk.identity
        other.serial = "another"
        other.path = "elsewhere"
        other.sequence = 99
        #expect(throws: Refused.self) { try HeldDisk.hold(other, inventory: machine.inventory) }
        do {
            _ = try HeldDisk.hold(other, inventory: machine.inventory)
        } catch {
            #expect(error.refusal.code == .noSuchDisk)
        }
    }

    @Test(
        "is another one than its sister namespace, which shares the drive's serial and has a wwid of its own; two ways to one wwid stay doubtful"
    )
    func namespaces() throws {
        let machine = try Machine()
        func add(_ name: String, _ minor: Int, _ wwid: String?) throws {
            try machine.add(
                name, minor: minor,
                attributes: ["device/serial": "S64ANS0T"].merging(wwid.map { ["wwid": $0] } ?? [:], uniquingKeysWith: { $1 }))
        }
        try add("nvme0n1", 1, "eui.01")
        try add("nvme0n2", 2, "eui.02")
        let second = try #require(try machine.inventory.candidates().first { $0.name == "nvme0n2" }).disk.identity
        #expect(second.wwid == "eui.02" && second.serial == "S64ANS0T")
        #expect(try DiskMatch.find(second, among: try machine.inventory.candidates()).name == "nvme0n2")
        // A third that does not tell its wwid might be it.
        try add("nvme0n3", 3, nil)
        var refusal = #expect(throws: Refused.self) { try DiskMatch.find(second, among: try machine.inventory.candidates()) }
        #expect(refusal?.refusal.code == .ambiguousDisk)

        let other = try Machine()
        for (name, minor) in [("nvme0n1", 1), ("nvme1n1", 2)] {
            try other.add(name, minor: minor, attributes: ["device/serial": "S64ANS0T", "wwid": "eui.01"])
        }
        let either = try #require(try other.inventory.candidates().first).disk.identity
        refusal = #expect(throws: Refused.self) { try DiskMatch.find(either, among: try other.inventory.candidates()) }
        #expect(refusal?.refusal.code == .ambiguousDisk)
    }
}
