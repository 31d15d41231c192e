// SPDX-License-Identifier: Apache-2.0

import Glibc
import MeshModel
import Testing

@testable import DiskWipe

extension DiskTests {
    /// Hundreds of faults, one for each wipe, at places taken from a wipe without any: not one may be followed by a false word.
    @Suite(
        "sweep of faults", .serialized, .enabled(if: Finder.has("strace", "sgdisk"), "needs strace and sgdisk"),
        .enabled(if: !SweptProcess.isHere))
    struct FaultSweep {
        static let isLong = getenv("MESHGATE_LONG_TESTS").map { String(cString: $0) } == "1"

        /// What goes wrong with a call. A `retval` is a lie: the kernel did nothing and says that it did; a `+` lasts from then on.
        private static let faults: [(SweptCall, [String])] = [
            (
                .pwrite64,
                ["error=EIO", "error=ENOSPC", "error=ENOMEM", "error=EBUSY", "retval=4194304", "retval=512", "retval=0", "error=EIO+"]
            ),
            (.fsync, ["error=EIO", "error=ENOSPC", "error=EDQUOT", "error=EIO+"]),
            (.write, ["error=EIO", "error=ENOSPC", "error=ENOMEM", "error=ENOSPC+"]),
            (.renameat, ["error=EIO", "error=ENOSPC", "error=EROFS"]),
            (.ioctl, ["error=EIO", "error=EOPNOTSUPP", "error=EIO+", "retval=0", "error=ENOMEM", "error=EBUSY"]),
            (.openat, ["error=EIO", "error=EMFILE", "error=ENOENT", "error=ENOMEM", "error=EBUSY", "error=EACCES"]),
            (.pread64, ["error=EIO", "error=EIO+", "retval=0", "error=ENOMEM", "error=EAGAIN"]),
            (.read, ["error=EIO", "error=EIO+", "retval=0", "error=ENOMEM", "error=EISDIR"]),
            (.flock, ["error=EIO", "error=ENOLCK"]),
            (.fcntl, ["error=EIO", "error=ENOMEM"]),
            (.fadvise64, ["error=EIO"]),
            (.newfstatat, ["error=EIO", "error=ENOMEM"]),
            (.lseek, ["error=EIO"]),
            (.fchmod, ["error=EIO", "error=EPERM"]),
            (.readlink, ["error=EIO"]),
        ]

        /// At most this many places of one call are struck in one method, spread evenly from the first to the last.
        private static func places(_ call: SweptCall, of count: Int) -> [Int] {
            let most = isLong ? 24 : [.pwrite64, .fsync, .write, .ioctl].contains(call) ? 4 : 2
            guard count > most else { return count > 0 ? Array(1...count) : [] }
            return (0..<most).map { 1 + $0 * (count - 1) / (most - 1) }
        }

        @Test("whatever call goes wrong, and wherever: no false success", arguments: [WarrantTerms.Method.labels, .zero, .discardVerify])
        func noFalseSuccess(_ method: WarrantTerms.Method) async throws {
            try await Bench.with { bench in
                let wipe = try await SweptWipe(bench)
                try await wipe.sign(method)
                let counts = try await wipe.count().calls
                var tally = Tally()
                for (call, faults) in Self.faults {
                    guard let count = counts[call], count > 0 else { continue }
                    try await wipe.sign(method)
                    for (index, place) in Self.places(call, of: count).enumerated() {
                        let few = Self.isLong && count <= 6 ? faults : [faults[index % faults.count]]
                        for fault in few {
                            let outcome = try await wipe.run(call, fault, at: place)
                            let wrong = try wipe.judge(outcome)
                            let told = "\(method.rawValue) \(call.rawValue):\(fault) at \(place) of \(count): \(outcome)"
                            #expect(wrong.isEmpty, "\(wrong) after \(told)")
                            // libblkid divides by the sector size that it is told.
                            let mayDie = call == .ioctl && fault == "retval=0"
                            #expect(!outcome.faults.isEmpty && (!outcome.died || mayDie), "\(told)")
                            tally.add(outcome)
                        }
                    }
                }
                print("sweep of faults: \(method.rawValue): \(tally)")
                #expect(tally.faults >= (Self.isLong ? 170 : 30), "\(tally)")
            }
        }

