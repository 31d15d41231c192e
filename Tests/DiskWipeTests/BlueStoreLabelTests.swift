// SPDX-License-Identifier: Apache-2.0

import MeshModel
import Testing

@testable import DiskWipe

@Suite("BlueStore label")
struct BlueStoreLabelTests {
    @Test("CRC-32C with Ceph's seed and without a final inversion")
    func checksum() {
        // The well-known check value e3069283 is the inverted one.
        #expect(~CRC32C.checksum(Array("123456789".utf8)) == 0xe306_9283)
        #expect(CRC32C.checksum([]) == 0xffff_ffff)
    }

    @Test("what is encoded is parsed again, and fills one block")
    func roundTrip() throws {
        let block = BlueStoreLabel.encode(Bench.label())
        #expect(block.count == 4096)
        #expect(try BlueStoreLabel(parsing: block) == Bench.label())
        #expect(String(decoding: block.prefix(60), as: UTF8.self) == "bluestore block device\n01020304-0506-0708-090a-0b0c0d0e0f10\n")
    }

    @Test("other content is no label, and anything that begins like one counts as one")
    func recognition() throws {
        #expect(try BlueStoreLabel(parsing: [UInt8](repeating: 0, count: 4096)) == nil)
        #expect(throws: BlueStoreLabel.Damage.truncated) { try BlueStoreLabel(parsing: Array("bluestore block device".utf8)) }
    }

    @Test("cut at any length it is damaged, never more than that")
    func truncated() {
        let block = BlueStoreLabel.encode(Bench.label())
        let length = block.lastIndex { $0 != 0 } ?? 0
        for end in 22...length { #expect(throws: BlueStoreLabel.Damage.self) { try BlueStoreLabel(parsing: Array(block.prefix(end))) } }
    }

    @Test("with any bit of the body flipped it is damaged")
    func flipped() {
        let block = BlueStoreLabel.encode(Bench.label())
        let length = block.lastIndex { $0 != 0 } ?? 0
        for index in 22...length {
            var damaged = block
            damaged[index] ^= UInt8(1 << (index % 8))
            #expect(throws: BlueStoreLabel.Damage.self, "byte \(index)") { try BlueStoreLabel(parsing: damaged) }
        }
    }

    @Test("random bytes behind the magic, with a right checksum too, never trap")
    func fuzz() {
        var random = SeededGenerator(seed: 1)
        for _ in 0..<5000 {
            var block = Array(BlueStoreLabel.encode(Bench.label()).prefix(60))
            var body = (0..<Int.random(in: 0...200, using: &random)).map { _ in UInt8.random(in: 0...255, using: &random) }
            if Bool.random(using: &random), body.count > 30 { body.replaceSubrange(24..<28, with: [UInt8(body.count % 9), 0, 0, 0]) }
            block += [2, 1] + (0..<4).map { UInt8(truncatingIfNeeded: body.count >> (8 * $0)) } + body
            let sum = CRC32C.checksum(block)
            block += (0..<4).map { UInt8(truncatingIfNeeded: sum >> (8 * UInt32($0))) }
            _ = try? BlueStoreLabel(parsing: block)
        }
    }

    @Test("hostile text of a label cannot reach a terminal")
    func hostileText() throws {
        var label = Bench.label()
        label.meta["whoami"] = "3\u{1b}[2J\u{202e}\n"
        label.meta["ceph_fsid"] = String(repeating: "x", count: 1000)
        let words = try #require(try BlueStoreLabel(parsing: BlueStoreLabel.encode(label))).words
        #expect(words.utf8.allSatisfy { $0 >= 0x20 && $0 < 0x7f } && words.utf8.count < 160)
    }
}

@Suite("disk layout")
struct DiskLayoutTests {
    private static let sizes: [UInt64] = [
        1 << 20, (1 << 20) + 512, 5 << 20, 64 << 20, (64 << 20) + 4096, 1 << 30, 12 << 30, 256 << 30, 2000 << 30,
    ]

    @Test("areas lie on the disk, ascend, do not overlap and begin at whole sectors", arguments: sizes)
    func areas(_ size: UInt64) {
        for areas in [DiskLayout.probeAreas(size), DiskLayout.labelAreas(size: size, around: [0x438, 3 << 20, size - 512, size + 5])] {
            #expect(areas.first?.offset == 0 && areas.last.map { $0.offset + $0.length } == size)
            #expect(areas.allSatisfy { $0.length > 0 && $0.offset % 4096 == 0 && $0.length % 512 == 0 })
            #expect(zip(areas, areas.dropFirst()).allSatisfy { $0.offset + $0.length < $1.offset })
        }
        #expect(DiskLayout.sampleBlocks(size).count == 64 && DiskLayout.sampleBlocks(size).allSatisfy { $0.offset + 4096 <= size })
        #expect(DiskLayout.sampleBlocks(size) == DiskLayout.sampleBlocks(size))
    }

    @Test("every place where something can survive is covered", arguments: sizes)
    func covered(_ size: UInt64) {
        let areas = DiskLayout.labelAreas(size: size, around: [])
        // BlueStore, btrfs, md 1.2/1.1, LVM, LUKS at the head; md 0.90 (64 KiB), 1.0 (8 KiB), ZFS (512 KiB) and GPT at the tail.
        let places =
            DiskLayout.labelOffsets + DiskLayout.mirrorOffsets + [0x438, 0x1000, 0x10040, 512 << 10]
            + [512, 8 << 10, 64 << 10, 512 << 10].map { size - $0 }
        for place in places where place + 4096 <= size || place >= size - 4096 && place < size {
            #expect(areas.contains { $0.offset <= place && place + min(4096, size - place) <= $0.offset + $0.length }, "\(place)")
        }
    }

    @Test("offsets are said as people say them")
    func words() {
        #expect([0, 512, 64 << 20, 10 << 30, 1000 << 30].map(DiskLayout.words) == ["0", "512", "64 MiB", "10 GiB", "1000 GiB"])
    }
}

@Suite("names of disks")
struct DiskNameTests {
    @Test("only whole disks of known kinds")
    func kinds() {
        #expect(SysfsDisk.kind(of: "vdb") == .virtio && SysfsDisk.kind(of: "sdaa") == .scsi)
        #expect(SysfsDisk.kind(of: "nvme0n1") == .nvme && SysfsDisk.kind(of: "loop12") == .loop)
        for name in ["vdb1", "sda1", "nvme0n1p1", "nvme0", "dm-0", "md0", "sr0", "zram0", "ram0", "nbd0", "loop", "loop-control", "vd", ""]
        {
            #expect(SysfsDisk.kind(of: name) == .other, "\(name)")
        }
    }

    @Test("a serial is printable text without blanks, or none")
    func serials() {
        #expect(SysfsDisk.plain("  WD-1234  ") == "WD-1234" && SysfsDisk.plain("t10.ATA     QEMU  1") == "t10.ATA_QEMU_1")
        for text in [nil, "", "   ", "-", "a\u{7f}b", "ü", "a\nb"] { #expect(SysfsDisk.plain(text) == nil) }
    }

    @Test("the name of a volume group is read within bounds only")
    func volumeGroup() {
        var random = SeededGenerator(seed: 2)
        for _ in 0..<2000 {
            let bytes =
                Array("LABELONE".utf8) + (0..<504).map { _ in Bool.random(using: &random) ? 0 : UInt8.random(in: 0...255, using: &random) }
            #expect(VolumeGroupName.find(label: 512) { offset, count in offset < 1 << 20 ? Array(bytes.prefix(count)) : nil } == nil)
        }
    }
}
