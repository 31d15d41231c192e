// SPDX-License-Identifier: Apache-2.0

import CLinux
import Glibc
import MeshModel
import MeshSystem
import MeshTesting
import Telemetry
import Testing

@testable import TelemetrySpool

@Suite("Full disks, kills and damage in any order: produced is delivered plus lost, to the event")
struct SpoolDiskTests {
    /// A tmpfs of `bytes` that is gone after `body`.
    private func onSmallDisk(_ bytes: Int, _ body: (String) throws -> Void) throws {
        let path = "/tmp/meshgate-small-\(try KernelEntropy().hexID(byteCount: 6))"
        mkdir(path, 0o700)
        defer { rmdir(path) }
        let code = meshgate_mount("tmpfs", path, "tmpfs", 0, "size=\(bytes)")
        guard code == 0 else { throw SystemError.failed(doing: "mount a tmpfs", on: path, errno: -code) }
        defer { umount2(path, Int32(MNT_DETACH)) }
        try body(path)
    }

    @Test("a disk that is full is survived: events go on through memory, what has no room is counted", .enabled(if: geteuid() == 0))
    func fullDisk() throws {
        try onSmallDisk(512 << 10) { path in
            let bench = try Bench(in: path) { ($0.segmentBytes, $0.memoryBytes) = (100 << 10, 64 << 10) }
            // Somebody else fills the disk.
            let filler = open(path + "/filler", O_CREAT | O_WRONLY, 0o600)
            #expect(posix_fallocate(filler, 0, 400 << 10) == 0)
            close(filler)
            for _ in 0..<100 {
                bench.offer(10, bodyBytes: 500)
                bench.spool.flush()
            }
            let status = bench.spool.status
            #expect(status.failures > 0)
            #expect(status.lastFailure?.contains("No space left") == true)
            #expect(status.memoryBytes <= 64 << 10)
            // Room again: it is written again.
            unlink(path + "/filler")
            bench.offer(10, bodyBytes: 500)
            bench.spool.flush()
            try bench.deliver()
            let account = bench.account
            #expect(account.produced == 1010)
            #expect(account.pending == 0)
            #expect(account.lost.keys.allSatisfy { [.spoolUnwritable, .spoolFull].contains($0) })
            #expect(account.delivered > 60)
            #expect(bench.stored.suffix(10) == Array(1001...1010))
        }
    }

    @Test("without room for its counters the spool still works", .enabled(if: geteuid() == 0))
    func noRoomAtAll() throws {
        try onSmallDisk(16 << 10) { path in
            let bench = try Bench(in: path)
            bench.offer(20, bodyBytes: 2000)
            bench.spool.flush()
            try bench.deliver()
            #expect(bench.account == TelemetryAccount(produced: 20, delivered: 20))
            #expect(bench.spool.status.failures > 0)
        }
    }

