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

    /// The disk goes away in the middle of a wipe, and a copy of it comes back: same serial, size, place and content.
    func unplugged() async throws {
        let disk = try machine.disk("DISK-1")
        let terms = try machine.terms(disk, .zero)
        let envelope = try await machine.sign(terms)
        let second = try await machine.sign(try machine.terms(disk, .zero))
        let asked = Atomic(false)
        let result = machine.wipe(envelope) { bytes, _ in
            guard bytes >= 32 << 20, !asked.exchange(true, ordering: .relaxed) else { return }
            say("host: unplug")
        }
        if case .wiped(let report) = result {
            checks.expect(report.ending == .failed, "a disk that goes away is a failed wipe", "\(report.ending)")
            checks.expect(report.bytesWritten >= 32 << 20 && report.bytesWritten < disk.identity.sizeInBytes, "in the middle")
            say("# the report says: \(report.problem ?? "nothing")")
            checks.expect(report.problem?.isEmpty == false, "the report says why")
        } else {
            checks.expect(false, "a disk that goes away is a failed wipe", "\(result)")
        }
        checks.expect(machine.store.fate(of: terms.id) == .failed, "the store says failed")
        checks.expect(try machine.waitUntilGone("DISK-1"), "the inventory has it no more")
        expectRefused(machine.wipe(envelope), .warrantReused, saying: "begun, and failed", "the same warrant again")
        expectRefused(machine.wipe(second), .noSuchDisk, saying: "DISK-1", "another warrant for it")

        say("host: replug")
        let copy = try machine.disk("DISK-1")
        checks.expect(copy.name == disk.name && copy.fingerprint == disk.fingerprint, "a copy comes back under the old name", "\(copy)")
        var same = copy.identity
        same.sequence = disk.identity.sequence
        checks.expect(
            same.serial == disk.identity.serial && same.sizeInBytes == disk.identity.sizeInBytes
                && copy.identity.sequence != disk.identity.sequence, "only its diskseq is certain to differ",
            "\(disk.identity) and \(copy.identity)")
        say("# place of the first: \(disk.identity.path), of the copy: \(copy.identity.path)")
        expectRefused(machine.wipe(second), .identityMismatch, saying: "sequence", "the warrant for the first")
        checks.expect(try machine.disk("DISK-1").fingerprint == copy.fingerprint, "the copy is untouched")
    }

    private func read(_ path: String) throws -> String {
        guard let bytes = try LinuxFileStore().read(path, limit: 64 << 10) else { throw Stuck("\(path) is missing") }
        return String(decoding: bytes, as: UTF8.self)
    }
}
