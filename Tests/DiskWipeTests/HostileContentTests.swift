// SPDX-License-Identifier: Apache-2.0

import MeshModel
import Testing

@testable import DiskWipe

extension DiskTests {
    /// Whoever wrote a disk chose each byte of it, and the wiper that reads it is root: whatever is there, the disk is told, in plain words
    /// and within bounds, and never as blank.
    @Suite("hostile content", .serialized)
    struct HostileContent {
        private static let size: UInt64 = 64 << 20
        private static let edges: [UInt64] = [0, 1, 2048, size / 512, 1 << 31, 0xffff_ffff, 1 << 32, 1 << 55, 1 << 63, .max - 1, .max]

        /// What must hold of any disk that is not empty.
        private func examine(_ bench: Bench, _ what: String) throws -> DiskFact {
            let fact = try bench.fact()
            #expect(!fact.blank, "\(what)")
            #expect((fact.unreadable == nil) == (fact.fingerprint != nil) && fact.signatures.count <= 256, "\(what)")
            for signature in fact.signatures {
                #expect(signature.offset < Self.size, "\(what): \(signature)")
                let isPlain = signature.words.unicodeScalars.allSatisfy { $0.value >= 0x20 && !(0x7f...0x9f).contains($0.value) }
                #expect(isPlain && signature.words.utf8.count < 1000, "\(what): \(signature)")
            }
            // What would be signed can be written down and read again.
            _ = WarrantTerms.holds(fact.signatures)
            return fact
        }

        private func clear(_ bench: Bench, _ disk: Bench.Disk) throws {
            for offset in [0, Self.size - (1 << 20)] { try bench.plant([UInt8](repeating: 0, count: 1 << 20), at: offset, on: disk) }
        }

        @Test("an LVM volume whose areas and sizes are anything is told as one, with or without a name")
        func volume() async throws {
            try await Bench.with { bench in
                let disk = try await bench.disk(size: Self.size)
                try bench.plant(ForgedVolume().bytes(), at: 0, on: disk)
                #expect(try examine(bench, "as it should be").signatures.map(\.words) == ["LVM PV of vg0"])
                let changes: [(String, (inout ForgedVolume, UInt64) -> Void)] = [
                    ("area", { $0.area = $1 }), ("length", { $0.areaLength = $1 }), ("text", { $0.textOffset = $1 }),
                    ("start", { $0.headerStart = UInt32(truncatingIfNeeded: $1) }), ("data", { $0.dataAreas = [($1, $1), (.max, $1)] }),
                ]
                for (name, change) in changes {
                    for edge in Self.edges {
                        var volume = ForgedVolume()
                        change(&volume, edge)
                        try clear(bench, disk)
                        try bench.plant(volume.bytes(), at: 0, on: disk)
                        let fact = try examine(bench, "\(name) \(edge)")
                        // A header at the very start of the sector lies over the label itself.
                        if name != "start" || edge >= 32 && edge < 1 << 32 {
                            #expect(fact.signatures.first?.words.hasPrefix("LVM PV ") == true, "\(name) \(edge): \(fact.signatures)")
                        }
                    }
                }
            }
        }

        @Test("an MBR whose partitions begin and end anywhere, and lead into each other, is told with what it claims")
        func masterBootRecord() async throws {
            try await Bench.with { bench in
                let disk = try await bench.disk(size: Self.size)
                let edges = [0, 1, 2048, Self.size / 512 - 1, Self.size / 512, 0x7fff_ffff, 0xffff_ffff]
                for type in [0x83, 0x05, 0x0f, 0xee, 0xef, 0xa5] as [UInt8] {
                    for start in edges {
                        for length in edges {
                            var sector = [UInt8](repeating: 0, count: 512)
                            for entry in 0..<4 {
                                let bytes = [0, 0, 0, 0, type, 0, 0, 0] + ForgedVolume.number(start, 4) + ForgedVolume.number(length, 4)
                                sector.replaceSubrange(446 + 16 * entry..<446 + 16 * (entry + 1), with: bytes)
                            }
                            sector[510] = 0x55
                            sector[511] = 0xaa
                            try bench.plant(sector, at: 0, on: disk)
                            _ = try examine(bench, "type \(type), start \(start), length \(length)")
                        }
                    }
                }
            }
        }

        @Test("a GPT with any field of its header or entries out of range is told, and no finding lies beyond the disk")
        func partitionTable() async throws {
            try await Bench.with { bench in
                let disk = try await bench.disk(size: Self.size)
                let good = ForgedTable()
                try bench.plant(good.bytes, at: 0, on: disk)
                let fact = try examine(bench, "as it should be")
                #expect(fact.signatures.contains { $0.words.hasPrefix("GPT with 1 partition") }, "\(fact.signatures)")
                for field in ForgedTable.Field.allCases {
                    for edge in Self.edges {
                        var table = ForgedTable()
                        table.set(field, edge)
                        try clear(bench, disk)
                        try bench.plant(table.bytes, at: 0, on: disk)
                        _ = try examine(bench, "\(field) \(edge)")
                    }
                }
            }
        }

