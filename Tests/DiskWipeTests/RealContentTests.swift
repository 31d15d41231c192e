// SPDX-License-Identifier: Apache-2.0

import MeshModel
import MeshSystem
import Testing

@testable import DiskWipe

extension DiskTests {
    /// Every maker's own tool made it, and every looker's own tool must lose sight of it.
    @Suite(
        "real content", .serialized,
        .enabled(
            if: Finder.has(
                "mkfs.ext4", "mkfs.xfs", "mkfs.btrfs", "mkfs.vfat", "mkswap", "pvcreate", "cryptsetup", "sgdisk", "sfdisk", "mdadm", "gdisk"
            ),
            "needs the makers and lookers that scripts/install-deps.sh installs"))
    struct RealContents {
        @Test("is told in the inventory, and after method labels no tool of Debian finds anything", arguments: RealContent.all)
        func labels(_ content: RealContent) async throws {
            try await Bench.with { bench in
                let disk = try await bench.disk(size: content.size)
                try await content.make(bench, disk)
                for finder in content.seenBy {
                    #expect(try await finder.look(bench, disk) != nil, "\(finder) does not even see it before the wipe")
                }
                let words = try bench.fact().signatures.map(\.words)
                for wanted in content.words { #expect(words.contains(wanted), "\(words)") }
                let report = try await bench.wipe()
                #expect(report.ending == .cleared, "\(report.problem ?? "")")
                let left = try await bench.leftovers(on: disk)
                #expect(left.isEmpty, "\(left)")
                #expect(try bench.fact().blank)
            }
        }

        private static let twoOfThem = RealContent.all.filter { ["ext4", "LUKS1"].contains($0.testDescription) }

        @Test("method zero leaves not one byte of it", arguments: twoOfThem)
        func zero(_ content: RealContent) async throws {
            try await Bench.with { bench in
                let disk = try await bench.disk(size: content.size)
                try await content.make(bench, disk)
                #expect(try await bench.wipe(.zero).ending == .cleared)
                #expect(try await bench.tool("cmp", "-n", String(content.size), disk.image, "/dev/zero").isEmpty)
                let left = try await bench.leftovers(on: disk)
                #expect(left.isEmpty, "\(left)")
            }
        }

        @Test("a blank disk is what all of those tools call empty")
        func blank() async throws {
            try await Bench.with { bench in
                let disk = try await bench.disk()
                let left = try await bench.leftovers(on: disk)
                #expect(left.isEmpty, "\(left)")
            }
        }

        @Test("both mirrors of a btrfs are gone from their own places, which wipefs does not know")
        func btrfsMirrors() async throws {
            try await Bench.with { bench in
                let disk = try await bench.disk(size: 300 << 30)
                try await bench.tool("mkfs.btrfs", "-q", "-K", disk.loop)
                let magic = Array("_BHRfS_M".utf8)
                let places = [64 << 10, 64 << 20, 256 << 30] as [UInt64]
                let before = try places.map { Array(try bench.bytes(of: disk, at: $0, count: 4096)[64..<72]) }
                #expect(before == [magic, magic, magic])
                #expect(try await bench.wipe().ending == .cleared)
                for place in places { #expect(try bench.bytes(of: disk, at: place, count: 4096).allSatisfy { $0 == 0 }) }
            }
        }

        @Test("on sectors of 4 KiB a GPT lies elsewhere, and is found and wiped all the same")
        func largeSectors() async throws {
            try await Bench.with { bench in
                let disk = try await bench.disk(size: 512 << 20)
                try await bench.tool("losetup", "--sector-size", "4096", disk.loop)
                try await bench.tool("sgdisk", "-n", "1:0:+64M", "-c", "1:first", disk.loop)
                try await bench.part(of: disk, at: 1 << 20, length: 64 << 20) { try await bench.tool("mkfs.ext4", "-q", "-L", "inner", $0) }
                let fact = try bench.fact()
                #expect(fact.identity.sectorSize == 4096)
                let wanted = ["protective MBR", "GPT with 1 partition (first)", "partition 1 'first': ext4 'inner'", "backup GPT"]
                #expect(fact.signatures.map(\.words) == wanted)
                #expect(try await bench.wipe().ending == .cleared)
                let left = try await bench.leftovers(on: disk)
                #expect(left.isEmpty, "\(left)")
            }
        }

        @Test("an OSD on a logical volume has its copies 1 MiB behind their usual places, and they go too")
        func insideVolume() async throws {
            try await Bench.with { bench in
                let disk = try await bench.disk(size: 12 << 30)
                try await bench.tool("pvcreate", "-q", "--config", bench.lvm(disk), disk.loop)
                try await bench.tool("vgcreate", "-q", "--config", bench.lvm(disk), "ceph", disk.loop)
                let places = BlueStoreLabel.offsets(onDiskOf: 11 << 30).map { $0 + 1 << 20 }
                for place in places { try bench.plant(BlueStoreLabel.encode(Bench.label()), at: place, on: disk) }
                #expect(try await bench.wipe().ending == .cleared)
                for place in places { #expect(try bench.bytes(of: disk, at: place, count: 4096).allSatisfy { $0 == 0 }) }
            }
        }

        @Test("copies that lie inside of a partition, at their usual distance from its start, go too", arguments: Inner.allCases)
        func insidePartition(_ inner: Inner) async throws {
            try await Bench.with { bench in
                let disk = try await bench.disk(size: 64 << 30)
                try await bench.tool("sgdisk", "-n", "1:2048:+8G", "-n", "2:20G:+40G", disk.loop)
                let places = inner.places.map { 20 << 30 + $0 }
                try await inner.make(bench, disk, at: 20 << 30, length: 40 << 30)
                for place in places { #expect(try bench.bytes(of: disk, at: place, count: 4096).contains { $0 != 0 }) }
                #expect(try await bench.wipe().ending == .cleared)
                let left = try places.filter { try bench.bytes(of: disk, at: $0, count: 4096).contains { $0 != 0 } }
                #expect(!left.contains(places[0]))
                #expect(left.isEmpty, "\(left)")
            }
        }

        enum Inner: String, CaseIterable, Sendable {
            case blueStore, btrfs

            var places: [UInt64] { self == .blueStore ? [0, 1 << 30, 10 << 30] : [64 << 10, 64 << 20] }

            func make(_ bench: Bench, _ disk: Bench.Disk, at start: UInt64, length: UInt64) async throws {
                switch self {
                case .blueStore:
                    for place in places { try bench.plant(BlueStoreLabel.encode(Bench.label()), at: start + place, on: disk) }
                case .btrfs:
                    try await bench.part(of: disk, at: start, length: length) { try await bench.tool("mkfs.btrfs", "-q", "-K", $0) }
                }
            }
        }

        @Test("a file system that other machines share refuses the wipe in whatever partition it lies", arguments: [1, 32, 33, 40])
        func sharedInManyPartitions(_ number: UInt64) async throws {
            try await Bench.with { bench in
                let disk = try await bench.disk(size: 128 << 20)
                let made = try await bench.attempt("sgdisk", (1...40).flatMap { ["-n", "\($0):0:+2M"] } + [disk.loop])
                try #require(made.succeeded)
                let start = (1 << 20) + (number - 1) * (2 << 20)
                try bench.plant([0x0d, 0xd0, 0x01, 0xc0], at: start + (1 << 20), on: disk)
                let envelope = try await bench.sign(try bench.terms(for: try bench.fact()))
                let result = bench.wiper(try bench.openStore()).wipe(envelope)
                guard case .refused(let refusal) = result else { return #expect(Bool(false), "\(result)") }
                #expect(refusal.code == .foreignContent && refusal.detail.contains("other machines"))
            }
        }

        @Test("both headers of a LUKS2 inside of a partition are told apart, as on a whole disk")
        func luksInsidePartition() async throws {
            try await Bench.with { bench in
                let disk = try await bench.disk(size: 128 << 20)
                try await bench.tool("sgdisk", "-n", "1:2048:+100M", disk.loop)
                try await bench.part(of: disk, at: 1 << 20, length: 100 << 20) { try await bench.luksFormat("2", $0, []) }
                let words = try bench.fact().signatures.map(\.words)
                #expect(words.contains("partition 1: LUKS2 header copy"), "\(words)")
                #expect(words.contains("partition 1: LUKS2"), "\(words)")
            }
        }

        @Test("a ZFS device whose rings of uberblocks are full, as after 128 transactions, can be told and wiped", arguments: [32, 128])
        func zfsWithFullRings(_ uberblocks: Int) async throws {
            try await Bench.with { bench in
                let disk = try await bench.disk(size: 64 << 20)
                for piece in ForgedSuperblock.zfs(size: 64 << 20, uberblocks: uberblocks) {
                    try bench.plant(piece.bytes, at: piece.offset, on: disk)
                }
                #expect(try bench.fact().unreadable == nil)
                #expect(try await bench.wipe().ending == .cleared)
                let left = try await bench.leftovers(on: disk)
                #expect(left.isEmpty, "\(left)")
            }
        }
    }
}
