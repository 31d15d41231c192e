// SPDX-License-Identifier: Apache-2.0

import LocalLink
import MeshModel
import MeshSystem
import Testing

@testable import DiskWipe

extension DiskTests {
    @Suite("wipe", .serialized)
    struct Wipe {
        @Test("method labels leaves nothing that wipefs or blkid finds", arguments: Leftover.all)
        func labels(_ leftover: Leftover) async throws {
            try await Bench.with { bench in
                let disk = try await bench.disk(size: 512 << 20)
                try await leftover.make(bench, disk)
                let before = try bench.fact().signatures
                let report = try await bench.wipe()
                #expect(report.ending == .cleared && report.problem == nil && report.signaturesBefore == before)
                #expect(report.bytesWritten == report.areas.reduce(0) { $0 + $1.length } && report.bytesVerified == report.bytesWritten)
                #expect(try await bench.tool("wipefs", "--noheadings", disk.loop).isEmpty)
                let fact = try bench.fact()
                #expect(fact.blank && fact.signatures.isEmpty && fact.partitions == 0)
            }
        }

        @Test(
            "all five places of a BlueStore label that fit are cleared on a disk of 12 GiB, and content elsewhere is left by method labels")
        func blueStore() async throws {
            try await Bench.with { bench in
                let disk = try await bench.disk(size: 12 << 30)
                let offsets = BlueStoreLabel.offsets(onDiskOf: 12 << 30)
                for offset in offsets { try bench.plant(BlueStoreLabel.encode(Bench.label()), at: offset, on: disk) }
                try bench.plant([7], at: 3 << 30, on: disk)
                let report = try await bench.wipe()
                #expect(report.ending == .cleared && report.signaturesBefore.count == 3)
                for offset in offsets { #expect(try bench.bytes(of: disk, at: offset, count: 4 << 20).allSatisfy { $0 == 0 }) }
                #expect(try bench.bytes(of: disk, at: 3 << 30, count: 4096).first == 7)
                #expect(try bench.fact().blank)
            }
        }

        @Test("methods zero and discard+verify leave no byte", arguments: [WarrantTerms.Method.zero, .discardVerify])
        func everyByte(_ method: WarrantTerms.Method) async throws {
            try await Bench.with { bench in
                let disk = try await bench.disk(size: (64 << 20) + 512)
                for offset in stride(from: UInt64(0), to: 64 << 20, by: 1 << 20) { try bench.plant([0xff], at: offset + 12_345, on: disk) }
                let report = try await bench.wipe(method)
                #expect(report.ending == .cleared && report.bytesVerified == (64 << 20) + 512)
                let zero = try await bench.tool("cmp", "-n", String((64 << 20) + 512), disk.image, "/dev/zero")
                #expect(zero.isEmpty)
            }
        }

        @Test("a blank disk can be wiped too, and its fingerprint stays")
        func blank() async throws {
            try await Bench.with { bench in
                _ = try await bench.disk(size: 1 << 20)
                let before = try bench.fact()
                #expect(try await bench.wipe(.zero).ending == .cleared)
                #expect(try bench.fact().fingerprint == before.fingerprint)
            }
        }

        @Test("a stop asked for in the middle ends the wipe as interrupted, recorded, and the warrant is spent")
        func interrupted() async throws {
            try await Bench.with { bench in
                _ = try await bench.disk(size: 256 << 20)
                let envelope = try await bench.sign(try bench.terms(for: try bench.fact(), method: .zero))
                let stop = StopSignal()
                let store = try bench.openStore()
                let report = try Bench.report(bench.wiper(store).wipe(envelope, stop: stop) { _, bytes, _ in if bytes > 0 { stop.set() } })
                #expect(report.ending == .interrupted && report.bytesWritten > 0 && report.bytesWritten < 256 << 20)
                #expect(store.fate(of: report.warrant) == .interrupted(afterBytes: report.bytesWritten))
                guard case .refused(let refusal) = bench.wiper(store).wipe(envelope) else { return #expect(Bool(false)) }
                #expect(refusal.code == .warrantInterrupted && refusal.detail.contains("interrupted after"))
            }
        }

        @Test("bytes that somebody writes behind the wiper are noticed, and the wipe is not called cleared")
        func rogueWriter() async throws {
            try await Bench.with { bench in
                let disk = try await bench.disk(size: 256 << 20)
                let envelope = try await bench.sign(try bench.terms(for: try bench.fact(), method: .zero))
                let report = try Bench.report(
                    bench.wiper(try bench.openStore()).wipe(envelope) { _, bytes, total in
                        if bytes == total / 2 { try? bench.plant([9], at: 100 << 20, on: disk) }
                    })
                #expect(report.ending == .failed && report.problem?.contains("byte \(100 << 20) does not read as zero") == true)
            }
        }
    }
}
