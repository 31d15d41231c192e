// SPDX-License-Identifier: Apache-2.0

import MeshModel
import MeshSystem
import Testing

@testable import DiskWipe

/// All tests with loop devices, one after the other: the machine has few of them.
@Suite("disks", .serialized, .enabled(if: Bench.possible, Bench.why))
enum DiskTests {}

extension DiskTests {
    @Suite("inventory", .serialized)
    struct Inventory {
        @Test("an empty disk is blank, and is shown under the name of its node with the image's name as serial")
        func empty() async throws {
            try await Bench.with { bench in
                _ = try await bench.disk()
                let fact = try bench.fact()
                #expect(fact.blank && fact.exclusiveOpen && !fact.readOnly && fact.signatures.isEmpty && fact.unreadable == nil)
                #expect(fact.identity.serial == "vdb-data" && fact.identity.kind == .loop && fact.identity.sizeInBytes == 64 << 20)
                #expect(fact.identity.sequence > 0 && fact.fingerprint != nil && fact.identity.path == "virtual")
            }
        }

        @Test("loop devices are no disks unless that is allowed")
        func loopsAreHidden() async throws {
            try await Bench.with { bench in
                _ = try await bench.disk()
                #expect(try DiskInventory(devroot: "\(bench.directory)/dev").disks().isEmpty)
            }
        }

        @Test("each kind of leftover is told in words a person can judge", arguments: Leftover.all)
        func words(_ leftover: Leftover) async throws {
            try await Bench.with { bench in
                let disk = try await bench.disk(size: 512 << 20)
                try await leftover.make(bench, disk)
                let fact = try bench.fact()
                #expect(!fact.blank)
                for wanted in leftover.words { #expect(fact.signatures.map(\.words).contains(wanted), "\(fact.signatures)") }
            }
        }

        @Test("BlueStore labels are told with OSD, cluster and every place, and never with the key inside")
        func blueStore() async throws {
            try await Bench.with { bench in
                let disk = try await bench.disk(size: 12 << 30)
                for offset in BlueStoreLabel.offsets(onDiskOf: 12 << 30) {
                    try bench.plant(BlueStoreLabel.encode(Bench.label()), at: offset, on: disk)
                }
                let fact = try bench.fact()
                #expect(fact.signatures.map(\.offset) == [0, 1 << 30, 10 << 30])
                #expect(fact.signatures.allSatisfy { $0.kind == "ceph_bluestore" && !$0.words.contains("SECRET") })
                #expect(
                    fact.signatures.first?.words
                        == "BlueStore OSD 3 of cluster fsid 4a1c2f2e-0000-4000-8000-000000000001, created 2026-01-01T00:00:00.000Z, "
                        + "labels at 0, 1 GiB, 10 GiB")
            }
        }

        @Test("a label at 10 GiB alone is found, sound or damaged, and the disk is not blank")
        func lateLabel() async throws {
            try await Bench.with { bench in
                let disk = try await bench.disk(size: 12 << 30)
                var block = BlueStoreLabel.encode(Bench.label())
                block[100] ^= 1
                try bench.plant(block, at: 10 << 30, on: disk)
                let fact = try bench.fact()
                #expect(!fact.blank)
                #expect(fact.signatures.map(\.words) == ["damaged BlueStore label (checksum), label at 10 GiB"])
            }
        }

        @Test("a mounted disk says where, a swapping one that it swaps, and neither opens exclusively")
        func users() async throws {
            try await Bench.with { bench in
                let disk = try await bench.disk(size: 512 << 20)
                try await bench.tool("mkfs.ext4", "-q", disk.loop)
                try await bench.mount(disk)
                let mounted = try bench.fact()
                #expect(mounted.users == ["mounted at \(bench.directory)/mnt (ext4)"] && !mounted.exclusiveOpen)
                let other = try await bench.disk("vdc")
                try await bench.tool("mkswap", other.loop)
                try await bench.tool("swapon", other.loop)
                let swapping = try bench.fact("vdc")
                try await bench.tool("swapoff", other.loop)
                #expect(swapping.users == ["used as swap"] && !swapping.exclusiveOpen)
            }
        }

        @Test("two nodes of one device are one disk")
        func twoNodes() async throws {
            try await Bench.with { bench in
                let disk = try await bench.disk()
                let number = try #require(BlockNumber.ofNode(disk.loop))
                try await bench.tool("mknod", "\(bench.directory)/dev/vdz", "b", String(number.major), String(number.minor))
                #expect(try bench.configuration.inventory.disks().map(\.name) == ["vdb"])
            }
        }

