// SPDX-License-Identifier: Apache-2.0

import MeshModel
import Testing

@testable import DiskWipe

/// A label that ceph-osd 16.2.15 itself wrote (`--mkfs` with whoami 7): not our own idea of the format.
@Suite("a real BlueStore label")
struct RealBlueStoreLabelTests {
    static let hex = [
        "626c756573746f726520626c6f636b206465766963650a31313131313131312d323232322d343333332d383434342d3535353535353535353535350a",
        "0201eb010000111111112222433384445555555555550000008000000000790a046bde625837040000006d61696e0d0000000a00000062666d5f626c",
        "6f636b73060000003532343238381200000062666d5f626c6f636b735f7065725f6b6579030000003132381300000062666d5f62797465735f706572",
        "5f626c6f636b04000000343039360800000062666d5f73697a650a0000003231343734383336343806000000626c7565667301000000310900000063",
        "6570685f667369642400000034613163326632652d303030302d343030302d383030302d30303030303030303030303119000000636570685f766572",
        "73696f6e5f7768656e5f6372656174656450000000636570682076657273696f6e2031362e322e313520283631386634343038393230383939323163",
        "33653934346139393131323264646334346536303531362920706163696669632028737461626c65290a000000637265617465645f61741b00000032",
        "3032362d31312d32335430393a34323a31392e3837343436365a0a0000006b765f6261636b656e6407000000726f636b736462050000006d61676963",
        "1400000063657068206f736420766f6c756d652076303236090000006d6b66735f646f6e650300000079657305000000726561647905000000726561",
        "64790600000077686f616d690100000037c9a4253f",
    ].joined()

    @Test("what Ceph wrote is read: OSD, cluster, size, time")
    func parsed() throws {
        let bytes = try #require(decodeHex(Self.hex))
        let label = try #require(try BlueStoreLabel(parsing: bytes))
        #expect(label.osd == "7" && label.clusterID == "4a1c2f2e-0000-4000-8000-000000000001" && label.sizeInBytes == 2 << 30)
        #expect(label.description == "main" && label.meta["ready"] == "ready" && label.meta.count == 13)
        #expect(
            label.words == "BlueStore OSD 7 of cluster fsid 4a1c2f2e-0000-4000-8000-000000000001, created 2026-11-23T09:42:17.000Z")
    }

    @Test("what we encode is, for the same values, byte for byte what Ceph wrote but for the nanoseconds and the checksum")
    func encoded() throws {
        let real = try #require(decodeHex(Self.hex))
        let label = try #require(try BlueStoreLabel(parsing: real))
        var ours = BlueStoreLabel.encode(label)
        let nanoseconds = 60 + 6 + 16 + 8 + 4
        ours.replaceSubrange(nanoseconds..<nanoseconds + 4, with: real[nanoseconds..<nanoseconds + 4])
        #expect(Array(ours.prefix(real.count - 4)) == Array(real.dropLast(4)))
        #expect(CRC32C.checksum(real.dropLast(4)) == real.suffix(4).reversed().reduce(0) { $0 << 8 | UInt32($1) })
    }
}
