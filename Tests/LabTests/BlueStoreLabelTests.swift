// SPDX-License-Identifier: Apache-2.0

import MeshModel
import Testing

@testable import Lab

@Suite("BlueStore labels that the lab plants")
struct BlueStoreLabelTests {
    private var label: BlueStoreLabel {
        .osd(
            3, ofCluster: "5f0cf8a4-8d2b-4f6e-9c1c-0f3f1d2a7b11", uuid: Array(0..<16), size: 12 << 30,
            bornAt: Timestamp(milliseconds: 1_700_000_000_250))
    }

    @Test("the checksum is CRC-32C without a final xor")
    func checksum() {
        // The check value of CRC-32C is E3069283 with the final xor that Ceph leaves out.
        #expect(crc32c(Array("123456789".utf8)) ^ .max == 0xE306_9283)
        #expect(crc32c([]) == .max)
    }

    @Test("a block is 4 KiB, begins with magic and uuid in 60 bytes of text, and proves itself")
    func layout() {
        let block = label.block
        #expect(block.count == 4096)
        #expect(String(decoding: block.prefix(60), as: UTF8.self) == "bluestore block device\n00010203-0405-0607-0809-0a0b0c0d0e0f\n")
        #expect(block[60] == 2 && block[61] == 1)
        #expect(Array(block[66..<82]) == Array(0..<16))
        #expect(BlueStoreLabel.isGenuine(block))
    }

    @Test("one changed bit anywhere in it is noticed")
    func damaged() {
        let block = label.block
        let end = 66 + Int(block[62]) + Int(block[63]) << 8 + 4
        for place in stride(from: 0, to: end, by: 7) {
            var damaged = block
            damaged[place] ^= 1
            #expect(!BlueStoreLabel.isGenuine(damaged), "bit at \(place)")
        }
        #expect(!BlueStoreLabel.isGenuine(Array(repeating: 0, count: 4096)))
    }

    @Test("it is planted at every place that the disk reaches, and nowhere else")
    func places() throws {
        let directory = try Scratch()
        let image = directory.path + "/disk.img"
        try LabDisks.makeSparse(image, size: 11 << 30)
        try LabDisks.plant(label, on: image, size: 11 << 30)
        for offset in [0, 1 << 30, 10 << 30] as [UInt64] {
            #expect(BlueStoreLabel.isGenuine(try LabDisks.block(of: image, at: offset)))
        }
        #expect(!BlueStoreLabel.isGenuine(try LabDisks.block(of: image, at: 4096)))
        #expect(throws: LabError.self) { try LabDisks.makeSparse(image, size: 4096) }
    }
}