        @Test("any of them with bytes changed at random, a right checksum included, is told too", arguments: 0..<4)
        func mutated(seed: UInt64) async throws {
            try await Bench.with { bench in
                let disk = try await bench.disk(size: Self.size)
                var random = SeededGenerator(seed: seed)
                let volume = ForgedVolume().bytes(count: 8192)
                let raid = ForgedSuperblock.md1(minor: 1, size: Self.size).bytes
                let label = BlueStoreLabel.encode(Bench.label())
                let table = ForgedTable().bytes
                for round in 0..<60 {
                    var bytes = [volume, raid, label, table][round % 4]
                    let inhabited = bytes.indices.filter { bytes[$0] != 0 }
                    for _ in 0..<Int.random(in: 1...12, using: &random) {
                        let near = inhabited[Int.random(in: 0..<inhabited.count, using: &random)] + Int.random(in: 0..<16, using: &random)
                        bytes[min(near, bytes.count - 1)] =
                            [0, 0xff, UInt8.random(in: 0...255, using: &random)].randomElement(using: &random) ?? 0
                    }
                    if round % 4 == 3 { ForgedTable.seal(&bytes) }
                    bytes[1023] |= 1
                    try clear(bench, disk)
                    try bench.plant(bytes, at: 0, on: disk)
                    _ = try examine(bench, "round \(round)")
                }
            }
        }
    }
}

/// A GPT with one partition, each number of which a hostile disk chooses; its checksums are always right.
private struct ForgedTable {
    /// Offset and width of a number, in bytes from the header at 512, or from the entry at 1024.
    enum Field: CaseIterable {
        case headerSize, own, alternate, firstUsable, lastUsable, entries, count, entrySize, start, end

        var place: (offset: Int, width: Int) {
            switch self {
            case .headerSize: (512 + 12, 4)
            case .own: (512 + 24, 8)
            case .alternate: (512 + 32, 8)
            case .firstUsable: (512 + 40, 8)
            case .lastUsable: (512 + 48, 8)
            case .entries: (512 + 72, 8)
            case .count: (512 + 80, 4)
            case .entrySize: (512 + 84, 4)
            case .start: (1024 + 32, 8)
            case .end: (1024 + 40, 8)
            }
        }
    }

    private var raw: [UInt8]

    init() {
        raw = [UInt8](repeating: 0, count: 1024 + 128 * 128)
        raw.replaceSubrange(446..<462, with: [0, 0, 0, 0, 0xee, 0, 0, 0] + ForgedVolume.number(1, 4) + ForgedVolume.number(131_071, 4))
        raw[510] = 0x55
        raw[511] = 0xaa
        raw.replaceSubrange(512..<524, with: Array("EFI PART".utf8) + [0, 0, 1, 0])
        raw.replaceSubrange(568..<584, with: Array(1...16))
        raw.replaceSubrange(1024..<1056, with: Array(17...48))
        raw.replaceSubrange(1080..<1088, with: [100, 0, 97, 0, 116, 0, 97, 0])
        for (field, value) in [
            (.headerSize, 92), (.own, 1), (.alternate, 131_071), (.firstUsable, 34), (.lastUsable, 131_038), (.entries, 2), (.count, 128),
            (.entrySize, 128), (.start, 2048), (.end, 65_535),
        ] as [(Field, UInt64)] { set(field, value) }
    }

    mutating func set(_ field: Field, _ value: UInt64) {
        let (offset, width) = field.place
        raw.replaceSubrange(offset..<offset + width, with: ForgedVolume.number(value, width))
    }

    var bytes: [UInt8] {
        var bytes = raw
        Self.seal(&bytes)
        return bytes
    }

    /// Both checksums, over what the header says that they are over, as far as it is there.
    static func seal(_ bytes: inout [UInt8]) {
        func number(_ offset: Int, _ width: Int) -> UInt64 { (0..<width).reduce(0) { $0 | UInt64(bytes[offset + $1]) << UInt64(8 * $1) } }
        let (length, overflow) = number(592, 4).multipliedReportingOverflow(by: number(596, 4))
        let entries = overflow ? 0 : Int(min(length, UInt64(bytes.count - 1024)))
        bytes.replaceSubrange(600..<604, with: ForgedVolume.number(UInt64(checksum(bytes[1024..<1024 + entries])), 4))
        bytes.replaceSubrange(528..<532, with: [0, 0, 0, 0])
        let header = Int(min(number(524, 4), 512))
        bytes.replaceSubrange(528..<532, with: ForgedVolume.number(UInt64(checksum(bytes[512..<512 + header])), 4))
    }

    private static func checksum(_ bytes: ArraySlice<UInt8>) -> UInt32 { ~ForgedChecksum.crc32(bytes, from: .max) }
}
