// SPDX-License-Identifier: Apache-2.0

import Glibc
import MeshModel
import MeshSystem
import Synchronization
import Testing

@testable import DiskWipe

extension DiskTests {
    /// What somebody else does after the last check and before the first byte, or in the middle. The store asks for the time right before it
    /// records the claim, and that is where the hook sits.
    @Suite("between check and write", .serialized)
    struct Between {
        /// One wipe of method `zero`, with `harm` done right before the claim; the hook must run exactly where it is wanted.
        private func wipe(_ bench: Bench, _ harm: @escaping @Sendable () -> Void) async throws -> WipeReport {
            let envelope = try await bench.sign(try bench.terms(for: try bench.fact(), method: .zero))
            let asked = Mutex(0)
            let store = try ReplayStore(directory: bench.configuration.storeDirectory) {
                let isFirst = asked.withLock { count in
                    count += 1
                    return count == 1
                }
                if isFirst { harm() }
                return SystemClock.now()
            }
            let report = try Bench.report(bench.wiper(store).wipe(envelope))
            #expect(asked.withLock { $0 } == 2)
            #expect(store.fate(of: report.warrant) == (report.ending == .cleared ? .done : .failed))
            return report
        }

        private func precious(_ bench: Bench, _ name: String = "vdb") async throws -> Bench.Disk {
            let disk = try await bench.disk(name, size: 16 << 20)
            try await bench.tool("mkfs.ext4", "-q", "-L", "precious", disk.loop)
            return disk
        }

        @Test("nobody else can open the disk exclusively or mount it")
        func noSecondUser() async throws {
            try await Bench.with { bench in
                let disk = try await precious(bench)
                let answers = Mutex<[Int32]>([])
                let report = try await wipe(bench) {
                    let opened = open(disk.loop, O_RDWR | O_EXCL | O_CLOEXEC) < 0 ? errno : 0
                    let mounted = mount(disk.loop, "\(bench.directory)/mnt", "ext4", 0, nil) < 0 ? errno : 0
                    answers.withLock { $0 = [opened, mounted] }
                }
                #expect(answers.withLock { $0 } == [EBUSY, EBUSY])
                #expect(report.ending == .cleared)
            }
        }

        @Test("nobody can swap on the disk")
        func noSwap() async throws {
            try await Bench.with { bench in
                let disk = try await bench.disk(size: 16 << 20)
                try await bench.tool("mkswap", disk.loop)
                let status = Mutex<Int32>(0)
                let report = try await wipe(bench) { status.withLock { $0 = run("/sbin/swapon", disk.loop) } }
                #expect(status.withLock { $0 } != 0)
                let swaps = try await bench.tool("cat", "/proc/swaps")
                #expect(!swaps.contains(disk.loop))
                #expect(report.ending == .cleared)
            }
        }

        @Test("an image that is detached stays until the end, another cannot take its place, and is not touched")
        func anotherImage() async throws {
            try await Bench.with { bench in
                let disk = try await precious(bench)
                let other = "\(bench.directory)/other.img"
                try await bench.tool("cp", disk.image, other)
                let hash = try await bench.tool("sha256sum", other)
                let answers = Mutex<[Int32]>([])
                let report = try await wipe(bench) {
                    let detached = control(disk.loop, Loop.clear, 0)
                    let image = open(other, O_RDWR | O_CLOEXEC)
                    let attached = control(disk.loop, Loop.set, image)
                    close(image)
                    answers.withLock { $0 = [detached, attached] }
                }
                #expect(answers.withLock { $0 } == [0, EBUSY])
                #expect(report.ending == .cleared)
                #expect(try await bench.tool("cmp", "-n", String(16 << 20), disk.image, "/dev/zero").isEmpty)
                // Now that the first image is let go, the other one may have the device, and is still whole.
                try await bench.tool("losetup", disk.loop, other)
                #expect(try bench.fact().signatures.map(\.words) == ["ext4 'precious'"])
                #expect(try await bench.tool("sha256sum", other) == hash)
            }
        }

        @Test("a node in /dev that now names another disk leads nobody astray")
        func anotherNode() async throws {
            try await Bench.with { bench in
                let disk = try await precious(bench)
                let other = try await precious(bench, "vdc")
                let hash = try await bench.hash(other)
                let report = try await wipe(bench) {
                    unlink(disk.node)
                    rename(other.node, disk.node)
                }
                #expect(report.ending == .cleared)
                #expect(try await bench.tool("cmp", "-n", String(16 << 20), disk.image, "/dev/zero").isEmpty)
                #expect(try await bench.hash(other) == hash)
            }
        }

