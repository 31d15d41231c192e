// SPDX-License-Identifier: Apache-2.0

import DiskWipe
import MeshModel
import MeshSystem

/// What a device makes of "forget everything": nothing, all of it, or no such command. The end must be the same.
extension Stage {
    /// QEMU's default (`discard=ignore`): the device takes the command, says yes, and keeps every byte.
    func ignored() async throws {
        let disk = try await prepared()
        let raw = RawDisk(disk)
        checks.expect(raw.attribute("queue/discard_max_bytes") != "0", "the device offers discard")
        let answer = try raw.discard(size: disk.identity.sizeInBytes)
        checks.expect(answer == 0, "a discard of everything is answered with success", "errno \(answer)")
        let after = try machine.disk("DISK-1")
        checks.expect(labels(after) == labels(disk), "every label is still there after it", "\(labels(after))")
        checks.expect(after.fingerprint == disk.fingerprint, "nothing changed at all")
        if let report = try await expectCleared(after, .discardVerify) {
            checks.expect(report.bytesWritten > report.bytesVerified, "what was left was written over", "\(report.bytesWritten)")
        }
    }

    /// `discard=unmap`: the device really forgets.
    func unmapped() async throws {
        let disk = try await prepared()
        if let report = try await expectCleared(disk, .discardVerify) {
            checks.expect(
                report.bytesWritten < 32 << 20, "only where labels lie was written, the rest was forgotten", "\(report.bytesWritten)")
        }
    }

    /// A device with neither discard nor "write zeroes": our own writes must do it, for every method.
    func plain() async throws {
        let disk = try await prepared()
        let raw = RawDisk(disk)
        checks.expect(raw.attribute("queue/discard_max_bytes") == "0", "the device has no discard")
        checks.expect(raw.attribute("queue/write_zeroes_max_bytes") == "0", "the device has no \"write zeroes\"")
        let answer = try raw.discard(size: disk.identity.sizeInBytes)
        checks.expect(answer == 95, "a discard is answered with \"not supported\"", "errno \(answer)")
        try await expectCleared(disk, .discardVerify)
        if let report = try await expectCleared(try await prepared(), .zero) {
            checks.expect(report.bytesWritten == disk.identity.sizeInBytes, "every byte was written by us", "\(report.bytesWritten)")
        }
    }

    /// Labels where they belong, and data where no quick wipe looks: in the middle, and close to the end.
    private func prepared() async throws -> DiskFact {
        let disk = try machine.disk("DISK-1")
        let size = disk.identity.sizeInBytes
        let raw = RawDisk(disk)
        try raw.plantLabels(size: size)
        for offset in [77 << 20, size / 2, size / 4 * 3] {
            try raw.plant(try KernelEntropy().bytes(1 << 20), at: offset / 4096 * 4096)
        }
        try raw.plant(try KernelEntropy().bytes(512), at: size - 8 << 20)
        let found = try machine.disk("DISK-1")
        let wanted = [0, 1 << 30, 10 << 30].filter { $0 < size }
        checks.expect(
            labels(found) == wanted, "labels are at \(wanted.map { "\($0 >> 30)" }.joined(separator: ", ")) GiB", "\(labels(found))")
        return found
    }
}
