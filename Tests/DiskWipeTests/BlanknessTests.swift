// SPDX-License-Identifier: Apache-2.0

import LocalLink
import MeshModel
import MeshSystem
import MeshTrust
import Testing

@testable import DiskWipe

@Suite("where a seed says to look")
struct SampleTests {
    @Test("a share of the disk at least, one piece from each run, within the disk, another choice for another seed")
    func sample() {
        for (size, share) in [(UInt64(1) << 30, 10), (12 << 30, 10), ((7 << 20) + 512, 30), (100 << 20, 1), (64 << 20, 100)] {
            let areas = Array(DiskLayout.sample(size, share: share, seed: .sha256([1])))
            let bytes = areas.reduce(UInt64(0)) { $0 + $1.length }
            #expect(Double(bytes) * 100 >= Double(size / (1 << 20) * (1 << 20)) * Double(share) * 0.999, "\(size) \(share)")
            #expect(areas.allSatisfy { $0.offset + $0.length <= size && $0.offset % (1 << 20) == 0 })
            #expect(zip(areas, areas.dropFirst()).allSatisfy { $0.offset < $1.offset })
        }
        let (one, other) = (
            DiskLayout.sample(1 << 30, share: 10, seed: .sha256([1])), DiskLayout.sample(1 << 30, share: 10, seed: .sha256([2]))
        )
        #expect(!one.elementsEqual(other) && one.elementsEqual(DiskLayout.sample(1 << 30, share: 10, seed: .sha256([1]))))
        #expect(DiskLayout.sample(1 << 30, share: 0, seed: .zero).isEmpty && DiskLayout.sample(1000, share: 10, seed: .zero).isEmpty)
    }

    @Test("both ends are 64 MiB, do not overlap, and are the whole of a small disk")
    func ends() {
        let (head, tail) = DiskLayout.ends(1 << 30)
        #expect(head == [.init(offset: 0, length: 64 << 20)] && tail == [.init(offset: (1 << 30) - (64 << 20), length: 64 << 20)])
        let small = DiskLayout.ends(10 << 20)
        #expect(small.head == [.init(offset: 0, length: 10 << 20)] && small.tail.isEmpty)
        let between = DiskLayout.ends(100 << 20)
        #expect(between.head.first?.length == 64 << 20)
    }
}

extension DiskTests {
    @Suite("proof of blankness", .serialized)
    struct Blankness {
        private func proof(_ bench: Bench, share: Int, seed: UInt8 = 1, stop: StopSignal = StopSignal()) throws -> BlanknessFact {
            let check = BlanknessCheck(disk: try bench.fact().identity, share: share)
            return BlanknessProof(
                inventory: bench.configuration.inventory, witness: HypervisorWitness(root: "/nowhere"), manners: WipeManners(), stop: stop,
                progress: { _, _ in }
            )
            .take(check, seed: .sha256([seed]))
        }

        @Test("a zeroed disk is proven, with counts and hashes for each part")
        func zeroed() async throws {
            try await Bench.with { bench in
                _ = try await bench.disk(size: 512 << 20)
                let fact = try proof(bench, share: 10)
                #expect(fact.isProof && fact.strata.map(\.name) == ["head", "tail", "labels", "sample"])
                let sample = try #require(fact.strata.last)
                #expect(sample.ranges == 52 && sample.bytes == 52 << 20)
                #expect(sample.sha256 == Digest.sha256([UInt8](repeating: 0, count: 52 << 20)))
            }
        }

