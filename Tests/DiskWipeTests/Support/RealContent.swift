// SPDX-License-Identifier: Apache-2.0

import MeshSystem
import Testing

@testable import DiskWipe

/// What a real maker leaves on a disk: how to make it, the words of our inventory for it, and the tools that find it while it is there.
struct RealContent: Sendable, CustomTestStringConvertible {
    let testDescription: String
    var size: UInt64 = 512 << 20
    let words: [String]
    var seenBy: Set<Finder> = [.wipefs, .blkid]
    let make: @Sendable (Bench, Bench.Disk) async throws -> Void

    static let all: [RealContent] = fileSystems + volumes + encrypted + raids + tables

    private static let fileSystems: [RealContent] = [
        RealContent(testDescription: "ext4", words: ["ext4 'data01'"], seenBy: [.wipefs, .blkid, .dumpe2fs]) {
            try await $0.tool("mkfs.ext4", "-q", "-L", "data01", $1.loop)
        },
        RealContent(testDescription: "xfs", words: ["xfs 'fast'"]) { try await $0.tool("mkfs.xfs", "-q", "-L", "fast", $1.loop) },
        RealContent(testDescription: "btrfs with its mirror at 64 MiB", words: ["btrfs 'pool'"], seenBy: [.wipefs, .blkid, .btrfs]) {
            try await $0.tool("mkfs.btrfs", "-q", "-L", "pool", $1.loop)
        },
        RealContent(
            testDescription: "btrfs with its mirrors at 64 MiB and 256 GiB", size: 300 << 30, words: ["btrfs 'pool'"],
            seenBy: [.wipefs, .blkid, .btrfs]
        ) { try await $0.tool("mkfs.btrfs", "-q", "-K", "-L", "pool", $1.loop) },
        RealContent(testDescription: "swap", words: ["swap space 'more'"], seenBy: [.wipefs, .blkid, .swaplabel]) {
            try await $0.tool("mkswap", "-L", "more", $1.loop)
        },
        RealContent(testDescription: "vfat", words: ["vfat 'STICK'"]) { try await $0.tool("mkfs.vfat", "-I", "-n", "STICK", $1.loop) },
    ]

    private static let volumes: [RealContent] =
        (0...3).map { sector in
            RealContent(
                testDescription: "LVM label in sector \(sector)", words: ["LVM PV without a volume group"], seenBy: [.wipefs, .blkid, .pvs]
            ) { try await $0.tool("pvcreate", "-q", "--config", $0.lvm($1), "--labelsector", String(sector), $1.loop) }
        } + [
            RealContent(
                testDescription: "LVM of a group, its text at both ends", words: ["LVM PV of vg0"],
                seenBy: [.wipefs, .blkid, .pvs, .pvck, .pvckAtTheEnd]
            ) {
                try await $0.tool("pvcreate", "-q", "--config", $0.lvm($1), "--pvmetadatacopies", "2", $1.loop)
                try await $0.tool("vgcreate", "-q", "--config", $0.lvm($1), "vg0", $1.loop)
            }
        ]

    private static func luks(_ version: String, _ words: [String], _ more: String...) -> RealContent {
        let name = (["LUKS\(version)"] + more).joined(separator: " ")
        return RealContent(testDescription: name, words: words, seenBy: [.wipefs, .blkid, .cryptsetup]) { bench, disk in
            try await bench.luksFormat(version, disk.loop, more)
        }
    }

    private static let encrypted: [RealContent] = [
        luks("1", ["LUKS1"]),
        luks("2", ["LUKS2", "LUKS2 header copy"]),
        luks("2", ["LUKS2", "LUKS2 header copy"], "--luks2-metadata-size", "4m", "--luks2-keyslots-size", "16m"),
        RealContent(
            testDescription: "LUKS2 whose first header is gone and whose second lies at 4 MiB", words: ["LUKS2 header copy"],
            seenBy: [.wipefs, .blkid, .cryptsetup]
        ) { bench, disk in
            try await bench.luksFormat("2", disk.loop, ["--luks2-metadata-size", "4m", "--luks2-keyslots-size", "16m"])
            try bench.plant([UInt8](repeating: 0, count: 4096), at: 0, on: disk)
        },
    ]

