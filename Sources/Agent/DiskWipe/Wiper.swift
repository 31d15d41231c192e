// SPDX-License-Identifier: Apache-2.0

package import LocalLink
package import MeshModel
package import MeshSystem
package import MeshTrust

/// Makes one disk blank under one warrant. The only code of the product that writes to a device.
///
///     judge warrant -> find disk by identity -> open O_EXCL -> descriptor and sysfs agree -> flock -> content equals warrant
///       -> room for records -> CLAIMED is on the medium -> write -> fsync -> read back -> no signature left -> DONE
///
/// Everything left of the claim refuses with not a byte written. One descriptor is held from the open to the end.
package struct Wiper: Sendable {
    /// Bytes written and read back so far, and how many there will be at most.
    package typealias Progress = @Sendable (_ phase: TaskProgress.Phase, _ bytes: UInt64, _ total: UInt64) -> Void

    private let configuration: WiperConfiguration
    private let store: ReplayStore
    private let desk: WarrantDesk

    package init(configuration: WiperConfiguration, store: ReplayStore, boot: BootID, now: @escaping NowSource = SystemClock.now) {
        self.configuration = configuration
        self.store = store
        desk = WarrantDesk(configuration: configuration, store: store, boot: boot, now: now)
    }

    /// Verifies the warrant on this host, then wipes. Blocks until the end; `stop` interrupts after the current chunk.
    package func wipe(_ envelope: WarrantEnvelope, stop: StopSignal = StopSignal(), progress: @escaping Progress = { _, _, _ in })
        -> TaskReport.Result
    {
        do throws(Refused) {
            return wipe(under: try desk.judge(envelope), stop: stop, progress: progress)
        } catch {
            return .refused(error.refusal)
        }
    }

    /// Wipes the disk that the warrant names. The permission is the argument: nobody can call this without one.
    package func wipe(under warrant: VerifiedWarrant, stop: StopSignal = StopSignal(), progress: @escaping Progress = { _, _, _ in })
        -> TaskReport.Result
    {
        let terms = warrant.terms
        do throws(Refused) {
            try desk.admit(terms)
            let held = try HeldDisk.hold(terms.disk, inventory: configuration.inventory, largest: configuration.manners.largestDisk)
            let content = try held.content(matching: terms, inventory: configuration.inventory)
            if stop.isSet { throw Refused(.stopping, "the wiper is stopping; nothing was begun") }
            if let problem = store.noRoomBecause { throw Refused(.storeFull, problem) }
            try desk.admit(terms)
            try claim(terms, held)
            configuration.manners.adoptPriority()
            return .wiped(carryOut(terms, held, content, stop, progress))
        } catch {
            return .refused(error.refusal)
        }
    }

    /// Begins a new replay store under a signed message, when there is none that can be trusted.
    func arm(_ envelope: WarrantEnvelope) throws(Refused) {
        let arming = try desk.judgeArming(envelope)
        do {
            try store.arm(under: arming)
        } catch {
            throw Refused(.disarmed, "\(error)")
        }
    }

    private func claim(_ terms: WarrantTerms, _ held: HeldDisk) throws(Refused) {
        do {
            try store.claim(terms.id, in: terms.store.id, sequence: held.facts.sequence, boot: terms.boot)
        } catch {
            throw Refused(.disarmed, "\(error)")
        }
    }

    private func carryOut(
        _ terms: WarrantTerms, _ held: HeldDisk, _ content: DiskContent, _ stop: StopSignal, _ progress: @escaping Progress
    ) -> WipeReport {
        let plan = WipePlan(terms, held, content)
        let pass = WipePass(held.device, held.facts, rate: configuration.manners.rate, stop: stop) { phase, bytes in
            progress(phase, min(bytes, plan.total), plan.total)
        }
        var report = WipeReport(
            warrant: terms.id, disk: terms.disk, method: terms.method, ending: .cleared, signaturesBefore: content.signatures,
            bytesWritten: 0, bytesVerified: 0, areas: plan.areas)
        do throws(WipeStop) {
            report.strata = try carryOut(plan, pass, held)
        } catch {
            let discarded = pass.bytesDiscarded > 0 ? " (\(pass.bytesDiscarded) bytes of the disk were discarded)" : ""
            switch error {
            case .failed(let problem):
                report.ending = .failed
                report.problem = problem + discarded
            case .interrupted:
                report.ending = .interrupted
                report.problem =
                    "stopped on request after \(pass.bytesWritten) bytes were written\(discarded); sign a new warrant to wipe this disk"
            }
        }
        report.bytesWritten = pass.bytesWritten
        report.bytesVerified = pass.bytesVerified
        return record(report, touched: pass.bytesTouched)
    }

    /// A stop on request still brings to the medium what was written.
    private func carryOut(_ plan: WipePlan, _ pass: WipePass, _ held: HeldDisk) throws(WipeStop) -> [Stratum] {
        do throws(WipeStop) {
            return try plan.carryOut(pass, held)
        } catch {
            if case .interrupted = error { try pass.synchronise() }
            throw error
        }
    }

    /// The end goes to the store before anybody hears of it.
    private func record(_ report: WipeReport, touched: UInt64) -> WipeReport {
        var report = report
        do {
            switch report.ending {
            case .cleared: try store.end(report.warrant, .done, offset: touched)
            case .failed: try store.end(report.warrant, .failed, offset: touched)
            case .interrupted: try store.end(report.warrant, .interrupted, offset: touched)
            }
        } catch {
            report.problem = [report.problem, "the end could not be recorded: \(error)"].compactMap { $0 }.joined(separator: "; ")
            report.ending = .failed
        }
        return report
    }
}
