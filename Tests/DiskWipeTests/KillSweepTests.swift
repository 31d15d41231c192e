// SPDX-License-Identifier: Apache-2.0

import MeshModel
import Testing

@testable import DiskWipe

extension DiskTests {
    /// The wiper dies at every single call that leaves something behind, on the disk or in the store.
    @Suite(
        "sweep of kills", .serialized, .enabled(if: Finder.has("strace", "sgdisk"), "needs strace and sgdisk"),
        .enabled(if: !SweptProcess.isHere))
    struct KillSweep {
        private static let leavingSomething = [SweptCall.pwrite64, .write, .renameat, .fsync]

        @Test(
            "killed at any write, sync or rename: the store tells it truthfully, nothing is resumed, and the warrant is spent if it was claimed",
            arguments: [WarrantTerms.Method.labels, .zero, .discardVerify])
        func everyWrite(_ method: WarrantTerms.Method) async throws {
            try await Bench.with { bench in
                let wipe = try await SweptWipe(bench)
                try await wipe.sign(method)
                let counts = try await wipe.count().calls
                // The device's zeroing and discarding are ioctls among many that only ask.
                let calls = Self.leavingSomething + (FaultSweep.isLong ? [.ioctl] : [])
                var fates: [String: Int] = [:]
                for call in calls {
                    for place in 1...max(1, counts[call] ?? 0) {
                        let outcome = try await wipe.run(call, "signal=KILL", at: place)
                        let told = "\(method.rawValue) killed at \(call.rawValue) \(place) of \(counts[call] ?? 0)"
                        #expect(outcome.died, "\(told): \(outcome)")
                        let wrong = try wipe.judge(outcome)
                        #expect(wrong.isEmpty, "\(told): \(wrong)")
                        let fate = try wipe.fate()
                        #expect(
                            fate == nil || fate == .done || fate == .interrupted(afterBytes: nil), "\(told): \(String(describing: fate))")
                        fates[fate?.description ?? "never claimed", default: 0] += 1
                    }
                }
                print("sweep of kills: \(method.rawValue): \(fates)")
                #expect(fates.count == 3, "every fate must have been met: \(fates)")
            }
        }
    }
}