    @Test(
        "a copy-on-write disk that is full takes counters and events, and not the agent",
        .enabled(if: geteuid() == 0 && access("/usr/sbin/mkfs.btrfs", X_OK) == 0))
    func fullCopyOnWrite() async throws {
        let name = "/tmp/meshgate-btrfs-\(try KernelEntropy().hexID(byteCount: 6))"
        defer {
            umount2(name, Int32(MNT_DETACH))
            rmdir(name)
            unlink(name + ".image")
        }
        mkdir(name, 0o700)
        // The smallest that btrfs takes; data and its own tables share the room, so that it is really full.
        let image = open(name + ".image", O_CREAT | O_WRONLY, 0o600)
        #expect(ftruncate(image, 24 << 20) == 0)
        close(image)
        for (tool, arguments) in [
            ("/usr/sbin/mkfs.btrfs", ["-q", "--mixed", name + ".image"]), ("/usr/bin/mount", ["-o", "loop", name + ".image", name]),
        ] {
            let result = try await ProcessCommandRunner().run(
                Invocation(tool, arguments, environment: ["PATH": "/usr/sbin:/usr/bin:/sbin:/bin"], deadline: .seconds(60)))
            try #require(result.succeeded, "\(result.errorText)")
        }
        let bench = try Bench(in: name) { ($0.segmentBytes, $0.memoryBytes) = (100 << 10, 64 << 10) }
        let counters = open(bench.directory + "/counters", O_RDWR)
        defer { close(counters) }
        bench.offer(10)
        bench.spool.flush()
        fsync(counters)
        let filler = open(name + "/filler", O_CREAT | O_WRONLY, 0o600)
        let zeros = [UInt8](repeating: 1, count: 64 << 10)
        for size in [64 << 10, 4096, 1] { while write(filler, zeros, size) > 0 {} }
        fsync(filler)
        close(filler)
        // Each round dirties the counters anew after they were written back, which is when such a disk wants new room.
        for _ in 0..<30 {
            bench.offer(10, bodyBytes: 500)
            bench.spool.flush()
            fsync(counters)
        }
        try bench.deliver()
        let account = bench.account
        #expect(account.produced == 310 && account.pending == 0)
        #expect(account.lost.keys.allSatisfy { [.spoolUnwritable, .spoolFull].contains($0) })
        #expect(bench.spool.status.failures > 0)
        // Counters that are behind would give numbers out twice.
        unlink(name + "/filler")
        try bench.restart()
        bench.offer(10)
        bench.spool.flush()
        try bench.deliver()
        #expect(bench.stored.suffix(10) == Array(311...320))
        #expect(Set(bench.stored).count == bench.stored.count)
    }

    @Test("random walks of offering, losing, flushing, sending, killing, rebooting and tearing", arguments: 0..<60 as Range<UInt64>)
    func walk(seed: UInt64) throws {
        var random = SplitMix(seed: seed)
        // In memory where there is such a place: each boot makes its counters durable, which a disk takes its time for.
        let bench = try Bench(in: access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp") { configuration in
            configuration.segmentBytes = Int.random(in: 1000...20_000, using: &random)
            configuration.diskBytes = configuration.segmentBytes * Int.random(in: 2...8, using: &random)
            configuration.intakeBytes = Int.random(in: 2000...50_000, using: &random)
        }
        // The segment that the boot before ended with: only that boot knew what lay at its end.
        var (boots, before) = (0, String?.none)
        for _ in 0..<120 {
            let source = TelemetrySource.allCases[Int.random(in: 0..<4, using: &random)]
            switch Int.random(in: 0..<14, using: &random) {
            case 0...3:
                bench.offer(Int.random(in: 1...20, using: &random), from: source, bodyBytes: Int.random(in: 0...300, using: &random))
            case 4: bench.lose(UInt64.random(in: 1...9, using: &random), .rateLimited, from: source)
            case 5, 6: bench.spool.flush()
            case 7: try bench.deliver(Int.random(in: 1...4, using: &random))
            case 8: try bench.deliver(Int.random(in: 1...4, using: &random), silent: true)
            case 9: bench.spool.rewind()
            case 10: try bench.restart()
            case 11:
                boots += 1
                before = bench.segments.last
                try bench.restart(boot: "1000000\(boots % 10)-\(boots)")
            case 12: bench.state()
            default:
                guard let last = bench.segments.last, last != before, Int.random(in: 0..<3, using: &random) == 0 else { continue }
                let cut = Int.random(in: 1...200, using: &random)
                try bench.damage(last) { $0.removeLast(min(cut, $0.count)) }
                try bench.restart()
            }
        }
        try bench.restart()
        try bench.deliver()
        let account = bench.account
        #expect(account.pending == 0)
        #expect(account.produced == bench.produced)
        #expect(account.delivered + account.lost.values.reduce(0, +) == bench.produced)
        #expect(account.delivered == UInt64(bench.stored.count))
        #expect(Set(bench.stored).count == bench.stored.count)
        // Nothing is left to guess: every loss has a reason that the agent gave.
        #expect(account.lost[.missing] == nil)
    }
}
