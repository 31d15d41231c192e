// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import DiskWipe

/// The head of an LVM2 physical volume in memory, each field of which a hostile disk chooses.
struct ForgedVolume {
    var headerStart: UInt32 = 32
    var dataAreas: [(offset: UInt64, size: UInt64)] = [(1 << 20, 0)]
    var area: UInt64 = 4096
    var areaLength: UInt64 = 1 << 20
    var textOffset: UInt64 = 1536
    var textSize: UInt64 = 100
    var text = "vg0 {\nid = \"x\""

    /// At byte 512: label sector; at `area`: header and text, as far as they fit.
    func bytes(count: Int = 16384) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        func put(_ value: [UInt8], at offset: UInt64) {
            for (index, byte) in value.enumerated() {
                let (place, overflow) = offset.addingReportingOverflow(UInt64(index))
                if !overflow, place < UInt64(count) { bytes[Int(place)] = byte }
            }
        }
        put(Array("LABELONE".utf8) + Self.number(1, 8) + Self.number(0, 4) + Self.number(UInt64(headerStart), 4), at: 512)
        put(Array("LVM2 001".utf8), at: 512 + 24)
        let areas = (dataAreas + [(0, 0), (area, areaLength), (0, 0)]).flatMap { Self.number($0.offset, 8) + Self.number($0.size, 8) }
        put(Array("a23456789012345678901234567890bc".utf8) + Self.number(64 << 20, 8) + areas, at: 512 + UInt64(headerStart))
        let header =
            Self.number(0, 4) + Array(" LVM2 x[5A%r0N*>".utf8) + Self.number(1, 4) + Self.number(area, 8) + Self.number(areaLength, 8)
            + Self.number(textOffset, 8) + Self.number(textSize, 8)
        put(header, at: area)
        put(Array(text.utf8), at: area &+ textOffset)
        // LVM's own first value, and no inversion at the end; from the header's place to the end of the sector.
        put(Self.number(UInt64(ForgedChecksum.crc32(bytes[532..<1024], from: 0xf597_a6cf)), 4), at: 512 + 16)
        return bytes
    }

    static func number(_ value: UInt64, _ count: Int) -> [UInt8] { (0..<count).map { UInt8(truncatingIfNeeded: value >> UInt64(8 * $0)) } }
}

/// CRC-32 of IEEE 802.3, as LVM and GPT have it, each with a first value of its own.
enum ForgedChecksum {
    static func crc32(_ bytes: ArraySlice<UInt8>, from first: UInt32) -> UInt32 {
        bytes.reduce(first) { sum, byte in (0..<8).reduce(sum ^ UInt32(byte)) { value, _ in value >> 1 ^ (value & 1) * 0xedb8_8320 } }
    }
}

@Suite("the name of a volume group")
struct VolumeGroupNameTests {
    /// As a disk of this content answers; what lies beyond its end cannot be read.
    private func name(in disk: [UInt8]) -> String? {
        VolumeGroupName.find(label: 512) { offset, count in
            #expect(count <= 512, "a hostile field chose how much is read")
            guard offset <= UInt64(disk.count), UInt64(count) <= UInt64(disk.count) - offset else { return nil }
            return Array(disk[Int(offset)..<Int(offset) + count])
        }
    }

    private func name(_ change: (inout ForgedVolume) -> Void) -> String? {
        var volume = ForgedVolume()
        change(&volume)
        return name(in: volume.bytes())
    }

    @Test("is found where LVM writes it, behind one data area or several")
    func found() {
        #expect(name { _ in } == "vg0")
        #expect(name { $0.dataAreas = [(1 << 20, 0), (2 << 20, 1 << 20)] } == "vg0")
        #expect(name { $0.text = "ceph-4a1c_x.+-9 {\n" } == "ceph-4a1c_x.+-9")
        #expect(name { $0.text = String(repeating: "n", count: 127) + " {" } == String(repeating: "n", count: 127))
    }

    @Test("is absent, and nothing traps, with any field at the edge of its range")
    func edges() {
        let edges: [UInt64] = [0, 1 << 40, 1 << 63, .max, .max - 1, .max - 159, .max - 511, .max - 4096]
        for edge in edges {
            #expect(name { $0.area = edge } == nil, "area \(edge)")
            #expect(name { $0.textOffset = edge } == nil, "text \(edge)")
            for other in edges {
                #expect(
                    name {
                        $0.area = edge
                        $0.areaLength = .max
                        $0.textOffset = other
                    } == nil)
            }
        }
        for edge in [1 << 40, .max] as [UInt64] { #expect(name { $0.areaLength = edge } == nil, "length \(edge)") }
        #expect(name { $0.areaLength = 0 } == nil && name { $0.textSize = 0 } == nil && name { $0.areaLength = 1536 } == nil)
        for start in [481, 512, 1 << 31, .max] as [UInt32] { #expect(name { $0.headerStart = start } == nil, "start \(start)") }
        // Data areas to the end of the sector, and none that ends the list.
        #expect(name { $0.dataAreas = Array(repeating: (.max, .max), count: 40) } == nil)
    }

    @Test("is absent, and nothing traps, on a disk that answers at every offset there can be")
    func endless() {
        let edges: [UInt64] = [1 << 40, 1 << 63, .max - 8191, .max]
        for area in edges {
            for text in edges + [1536] {
                var volume = ForgedVolume()
                volume.area = area
                volume.areaLength = .max
                volume.textOffset = text
                let label = volume.bytes()
                volume.area = 0
                let header = volume.bytes()
                let found = VolumeGroupName.find(label: 512) { offset, count in
                    offset == 512 ? Array(label[512..<1024]) : Array(header[..<count])
                }
                #expect(found == nil, "area \(area), text \(text)")
            }
        }
    }

    @Test(
        "is absent when it is no name: what it would say goes to a person",
        arguments: [
            "", " {", "{", "vg0", "vg0{", "vg0  {", "vg/0 {", "vg\u{1B}[2J {", "vg\u{202E}0 {", "\u{0}vg0 {", "vg0\n{",
            String(repeating: "n", count: 128) + " {", String(repeating: "n", count: 158) + " {",
        ])
    func noName(_ text: String) { #expect(name { $0.text = text } == nil) }

    @Test("is absent or plain with any bytes changed, and nothing traps", arguments: 0..<20)
    func mutated(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        let good = ForgedVolume().bytes(count: 8192)
        var (same, other) = (0, 0)
        for _ in 0..<400 {
            var disk = good
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                // Label sector, header of the metadata area, or its text.
                let (start, length) = [(512, 160), (4096, 64), (5632, 12)][Int.random(in: 0..<3, using: &random)]
                let place = start + Int.random(in: 0..<length, using: &random)
                let run = Int.random(in: 1...8, using: &random)
                let byte = [0, 0xff, 0x7f, 0x80, UInt8.random(in: 0...255, using: &random)][Int.random(in: 0..<5, using: &random)]
                for index in place..<place + run { disk[index] = byte }
            }
            let found = name(in: disk)
            if found == "vg0" { same += 1 } else { other += 1 }
            #expect(found?.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7f } ?? true, "\(String(describing: found))")
        }
        #expect(same > 0 && other > 0, "the changes must be able to do harm, and not all of them")
    }

    @Test("is absent when the disk ends anywhere in between")
    func cut() {
        let disk = ForgedVolume().bytes(count: 8192)
        for end in stride(from: 0, to: 5632 + 160, by: 16) { #expect(name(in: Array(disk[..<end])) == nil, "\(end)") }
        #expect(name(in: disk) == "vg0")
    }
}
