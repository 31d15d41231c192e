// SPDX-License-Identifier: Apache-2.0

import DiskWipe
import MeshModel
import MeshSystem
import MeshTrust
import Synchronization

/// Names that move, disks that go away, and disks that only look the same.
extension Stage {
    private static let kept = "\(Machine.state)/kept"

    /// Signs a warrant for DISK-A, called vdb in this boot, and leaves it for the next.
    func swapBefore() async throws {
        let disk = try machine.disk("DISK-A")
        let other = try machine.disk("DISK-B")
        checks.expect(disk.name == "vdb" && other.name == "vdc", "DISK-A is vdb, DISK-B is vdc", "\(disk.name), \(other.name)")
        let envelope = try await machine.sign(try machine.terms(disk, .zero))
        try LinuxFileStore().write(Array(envelope.text.utf8), to: "\(Self.kept).text")
        try LinuxFileStore().write(Array(envelope.signatures.joined().utf8), to: "\(Self.kept).sig")
    }

    /// The same two disks, found in the other order: vdb is now somebody else.
    func swapAfter() async throws {
        let disk = try machine.disk("DISK-A")
        let other = try machine.disk("DISK-B")
        checks.expect(disk.name == "vdc" && other.name == "vdb", "DISK-A is vdc, DISK-B is vdb", "\(disk.name), \(other.name)")
        let old = WarrantEnvelope(text: try read("\(Self.kept).text"), signatures: [try read("\(Self.kept).sig")])
        expectRefused(machine.wipe(old), .warrantOtherNode, saying: "was made for boot", "the warrant of the boot before")
        let before = try WarrantTerms(parsing: old.text)
        checks.expect(before.fingerprint == disk.fingerprint, "DISK-A has the same fingerprint as before the boot")

        // The old identity under today's boot: DISK-B is now at its place, and may even have its diskseq.
        var stale = try machine.terms(disk, .zero)
        stale.disk = before.disk
        let result = machine.wipe(try await machine.sign(stale))
        expectRefused(result, .identityMismatch, saying: "instead of", "a warrant with the place of the boot before")
        // The serial of one and the place of the other.
        var crossed = try machine.terms(disk, .zero)
        crossed.disk.path = other.identity.path
        expectRefused(machine.wipe(try await machine.sign(crossed)), .identityMismatch, saying: "path", "a warrant that mixes two disks")

        try await expectCleared(disk, .zero)
        let left = try machine.disk("DISK-B")
        checks.expect(left.fingerprint == other.fingerprint, "the disk now called vdb is untouched")
    }

    /// The disk goes away in the middle of the writing, and a copy of it comes back: same serial, size, place and content.
    func unplugged() async throws {
        let disk = try machine.disk("DISK-1")
        let second = try await machine.sign(try machine.terms(disk, .zero))
        let (_, report) = try await expectFailed(disk, .zero, during: Self.ask("unplug", after: 32 << 20))
        checks.expect(
            (32 << 20..<disk.identity.sizeInBytes).contains(report?.bytesWritten ?? 0), "that was in the middle",
            "\(String(describing: report))")
        checks.expect(try machine.loses("vdb"), "the inventory has it no more")
        expectRefused(machine.wipe(second), .noSuchDisk, saying: "DISK-1", "another warrant for it")
        try await expectCopyRefused(of: disk, second)
    }

    /// The disk goes away when all of it is written and some of it is read back: what cannot be read is not zero.
    func pulled() async throws {
        let disk = try machine.disk("DISK-1")
        let size = disk.identity.sizeInBytes
        let (_, report) = try await expectFailed(disk, .zero, during: Self.ask("unplug", after: size + 32 << 20))
        checks.expect(report?.bytesWritten == size, "all was written")
        checks.expect(
            (32 << 20..<size).contains(report?.bytesVerified ?? 0), "not all was read back", "\(String(describing: report))")
        checks.expect(try machine.loses("vdb"), "the inventory has it no more")
    }

    /// Without a serial, as hypervisors often give disks, only place and diskseq are left.
    func nameless() async throws {
        let disk = try machine.disk(named: "vdb")
        let other = try machine.disk(named: "vdc")
        checks.expect(disk.identity.serial == nil && disk.identity.wwid == nil, "vdb has neither serial nor wwid", "\(disk.identity)")
        let second = try await machine.sign(try machine.terms(disk, .zero))
        var crossed = try machine.terms(disk, .zero)
        crossed.disk.sequence = other.identity.sequence
        expectRefused(
            machine.wipe(try await machine.sign(crossed)), .identityMismatch, saying: "sequence", "the place of one, the diskseq of another"
        )
        try await expectCleared(disk, .zero)
        say("host: unplug")
        checks.expect(try machine.loses("vdb"), "the inventory has it no more")
        try await expectCopyRefused(of: disk, second)
        checks.expect(try machine.disk(named: "vdc").fingerprint == other.fingerprint, "its neighbour is untouched")
    }

    /// The disk grows in the middle of a wipe: no longer what was signed for.
    func resized() async throws {
        let disk = try machine.disk("DISK-1")
        _ = try await expectFailed(disk, .zero, saying: "changed under the wipe", during: Self.ask("grow", after: 32 << 20))
        let grown = try machine.disk("DISK-1")
        checks.expect(grown.identity.sizeInBytes > disk.identity.sizeInBytes, "the inventory has the new size", "\(grown.identity)")
        try await expectCleared(grown, .labels)
    }

    private func expectCopyRefused(of disk: DiskFact, _ warrant: WarrantEnvelope) async throws {
        say("host: replug")
        let copy = try machine.disk(named: disk.name)
        var same = copy.identity
        same.sequence = disk.identity.sequence
        checks.expect(
            same == disk.identity && copy.identity != disk.identity && copy.fingerprint == disk.fingerprint,
            "a copy differs from the disk in its diskseq alone", "\(disk) and \(copy)")
        expectRefused(machine.wipe(warrant), .identityMismatch, saying: "sequence", "the warrant for the disk before")
        checks.expect(try machine.disk(named: disk.name).fingerprint == copy.fingerprint, "the copy is untouched")
    }

    /// Asks the host for something, once, when the wipe has come so far.
    private static func ask(_ what: String, after bytes: UInt64) -> Wiper.Progress {
        let asked = Mutex(false)
        return { _, done, _ in
            asked.withLock {
                if !$0, done >= bytes { say("host: \(what)") }
                $0 = $0 || done >= bytes
            }
        }
    }

    private func read(_ path: String) throws -> String {
        guard let bytes = try LinuxFileStore().read(path, limit: 64 << 10) else { throw Stuck("\(path) is missing") }
        return String(decoding: bytes, as: UTF8.self)
    }
}