        @Test("a disk that grew or became read-only: failed, with not one byte written", arguments: [true, false])
        func changed(_ grows: Bool) async throws {
            try await Bench.with { bench in
                let disk = try await precious(bench)
                let before = try bench.bytes(of: disk, at: 0, count: 16 << 20)
                let report = try await wipe(bench) { change(disk, grows) }
                #expect(report.ending == .failed && report.bytesWritten == 0)
                #expect(report.problem?.contains("the disk changed under the wipe") == true, "\(report.problem ?? "")")
                let after = try bench.bytes(of: disk, at: 0, count: 16 << 20)
                let isSame = before == after
                #expect(isSame)
            }
        }

        @Test("a disk that grew or became read-only in the middle: the wipe ends there, as failed", arguments: [true, false])
        func changedInTheMiddle(_ grows: Bool) async throws {
            try await Bench.with { bench in
                let disk = try await bench.disk(size: 192 << 20)
                try bench.plant([1], at: 191 << 20, on: disk)
                let envelope = try await bench.sign(try bench.terms(for: try bench.fact(), method: .zero))
                let done = Mutex(false)
                let result = bench.wiper(try bench.openStore()).wipe(envelope) { _, bytes, _ in
                    let isFirst = done.withLock { done in
                        defer { done = true }
                        return !done
                    }
                    if isFirst { change(disk, grows) }
                }
                let report = try Bench.report(result)
                #expect(report.ending == .failed && report.bytesWritten == 64 << 20)
                #expect(try bench.bytes(of: disk, at: 191 << 20, count: 4096).first == 1)
            }
        }

        @Test("a second wipe of the same disk under a warrant of its own is refused while the first one runs")
        func secondWipe() async throws {
            try await Bench.with { bench in
                _ = try await precious(bench)
                let fact = try bench.fact()
                let first = try await bench.sign(try bench.terms(for: fact, method: .zero))
                let second = try await bench.sign(try bench.terms(for: fact, method: .zero))
                let store = try bench.openStore()
                let answer = Mutex<TaskReport.Result?>(nil)
                let report = try Bench.report(
                    bench.wiper(store).wipe(first) { _, _, _ in
                        answer.withLock { if $0 == nil { $0 = bench.wiper(store).wipe(second) } }
                    })
                #expect(report.ending == .cleared)
                guard case .refused(let refusal)? = answer.withLock({ $0 }) else { return #expect(Bool(false)) }
                #expect(refusal.code == .inUse && refusal.detail.contains("another wipe"))
                #expect(try store.fate(of: WarrantTerms(parsing: second.text).id) == nil)
            }
        }
    }
}

/// Requests of loop(4) and of block devices.
private enum Loop {
    static let set: UInt = 0x4c00
    static let clear: UInt = 0x4c01
    static let setCapacity: UInt = 0x4c07
    static let setReadOnly: UInt = 0x125d
}

private func control(_ device: String, _ request: UInt, _ argument: CInt) -> Int32 {
    let descriptor = open(device, O_RDONLY | O_CLOEXEC)
    defer { close(descriptor) }
    return ioctl(descriptor, request, argument) < 0 ? errno : 0
}

/// Runs a program to its end from where nothing can be awaited; gives its status.
private func run(_ program: String, _ argument: String) -> Int32 {
    var child: pid_t = 0
    var words: [UnsafeMutablePointer<CChar>?] = [strdup(program), strdup(argument), nil]
    defer { for word in words { free(word) } }
    guard posix_spawn(&child, program, nil, nil, &words, nil) == 0 else { return -1 }
    var status: Int32 = -1
    waitpid(child, &status, 0)
    return status
}

private func change(_ disk: Bench.Disk, _ grows: Bool) {
    if grows {
        var status = stat()
        _ = lstat(disk.image, &status)
        _ = truncate(disk.image, status.st_size + 1 << 20)
        _ = control(disk.loop, Loop.setCapacity, 0)
    } else {
        var on: CInt = 1
        let descriptor = open(disk.loop, O_RDONLY | O_CLOEXEC)
        _ = ioctl(descriptor, Loop.setReadOnly, &on)
        close(descriptor)
    }
}
