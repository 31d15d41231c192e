// SPDX-License-Identifier: Apache-2.0

import Glibc
import MeshModel
import MeshSystem
import Testing

@Suite("clock, entropy, threads and backoff")
struct SmallPartsTests {
    @Test("both clocks go forward and the wall clock is plausible")
    func clock() {
        let first = SystemClock.now()
        let second = SystemClock.now()
        #expect(second.boot >= first.boot)
        #expect(first.boot > 0)
        #expect(first.wall > Timestamp(seconds: 1_700_000_000))
    }

    @Test("the boot id is stable and well formed")
    func bootID() throws {
        #expect(try SystemClock.bootID() == SystemClock.bootID())
        #expect(try SystemClock.bootID().text.utf8.count == 36)
    }

    @Test("random bytes are as many as asked for and differ")
    func entropy() throws {
        let entropy = KernelEntropy()
        #expect(try entropy.bytes(0).isEmpty)
        #expect(try entropy.bytes(1_000_000).count == 1_000_000)
        #expect(try entropy.hexID() != entropy.hexID())
        #expect(WarrantID(try entropy.hexID()) != nil)
    }

    @Test("work on a thread of its own returns its value or its error, and carries its name")
    func ownThread() async throws {
        let name = try await OwnThread.run(named: "a name longer than fifteen") {
            try LinuxFileStore().read("/proc/thread-self/comm", limit: 64).map { String(decoding: $0, as: UTF8.self) }
        }
        #expect(name == "a name longer t\n")
        await #expect(throws: SystemError.gzip(.truncated)) {
            try await OwnThread.run(named: "fails") { throw SystemError.gzip(.truncated) }
        }
    }

    @Test("waits stay between zero and a ceiling that doubles up to the cap")
    func backoff() {
        var backoff = Backoff(base: .milliseconds(100), cap: .seconds(1))
        var generator = Sequence(state: 1)
        var ceilings: [Duration] = []
        for _ in 0..<7 {
            ceilings.append(backoff.ceiling)
            let ceiling = backoff.ceiling
            let wait = backoff.next(using: &generator)
            #expect(wait >= .zero && wait <= ceiling)
        }
        #expect(ceilings == [100, 200, 400, 800, 1000, 1000, 1000].map { .milliseconds($0) })
        backoff.reset()
        #expect(backoff.ceiling == .milliseconds(100))
    }

    @Test("waits are spread over the whole range, and never overflow however long it fails")
    func jitter() {
        var generator = Sequence(state: 7)
        var backoff = Backoff(base: .seconds(1), cap: .seconds(10))
        for _ in 0..<100 { _ = backoff.next(using: &generator) }
        let waits = (0..<1000).map { _ in backoff.next(using: &generator) }
        #expect(waits.contains { $0 < .seconds(1) })
        #expect(waits.contains { $0 > .seconds(9) })
        #expect(waits.allSatisfy { $0 <= .seconds(10) })
    }
}

/// SplitMix64: the same numbers for the same seed.
private struct Sequence: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }
}
