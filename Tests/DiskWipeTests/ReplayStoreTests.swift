// SPDX-License-Identifier: Apache-2.0

import Glibc
import MeshModel
import MeshSystem
import MeshTrust
import Testing

@testable import DiskWipe

@Suite("replay store")
struct ReplayStoreTests {
    private let boot = BootID("01234567-89ab") ?? Bench.unreachable()

    private func id(_ number: Int) -> WarrantID { WarrantID(String(Digest.sha256([UInt8(number)]).hex.prefix(32))) ?? Bench.unreachable() }

    /// A directory that goes away; armed unless told otherwise.
    private func with(armed: Bool = true, _ body: (String) throws -> Void) throws {
        let directory = "/tmp/meshgate-store-\(try KernelEntropy().hexID(byteCount: 6))"
        try LinuxFileStore().createDirectory(directory)
        defer {
            for name in (try? LinuxFileStore().list(directory)) ?? [] { unlink("\(directory)/\(name)") }
            rmdir(directory)
        }
        if armed { try ReplayStore.arm(directory: directory) }
        try body(directory)
    }

    private let nowhere = ReplayStoreID(String(repeating: "0", count: 32)) ?? Bench.unreachable()

    private func mark(_ store: ReplayStore) throws -> ReplayStoreID { try #require(store.mark?.id) }

    private func claimOnce(_ directory: String, _ id: WarrantID, sequence: UInt64, boot: BootID) throws {
        let store = try ReplayStore(directory: directory)
        try store.claim(id, in: try mark(store), sequence: sequence, boot: boot)
    }

    /// Three claims: done, failed, interrupted.
    private func fill(_ directory: String) throws {
        let store = try ReplayStore(directory: directory)
        for (number, kind) in [ReplayRecord.Kind.done, .failed, .interrupted].enumerated() {
            try store.claim(id(number), in: try mark(store), sequence: 7, boot: boot)
            try store.end(id(number), kind, offset: 4096)
        }
    }

    @Test("a store that is not there is disarmed, and arming makes one")
    func arming() throws {
        try with(armed: false) { directory in
            #expect(try ReplayStore(directory: directory).disarmedBecause?.contains("wipe arm NODE") == true)
            try ReplayStore.arm(directory: directory)
            #expect(try ReplayStore(directory: directory).disarmedBecause == nil)
        }
    }

    @Test("arming a sound store changes nothing; a damaged or vanished one is not armed without a signature")
    func armingTwice() throws {
        try with { directory in
            try fill(directory)
            try ReplayStore.arm(directory: directory)
            #expect(try ReplayStore(directory: directory).fate(of: id(0)) == .done)
            try LinuxFileStore().write([1, 2, 3], to: "\(directory)/records")
            #expect(throws: DiskWipeError.self) { try ReplayStore.arm(directory: directory) }
            try LinuxFileStore().remove("\(directory)/records")
            #expect(throws: DiskWipeError.self) { try ReplayStore.arm(directory: directory) }
            #expect(try ReplayStore(directory: directory).disarmedBecause != nil)
        }
    }

    @Test("what was claimed is remembered with its end, and never claimed again")
    func memory() throws {
        try with { directory in
            try fill(directory)
            let store = try ReplayStore(directory: directory)
            #expect(store.fates == [id(0): .done, id(1): .failed, id(2): .interrupted(afterBytes: 4096)])
            for number in 0..<3 {
                #expect(throws: DiskWipeError.self) { try store.claim(id(number), in: try mark(store), sequence: 7, boot: boot) }
            }
            #expect(store.disarmedBecause == nil)
        }
    }

    @Test("a claim without an end is interrupted at the next start, once")
    func crash() throws {
        try with { directory in
            try claimOnce(directory, id(1), sequence: 7, boot: boot)
            for _ in 0..<2 { #expect(try ReplayStore(directory: directory).fate(of: id(1)) == .interrupted(afterBytes: nil)) }
            #expect(try LinuxFileStore().read("\(directory)/records", limit: 4096)?.count == 3 * ReplayRecord.size)
        }
    }

    @Test("a crash between a record and its head is repaired, in either order nothing is forgotten")
    func staleHead() throws {
        try with { directory in
            let head = try #require(try LinuxFileStore().read("\(directory)/head", limit: 128))
            try claimOnce(directory, id(1), sequence: 7, boot: boot)
            try LinuxFileStore().write(head, to: "\(directory)/head")
            let store = try ReplayStore(directory: directory)
            #expect(store.disarmedBecause == nil && store.fate(of: id(1)) == .interrupted(afterBytes: nil))
        }
    }

    @Test("cut at any length, the store is disarmed")
    func truncated() throws {
        try with { directory in
            try fill(directory)
            let records = try #require(try LinuxFileStore().read("\(directory)/records", limit: 1 << 20))
            for length in Array(stride(from: 0, to: records.count, by: 61)) + Array(stride(from: 0, to: records.count, by: 256)) {
                try LinuxFileStore().write(Array(records.prefix(length)), to: "\(directory)/records")
                let store = try ReplayStore(directory: directory)
                #expect(store.disarmedBecause != nil, "\(length) bytes")
                #expect(throws: DiskWipeError.self) { try store.claim(id(9), in: nowhere, sequence: 1, boot: boot) }
            }
        }
    }

    @Test("with any byte flipped, the store is disarmed")
    func flipped() throws {
        try with { directory in
            try fill(directory)
            let records = try #require(try LinuxFileStore().read("\(directory)/records", limit: 1 << 20))
            let head = (count: UInt64(records.count / 256), head: try #require(Digest(Array(records.suffix(32)))))
            #expect(throws: Never.self) { try ReplayHistory(replaying: records, expected: head) }
            for index in records.indices {
                var damaged = records
                damaged[index] ^= UInt8(1 << (index % 8))
                #expect(throws: ReplayHistory.Broken.self, "byte \(index)") { try ReplayHistory(replaying: damaged, expected: head) }
            }
        }
    }

    @Test("an old copy put back, or a head file gone or damaged, disarms", arguments: ["head", "no head", "old copy", "other store"])
    func rollback(_ what: String) throws {
        try with { directory in
            let files = LinuxFileStore()
            let old = try #require(try files.read("\(directory)/records", limit: 4096))
            try fill(directory)
            switch what {
            case "head": try files.write(Array("7 00\n".utf8), to: "\(directory)/head")
            case "no head": try files.remove("\(directory)/head")
            case "old copy": try files.write(old, to: "\(directory)/records")
            default:
                try with { other in
                    try fill(other)
                    try files.write(try #require(try files.read("\(other)/records", limit: 4096)), to: "\(directory)/records")
                }
            }
            #expect(try ReplayStore(directory: directory).disarmedBecause != nil)
        }
    }

    @Test("two processes cannot have one store")
    func exclusive() throws {
        try with { directory in
            let store = try ReplayStore(directory: directory)
            #expect(throws: SystemError.self) { _ = try ReplayStore(directory: directory) }
            #expect(store.disarmedBecause == nil)
        }
    }

    @Test("random walks: any events in any order, and no id is ever claimed twice", arguments: 0..<20)
    func walk(_ seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        try with { directory in
            var claimed: Set<WarrantID> = []
            var store: ReplayStore? = try ReplayStore(directory: directory)
            for _ in 0..<40 {
                let id = id(Int.random(in: 0..<6, using: &random))
                switch Int.random(in: 0..<4, using: &random) {
                case 0:
                    let fresh = (try? store?.claim(id, in: store?.mark?.id ?? nowhere, sequence: 1, boot: boot)) != nil
                    #expect(fresh == claimed.insert(id).inserted)
                case 1: _ = try? store?.end(id, .done, offset: 1)
                case 2: _ = try? store?.end(id, .failed, offset: 1)
                default:
                    store = nil
                    store = try ReplayStore(directory: directory)
                }
                #expect(store?.disarmedBecause == nil)
                #expect(Set(store.map { Array($0.fates.keys) } ?? []) == claimed)
            }
        }
    }
}

/// SplitMix64: the same numbers for the same seed.
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64
    init(seed: UInt64) { state = seed }
    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ mixed >> 30) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ mixed >> 27) &* 0x94d0_49bb_1331_11eb
        return mixed ^ mixed >> 31
    }
}