        @Test("the fingerprint follows the content and returns with it")
        func fingerprint() async throws {
            try await Bench.with { bench in
                let disk = try await bench.disk()
                let before = try bench.fact().fingerprint
                try bench.plant([1], at: 700_000, on: disk)
                #expect(try bench.fact().fingerprint != before)
                try bench.plant([0], at: 700_000, on: disk)
                #expect(try bench.fact().fingerprint == before)
            }
        }
    }
}

/// Something that a real tool leaves on a disk.
struct Leftover: Sendable, CustomTestStringConvertible {
    let testDescription: String
    let words: [String]
    let make: @Sendable (Bench, Bench.Disk) async throws -> Void

    static let all: [Leftover] = [
        Leftover(testDescription: "ext4", words: ["ext4 'data01'"]) { try await $0.tool("mkfs.ext4", "-q", "-L", "data01", $1.loop) },
        Leftover(testDescription: "xfs", words: ["xfs 'fast'"]) { try await $0.tool("mkfs.xfs", "-q", "-L", "fast", $1.loop) },
        Leftover(testDescription: "swap", words: ["swap space"]) { try await $0.tool("mkswap", $1.loop) },
        Leftover(testDescription: "LVM without a group", words: ["LVM PV without a volume group"]) {
            try await $0.tool("pvcreate", "-q", "--config", lvm($0, $1), $1.loop)
        },
        Leftover(testDescription: "LVM", words: ["LVM PV of vg0"]) {
            try await $0.tool("pvcreate", "-q", "--config", lvm($0, $1), $1.loop)
            try await $0.tool("vgcreate", "-q", "--config", lvm($0, $1), "vg0", $1.loop)
        },
        Leftover(testDescription: "LUKS2", words: ["LUKS2", "LUKS2 header copy"]) {
            try await $0.tool(
                "cryptsetup", "-q", "luksFormat", "--type", "luks2", "--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000", $1.loop, "-",
                input: Array("secret".utf8))
        },
        Leftover(
            testDescription: "GPT with an ext4 inside",
            words: ["GPT with 2 partitions (first, second)", "backup GPT", "protective MBR", "partition 2 'second': ext4 'inner'"]
        ) { bench, disk in
            try await bench.tool("sgdisk", "-n", "1:2048:+100M", "-c", "1:first", "-n", "2:0:+100M", "-c", "2:second", disk.loop)
            let start = UInt64((100 << 20) + 2048 * 512)
            try await bench.tool("truncate", "-s", "100M", "\(bench.directory)/inner")
            try await bench.tool("mkfs.ext4", "-q", "-L", "inner", "\(bench.directory)/inner")
            try await bench.tool(
                "dd", "if=\(bench.directory)/inner", "of=\(disk.loop)", "bs=1M", "seek=\(start >> 20)", "conv=notrunc,fsync", "status=none")
        },
        Leftover(testDescription: "md 1.2", words: ["mdraid member of 'host:r0'"]) { try $0.plant(mdSuperblock(), at: 4096, on: $1) },
    ]

    /// LVM may only see this one device: the machine's own must not be touched.
    private static func lvm(_ bench: Bench, _ disk: Bench.Disk) -> String {
        "devices{filter=[\"a|^\(disk.loop)$|\",\"r|.*|\"] use_devicesfile=0} activation{udev_sync=0 udev_rules=0} "
            + "global{locking_dir=\"\(bench.directory)\"}"
    }

    /// An md superblock of version 1.2, as libblkid wants it: checksum included.
    private static func mdSuperblock() -> [UInt8] {
        var block = [UInt8](repeating: 0, count: 4096)
        func put(_ value: UInt64, _ count: Int, at offset: Int) {
            for index in 0..<count { block[offset + index] = UInt8(truncatingIfNeeded: value >> UInt64(8 * index)) }
        }
        put(0xa92b_4efc, 4, at: 0)
        put(1, 4, at: 4)
        for index in 0..<16 { block[16 + index] = UInt8(index + 1) }
        for (index, byte) in "host:r0".utf8.enumerated() { block[32 + index] = byte }
        put(1, 4, at: 72)
        put(1, 4, at: 92)
        put(8, 8, at: 144)
        let sum = stride(from: 0, to: 256, by: 4).reduce(UInt64(0)) { total, offset in
            total + (0..<4).reduce(UInt64(0)) { $0 | UInt64(block[offset + $1]) << UInt64(8 * $1) }
        }
        put((sum & 0xffff_ffff) + (sum >> 32), 4, at: 216)
        return block
    }
}