        @Test("the judge of these sweeps notices a false word: success on half a wipe, a refusal that left traces, a spent warrant unknown")
        func judgement() async throws {
            try await Bench.with { bench in
                let wipe = try await SweptWipe(bench)
                try await wipe.sign(.labels)
                let count = try #require(try await wipe.count().calls[.pwrite64])
                let unharmed = try await wipe.run(.pwrite64, "error=EIO", at: count + 1)
                #expect(try unharmed.faults.isEmpty && wipe.judge(unharmed).isEmpty)
                let killed = try await wipe.run(.pwrite64, "signal=KILL", at: count)
                #expect(try killed.died && wipe.judge(killed).isEmpty)
                let success = SweptWipe.Outcome(result: unharmed.result, died: false, faults: [])
                #expect(try wipe.judge(success).first?.hasPrefix("cleared, and the store says") == true)
                let refusal = SweptWipe.Outcome(result: .refused(TaskRefusal(.busy, "no")), died: false, faults: [])
                #expect(try wipe.judge(refusal).first?.hasSuffix("and the disk changed") == true)
                try wipe.forgetStore()
                #expect(try wipe.judge(killed) == ["the disk changed and the store knows nothing"])
            }
        }

        /// Why no warrant may wipe the disk.
        enum Guarded: String, CaseIterable, Sendable {
            case talos, vmfs
        }

        @Test(
            "a disk that no warrant may wipe stays whole, whatever read of it goes wrong", arguments: Guarded.allCases,
            ["error=EIO", "error=EIO+", "retval=0"])
        func untouchable(_ guarded: Guarded, _ fault: String) async throws {
            try await Bench.with { bench in
                let wipe =
                    guarded == .talos
                    ? try await SweptWipe(bench, partition: "STATE")
                    : try await SweptWipe(bench, mark: [0x0d, 0xd0, 0x01, 0xc0], at: 1 << 20)
                try await wipe.sign(.labels)
                let counts = try await wipe.count()
                var tally = Tally()
                for call in Self.callsThatRead(fault) {
                    try await wipe.sign(.labels)
                    for place in Self.readingPlaces(call, counts) {
                        let outcome = try await wipe.run(call, fault, at: place)
                        let told = "\(guarded) \(call.rawValue):\(fault) at \(place): \(outcome)"
                        let isWhole = try wipe.isUntouched && wipe.judge(outcome).isEmpty && !outcome.died
                        #expect(isWhole, "\(told)")
                        tally.add(outcome)
                    }
                }
                print("sweep of faults: \(guarded) \(fault): \(tally)")
            }
        }

        /// The kernel never says "done" to an ioctl that it did not do, and never for long "no" to a seek: libblkid does not check that.
        private static func callsThatRead(_ fault: String) -> [SweptCall] {
            switch fault {
            case "error=EIO": [.read, .lseek, .pread64, .ioctl, .fadvise64, .fcntl]
            case "error=EIO+": [.read, .pread64, .ioctl, .fadvise64, .fcntl]
            default: [.read, .pread64]
            }
        }

        /// Every read of libblkid's in a long run; else its first ones, where the partition table is, and a few from start to end.
        private static func readingPlaces(_ call: SweptCall, _ counts: SweptWipe.Counts) -> [Int] {
            let count = counts.calls[call] ?? 0
            if isLong, call == .read, count > 0 { return Array(1...count) }
            let first = (counts.beforeLastRead[call] ?? 0) + 1
            let near = call == .read ? Array((first..<first + 6).prefix { $0 <= count }) : []
            return Set(near + places(call, of: count)).sorted()
        }

        private struct Tally: CustomStringConvertible {
            private(set) var faults = 0
            private var endings: [String: Int] = [:]

            mutating func add(_ outcome: SweptWipe.Outcome) {
                faults += outcome.faults.isEmpty ? 0 : 1
                switch outcome.result {
                case .wiped(let report)?: endings["\(report.ending)", default: 0] += 1
                case .refused?: endings["refused", default: 0] += 1
                case nil: endings[outcome.died ? "died" : "no store", default: 0] += 1
                default: endings["other", default: 0] += 1
                }
            }
            var description: String {
                "\(faults) faults; " + endings.sorted { $0.key < $1.key }.map { "\($0.value) \($0.key)" }.joined(separator: ", ")
            }
        }
    }
}