    private static func forged(_ name: String, _ words: [String], _ finders: Set<Finder>, _ pieces: @escaping @Sendable (UInt64) -> [Piece])
        -> RealContent
    {
        let size: UInt64 = 64 << 20 + 40_960
        return RealContent(testDescription: name, size: size, words: words, seenBy: finders) { bench, disk in
            for piece in pieces(size) { try bench.plant(piece.bytes, at: piece.offset, on: disk) }
        }
    }
    private typealias Piece = ForgedSuperblock.Piece

    private static let raids: [RealContent] =
        (0...2).map { minor in
            forged("md 1.\(minor)", ["mdraid member of 'host:r0'"], [.wipefs, .blkid, .mdadm]) {
                [ForgedSuperblock.md1(minor: minor, size: $0)]
            }
        } + [
            forged("md 0.90", ["mdraid member"], [.wipefs, .blkid, .mdadm]) { [ForgedSuperblock.md090(size: $0)] },
            forged("ZFS labels at all four places", ["ZFS member"], [.wipefs, .blkid]) { ForgedSuperblock.zfs(size: $0, uberblocks: 8) },
            forged("the last two labels of ZFS", ["ZFS member"], [.wipefs, .blkid]) {
                Array(ForgedSuperblock.zfs(size: $0, uberblocks: 8).suffix(2))
            },
        ]

    private static let tables: [RealContent] = [
        RealContent(
            testDescription: "GPT with file systems inside",
            words: [
                "GPT with 4 partitions (first, second, third, fourth)", "backup GPT", "protective MBR", "partition 1 'first': ext4 'inner'",
                "partition 2 'second': LUKS2 header copy", "partition 3 'third': mdraid member of 'host:r0'",
                "partition 4 'fourth': swap space 'deep'",
            ], seenBy: [.wipefs, .blkid, .gdisk, .sfdisk]
        ) { bench, disk in
            let names = ["first", "second", "third", "fourth"]
            let script = names.enumerated().flatMap { ["-n", "\($0 + 1):0:+80M", "-c", "\($0 + 1):\($1)"] }
            #expect(try await bench.attempt("sgdisk", script + [disk.loop]).succeeded)
            let length: UInt64 = 80 << 20
            let start = { (number: UInt64) in 1 << 20 + (number - 1) * length }
            try await bench.part(of: disk, at: start(1), length: length) { try await bench.tool("mkfs.ext4", "-q", "-L", "inner", $0) }
            try await bench.part(of: disk, at: start(2), length: length) {
                try await bench.luksFormat("2", $0, ["--luks2-metadata-size", "4m", "--luks2-keyslots-size", "16m"])
            }
            let member = ForgedSuperblock.md1(minor: 0, size: length)
            try bench.plant(member.bytes, at: start(3) + member.offset, on: disk)
            try await bench.part(of: disk, at: start(4), length: length) { try await bench.tool("mkswap", "-L", "deep", $0) }
        },
        RealContent(
            testDescription: "MBR with file systems inside, also in a logical partition",
            words: ["MBR with 4 partitions", "partition 1: ext4 'inner'", "partition 5: btrfs 'deep'"],
            seenBy: [.wipefs, .blkid, .gdisk, .sfdisk, .mdadm]
        ) { bench, disk in
            let script = "label: dos\nstart=2048, size=64M, type=83\nsize=64M, type=82\ntype=5\nsize=128M, type=83\n"
            try await bench.tool("sfdisk", "-q", "--no-reread", "--no-tell-kernel", disk.loop, input: Array(script.utf8))
            try await bench.part(of: disk, at: 1 << 20, length: 64 << 20) { try await bench.tool("mkfs.ext4", "-q", "-L", "inner", $0) }
            try await bench.part(of: disk, at: 130 << 20, length: 128 << 20) { try await bench.tool("mkfs.btrfs", "-q", "-L", "deep", $0) }
        },
    ]
}

extension Bench {
    func luksFormat(_ version: String, _ device: String, _ more: [String]) async throws {
        let environment = ["PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"]
        let fixed = ["-q", "luksFormat", "--type", "luks\(version)", "--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000"]
        let result = try await ProcessCommandRunner().run(
            Invocation(
                "cryptsetup", fixed + more + [device, "-"], environment: environment, standardInput: Array("secret".utf8),
                deadline: .seconds(60)))
        try #require(result.succeeded, "\(result.errorText)")
    }
}
