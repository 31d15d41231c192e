// SPDX-License-Identifier: Apache-2.0

import DiskWipe
import MeshModel

/// Devices that answer one kind of request with an error.
extension Stage {
    func faulty() async throws {
        _ = try await expectFailed(try machine.disk("FLUSH"), .labels, saying: "bring to disk")
        let write = try machine.disk("WRITE")
        let (_, written) = try await expectFailed(write, .zero, saying: "cannot write")
        checks.expect(written.map { $0.bytesWritten <= 32 << 20 } == true, "nothing past the fault counts as written")
        try await zeroes()
        let (_, unread) = try await expectFailed(try machine.disk("READ"), .zero, saying: "cannot read")
        checks.expect(unread.map { $0.bytesVerified <= 32 << 20 } == true, "nothing past the fault counts as read")

        let head = try machine.disk("HEAD")
        checks.expect(head.unreadable?.contains("cannot read") == true && head.fingerprint == nil, "the inventory says what it cannot read")
        checks.expect(!head.blank, "what cannot be read is not blank")
        let envelope = try await machine.sign(try machine.terms(head, .zero))
        expectRefused(machine.wipe(envelope), .foreignContent, saying: "cannot read", "a disk whose head cannot be read")
    }

    /// Older kernels make good with writes of their own what the device cannot zero, newer ones report it; the host compares.
    private func zeroes() async throws {
        let result = machine.wipe(try await machine.sign(try machine.terms(try machine.disk("ZEROES"), .zero)))
        guard case .wiped(let report) = result else {
            checks.expect(false, "a \"write zeroes\" that fails", "\(result)")
            return
        }
        say("# a \"write zeroes\" that fails: \(report.ending.rawValue), \(report.problem ?? "no problem")")
        let reported = report.ending == .failed && report.problem?.contains("cannot zero") == true
        checks.expect(reported || report.ending == .cleared, "a \"write zeroes\" that fails is reported or made good", "\(report)")
    }
}
