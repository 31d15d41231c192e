// SPDX-License-Identifier: Apache-2.0

import DiskWipe
import MeshModel

/// One boot of a virtual machine. `run.sh` gives it the disks that it expects, and looks at their images afterwards.
enum Scenario: String, CaseIterable {
    case buses
    case ignored
    case unmapped
    case plain
    case volume
    case array
    case mounted
    case released
    case swapBefore = "swap-before"
    case swapAfter = "swap-after"
    case unplugged
    case pulled
    case nameless
    case twins
    case resized
    case faulty
    case locked
    case links
    case vlans
    case ways
    case tracer
    case traffic
    case denied

    func play(_ stage: Stage) async throws {
        switch self {
        case .buses: try await stage.buses()
        case .ignored: try await stage.ignored()
        case .unmapped: try await stage.unmapped()
        case .plain: try await stage.plain()
        case .volume: try await stage.volume()
        case .array: try await stage.array()
        case .mounted: try await stage.mounted()
        case .released: try await stage.released()
        case .swapBefore: try await stage.swapBefore()
        case .swapAfter: try await stage.swapAfter()
        case .unplugged: try await stage.unplugged()
        case .pulled: try await stage.pulled()
        case .nameless: try await stage.nameless()
        case .twins: try await stage.twins()
        case .resized: try await stage.resized()
        case .faulty: try await stage.faulty()
        case .locked: try await stage.locked()
        case .links: try await stage.links()
        case .vlans: try await stage.vlans()
        case .ways: try await stage.ways()
        case .tracer: try await stage.tracer()
        case .traffic: try await stage.traffic()
        case .denied: try await stage.denied()
        }
    }
}

/// The machine, the checks, and what the scenarios have in common.
struct Stage {
    let machine: Machine
    let checks: Checks

    /// A signed warrant, the wipe, and proof that it was one: cleared, every byte of the plan read back, and blank in a new inventory.
    @discardableResult
    func expectCleared(_ disk: DiskFact, _ method: WarrantTerms.Method) async throws -> WipeReport? {
        let terms = try machine.terms(disk, method)
        let envelope = try await machine.sign(terms)
        let name = "\(disk.name) \(method.rawValue)"
        let began = ContinuousClock.now
        let result = machine.wipe(envelope)
        say("# \(name): \(disk.identity.sizeInBytes >> 20) MiB in \((ContinuousClock.now - began).components.seconds) s")
        guard case .wiped(let report) = result else {
            checks.expect(false, "\(name): cleared", "\(result)")
            return nil
        }
        checks.expect(report.ending == .cleared && report.problem == nil, "\(name): cleared", "\(report)")
        checks.expect(
            report.bytesVerified == report.areas.reduce(0) { $0 + $1.length }, "\(name): every byte of the plan was read back",
            "\(report.bytesVerified)")
        checks.expect(machine.store.fate(of: terms.id) == .done, "\(name): the store says done")
        let after = try machine.disk(named: disk.name)
        checks.expect(after.blank && after.signatures.isEmpty, "\(name): a new inventory calls it blank", "\(after)")
        return report
    }

    /// A wipe that must begin and not succeed, and says so everywhere. `during` sees how far it is.
    func expectFailed(
        _ disk: DiskFact, _ method: WarrantTerms.Method, saying words: String? = nil, during: @escaping Wiper.Progress = { _, _, _ in }
    ) async throws -> (WarrantEnvelope, WipeReport?) {
        let terms = try machine.terms(disk, method)
        let envelope = try await machine.sign(terms)
        let name = "\(disk.name) \(method.rawValue)"
        let result = machine.wipe(envelope, progress: during)
        guard case .wiped(let report) = result else {
            checks.expect(false, "\(name): failed", "\(result)")
            return (envelope, nil)
        }
        say("# \(name): \(report.problem ?? "-")")
        checks.expect(report.ending == .failed, "\(name): failed", "\(report)")
        let problem = report.problem ?? ""
        checks.expect(!problem.isEmpty && problem.contains(words ?? ""), "\(name): says \(words.map { "\"\($0)\"" } ?? "why")", problem)
        checks.expect(machine.store.fate(of: terms.id) == .failed, "\(name): the store says failed")
        expectRefused(machine.wipe(envelope), .warrantFailed, saying: "begun, and failed", "\(name), the same warrant again")
        return (envelope, report)
    }

    /// A good warrant that must be refused with nothing written. The digest goes to the host, which compares it with the image.
    func expectRefused(
        _ disk: DiskFact, _ method: WarrantTerms.Method, _ code: TaskRefusal.Code, saying words: String
    ) async throws {
        say("sha256 \(disk.name) \(try RawDisk(disk).digest().hex)")
        let terms = try machine.terms(disk, method)
        expectRefused(machine.wipe(try await machine.sign(terms)), code, saying: words, "\(disk.name) \(method.rawValue)")
        checks.expect(machine.store.fate(of: terms.id) == nil, "\(disk.name) \(method.rawValue): the warrant is not spent")
    }

    func expectRefused(_ result: TaskReport.Result, _ code: TaskRefusal.Code, saying words: String, _ name: String) {
        guard case .refused(let refusal) = result else {
            checks.expect(false, "\(name): refused", "\(result)")
            return
        }
        checks.expect(refusal.code == code, "\(name): refused as \(code.rawValue)", "\(refusal)")
        checks.expect(refusal.detail.contains(words), "\(name): says \"\(words)\"", "\(refusal)")
    }

    func labels(_ disk: DiskFact) -> [UInt64] { disk.signatures.filter { $0.kind == "ceph_bluestore" }.map(\.offset) }
}
