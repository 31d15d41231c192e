// SPDX-License-Identifier: Apache-2.0

import CLinux
import FleetGateway
import Glibc
import MeshModel
import MeshSystem
import Telemetry
import TelemetrySpool
import TelemetryStore
import Testing

@Suite("Full disks at both ends of the feed", .timeLimit(.minutes(2)))
struct FeedDiskTests {
    /// A tmpfs of `bytes` that is gone after `body`.
    private func onSmallDisk(_ bytes: Int, _ body: (String) async throws -> Void) async throws {
        let path = "/tmp/meshgate-small-\(try KernelEntropy().hexID(byteCount: 6))"
        mkdir(path, 0o700)
        defer { rmdir(path) }
        let code = meshgate_mount("tmpfs", path, "tmpfs", 0, "size=\(bytes)")
        guard code == 0 else { throw SystemError.failed(doing: "mount a tmpfs", on: path, errno: -code) }
        defer { umount2(path, Int32(MNT_DETACH)) }
        try await body(path)
    }

    /// Somebody else's file that leaves only so much room on a disk.
    private func fill(_ disk: String, _ bytes: Int) {
        let filler = open(disk + "/filler", O_CREAT | O_WRONLY, 0o600)
        #expect(posix_fallocate(filler, 0, off_t(bytes)) == 0)
        close(filler)
    }

    @Test(
        "the spool's disk and the store's are full at once: orders wait, what has no room is lost with its reason, and the rest arrives",
        .enabled(if: geteuid() == 0, "needs root: it mounts small disks"))
    func bothFull() async throws {
        try await onSmallDisk(512 << 10) { agentDisk in
            try await onSmallDisk(1 << 20) { coordinatorDisk in
                let inbox = try StoreInbox(StoreConfiguration(directory: coordinatorDisk + "/store"), seed: 1)
                inbox.heal()
                let kept = try TestSpool(in: agentDisk) { ($0.segmentBytes, $0.memoryBytes) = (50 << 10, 64 << 10) }
                fill(agentDisk, 400 << 10)
                fill(coordinatorDisk, 1000 << 10)
                var produced = 0
                try await Stage.with(telemetry: inbox) { stage in
                    try await stage.running(try stage.feed("east-1", kept.spool)) {
                        // Until both have refused: the store a batch, the spool an event.
                        while kept.spool.status.failures == 0 || inbox.store.status.failures == 0 {
                            kept.offer(produced..<produced + 200)
                            produced += 200
                            kept.spool.flush()
                            try await Task.sleep(for: .milliseconds(1))
                        }
                        unlink(agentDisk + "/filler")
                        unlink(coordinatorDisk + "/filler")
                        kept.offer(produced..<produced + 100)
                        produced += 100
                        kept.spool.flush()
                        try await kept.emptied()
                    }
                }
                #expect(inbox.store.status.lastFailure?.contains("No space left") == true)
                let total = inbox.store.books.total
                #expect(total.produced == UInt64(produced) && total.pending == 0, "\(total)")
                #expect(total.delivered + total.lost.values.reduce(0, +) == UInt64(produced))
                #expect(total.lost.keys.allSatisfy { [.spoolUnwritable, .spoolFull].contains($0) }, "\(total.lost)")
                #expect(total.delivered > 100)
                try inbox.restart()
                #expect(inbox.store.books.total == total)
                inbox.store.close()
            }
        }
    }
}
