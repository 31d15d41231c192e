// SPDX-License-Identifier: Apache-2.0

import MeshModel
import MeshSystem
import Testing

@testable import DiskWipe

extension DiskTests {
    /// Whoever uses one partition uses the disk.
    @Suite("users of a partition", .serialized, .enabled(if: Finder.has("sgdisk", "partx"), "needs sgdisk and partx"))
    struct PartitionUsers {
        /// A disk with one partition that the kernel knows, whose node lies in the bench's directory.
        private func with(_ body: (Bench, Bench.Disk, _ partition: String) async throws -> Void) async throws {
            try await Bench.with { bench in
                let disk = try await bench.disk(size: 64 << 20)
                try await bench.tool("sgdisk", "-n", "1:2048:+32M", disk.loop)
                try await bench.tool("partx", "-a", disk.loop)
                let name = "\(disk.loop.dropFirst(5))p1"
                let node = "\(bench.directory)/\(name)"
                let outcome: Result<Void, any Error>
                do {
                    let number = try await bench.tool("cat", "/sys/class/block/\(name)/dev").split { $0 == ":" || $0.isNewline }
                    try await bench.tool("mknod", node, "b", String(number[0]), String(number[1]))
                    outcome = .success(try await body(bench, disk, node))
                } catch {
                    outcome = .failure(error)
                }
                // Whatever of it is still in use; the others say no, and that is fine.
                _ = try await bench.attempt("umount", [node])
                _ = try await bench.attempt("swapoff", [node])
                try await bench.tool("partx", "-d", disk.loop)
                try outcome.get()
            }
        }

        private func expectRefusal(
            saying words: String, _ bench: Bench, _ disk: Bench.Disk, location: SourceLocation = #_sourceLocation
        ) async throws {
            let envelope = try await bench.sign(try bench.terms(for: try bench.fact(), method: .zero))
            try await bench.tool("sync", "-f", disk.image)
            let hash = try await bench.hash(disk)
            let result = bench.wiper(try bench.openStore()).wipe(envelope)
            #expect(try await bench.hash(disk) == hash, "the image changed", sourceLocation: location)
            guard case .refused(let refusal) = result else {
                Issue.record("not refused: \(result)", sourceLocation: location)
                return
            }
            #expect(refusal.code == .inUse && refusal.detail.contains(words), "\(refusal)", sourceLocation: location)
        }

        @Test("a partition that is mounted")
        func mounted() async throws {
            try await with { bench, disk, node in
                try await bench.tool("mkfs.ext4", "-q", node)
                try await bench.tool("mount", node, "\(bench.directory)/mnt")
                try await expectRefusal(saying: "\(disk.loop.dropFirst(5))p1 mounted at \(bench.directory)/mnt (ext4)", bench, disk)
            }
        }

        @Test("a partition that is mounted where we cannot see it: in another mount namespace")
        func mountedElsewhere() async throws {
            try await with { bench, disk, node in
                try await bench.tool("mkfs.ext4", "-q", node)
                let holder = Holder()
                try await holder.mountInOwnNamespace(node, "\(bench.directory)/mnt")
                try await expectRefusal(saying: "not visible from here", bench, disk)
                await holder.release()
            }
        }

        @Test("a partition that is used as swap")
        func swap() async throws {
            try await with { bench, disk, node in
                try await bench.tool("mkswap", node)
                try await bench.tool("swapon", node)
                try await expectRefusal(saying: "\(disk.loop.dropFirst(5))p1 used as swap", bench, disk)
            }
        }

        @Test("a partition whose user is gone no longer keeps the disk")
        func letGo() async throws {
            try await with { bench, disk, node in
                try await bench.tool("mkfs.ext4", "-q", node)
                try await bench.tool("mount", node, "\(bench.directory)/mnt")
                try await bench.tool("umount", "\(bench.directory)/mnt")
                #expect(try await bench.wipe(.zero).ending == .cleared)
                #expect(try await bench.tool("cmp", "-n", String(64 << 20), disk.image, "/dev/zero").isEmpty)
            }
        }
    }
}