        @Test("one byte at an end is always found; one in the middle by every seed that looks there")
        func residue() async throws {
            try await Bench.with { bench in
                let disk = try await bench.disk(size: 512 << 20)
                try bench.plant([1], at: 40 << 20, on: disk)
                let head = try proof(bench, share: 10)
                #expect(!head.isProof && head.strata.first?.firstNonzero == 40 << 20)
                try bench.plant([0], at: 40 << 20, on: disk)
                try bench.plant([1], at: 300 << 20, on: disk)
                let found = try (0..<30).filter { try !proof(bench, share: 10, seed: UInt8($0)).isProof }
                let wanted = (0..<30).filter { seed in
                    DiskLayout.sample(512 << 20, share: 10, seed: .sha256([UInt8(seed)])).contains { $0.offset == 300 << 20 }
                }
                #expect(found == wanted && !wanted.isEmpty)
                #expect(try !proof(bench, share: 100).isProof)
                #expect(try proof(bench, share: 0).isProof)
            }
        }

        @Test("a disk that is in use, another one, or a wiper that stops gives no proof and says why")
        func problems() async throws {
            try await Bench.with { bench in
                let disk = try await bench.disk(size: 64 << 20)
                let holder = try BlockDevice(disk.node, .exclusiveReading)
                #expect(try proof(bench, share: 10).problem?.contains("busy") == true)
                _ = holder
            }
            try await Bench.with { bench in
                _ = try await bench.disk(size: 64 << 20)
                let stop = StopSignal()
                stop.set()
                #expect(try proof(bench, share: 10, stop: stop).problem?.contains("stopping") == true)
                var identity = try bench.fact().identity
                identity.sequence += 1
                let check = BlanknessCheck(disk: identity, share: 10)
                let fact = BlanknessProof(
                    inventory: bench.configuration.inventory, witness: HypervisorWitness(root: "/nowhere"), manners: WipeManners(),
                    stop: StopSignal(), progress: { _, _ in }
                ).take(check, seed: .zero)
                #expect(fact.problem?.contains("disk sequence") == true && !fact.isProof)
            }
        }
    }

    @Suite("strata, pace and turns", .serialized)
    struct Manners {
        @Test("verification in strata reads both ends and the labels, with hashes, and the whole disk is zero all the same")
        func strata() async throws {
            try await Bench.with { bench in
                let disk = try await bench.disk(size: 512 << 20)
                try bench.plant([1], at: 300 << 20, on: disk)
                let envelope = try await bench.sign(try bench.terms(for: try bench.fact(), method: .zero) { $0.verification = .strata })
                let report = try Bench.report(bench.wiper(try bench.openStore()).wipe(envelope))
                #expect(report.ending == .cleared && report.strata.map(\.name) == ["head", "tail", "labels"])
                #expect(report.strata.allSatisfy { $0.sha256 != nil } && report.bytesVerified < 512 << 20)
                #expect(try await bench.tool("cmp", "-n", String(512 << 20), disk.image, "/dev/zero").isEmpty)
            }
        }

        @Test("with a rate, a wipe takes at least the time that the rate gives")
        func rate() async throws {
            try await Bench.with { bench in
                _ = try await bench.disk(size: 64 << 20)
                let envelope = try await bench.sign(try bench.terms(for: try bench.fact(), method: .zero))
                let began = ContinuousClock.now
                let wiper = bench.wiper(try bench.openStore()) { $0.manners = WipeManners(priority: .idle, rate: 128 << 20) }
                #expect(try Bench.report(wiper.wipe(envelope)).ending == .cleared)
                #expect(ContinuousClock.now - began >= .milliseconds(900))
            }
        }

        @Test("a stop is heard while a slow wipe waits for its pace")
        func stopInPace() async throws {
            try await Bench.with { bench in
                _ = try await bench.disk(size: 64 << 20)
                let envelope = try await bench.sign(try bench.terms(for: try bench.fact(), method: .zero))
                let stop = StopSignal()
                let wiper = bench.wiper(try bench.openStore()) { $0.manners = WipeManners(rate: 1 << 10) }
                let report = try Bench.report(wiper.wipe(envelope, stop: stop) { _, _, _ in stop.set() })
                #expect(report.ending == .interrupted && report.bytesWritten == 1 << 20)
            }
        }
    }
}
