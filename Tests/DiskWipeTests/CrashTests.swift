// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import Glibc
import LocalLink
import MeshModel
import MeshSystem
import Testing

@testable import DiskWipe

/// Runs one wipe in a process of its own: this test program again, asked for the one test below, under strace, which makes one system call
/// fail or kills the process at it.
private struct Victim {
    static let variable = "MESHGATE_WIPE_VICTIM"
    static let directory = getenv(variable).map { String(cString: $0) }
    static let isHere = directory != nil

    let bench: Bench
    let envelope: WarrantEnvelope

    init(_ bench: Bench, _ method: WarrantTerms.Method) async throws {
        self.bench = bench
        envelope = try await bench.sign(try bench.terms(for: try bench.fact(), method: method))
        try LinuxFileStore().write(Array(try JSONEncoder().encode(envelope)), to: "\(bench.directory)/envelope")
    }

    /// The same without a fault, as user nobody without any capability.
    func wipeAsNobody(owning disk: Bench.Disk) async throws -> TaskReport.Result? {
        try await bench.tool("chown", "-R", "65534:65534", bench.directory)
        let drop = ["--reuid", "65534", "--regid", "65534", "--clear-groups", "--inh-caps=-all", "--bounding-set=-all"]
        let environment = [Self.variable: bench.directory, "PATH": "/usr/bin:/bin"]
        let run = try await ProcessCommandRunner().run(
            Invocation("setpriv", try drop + Self.program, environment: environment, deadline: .seconds(60)))
        #expect(run.exit == .exited(0), "\(run.outputText) \(run.errorText)")
        return try answer()
    }

    private func answer() throws -> TaskReport.Result? {
        let bytes = try LinuxFileStore().read("\(bench.directory)/result", limit: 1 << 20)
        return try bytes.map { try JSONDecoder().decode(TaskReport.Result.self, from: Data($0)) }
    }

    private static var program: [String] {
        get throws {
            let path = try #require(realpath("/proc/self/exe", nil))
            defer { free(path) }
            return [String(cString: path), "--testing-library", "swift-testing", "--filter", "victimOfAnInjectedFault"]
        }
    }

    /// `inject` as strace(1) takes it. Gives what the wiper answered, `nil` when it died, and whether the fault came to pass.
    func wipe(_ inject: String, onlyOn path: String? = nil) async throws -> (result: TaskReport.Result?, injected: Bool) {
        let trace = "\(bench.directory)/trace"
        let call = inject.prefix { $0 != ":" }
        try LinuxFileStore().remove("\(bench.directory)/result")
        let arguments =
            try ["-f", "-qq", "-o", trace, "-e", "trace=\(call)", "-e", "inject=\(inject)"] + (path.map { ["-P", $0] } ?? [])
            + Self.program
        let environment = [Self.variable: bench.directory, "PATH": "/usr/bin:/bin"]
        let run = try await ProcessCommandRunner().run(Invocation("strace", arguments, environment: environment, deadline: .seconds(60)))
        let log = String(decoding: try LinuxFileStore().read(trace, limit: 64 << 20) ?? [], as: UTF8.self)
        let result = try answer()
        if result == nil { #expect(run.exit != .exited(0), "\(run.outputText)") }
        return (result, log.contains("INJECTED") || log.contains("killed by SIGKILL"))
    }
}

@Suite("child process", .enabled(if: Victim.isHere, "runs only inside of the tests of faults"))
struct ChildProcess {
    @Test func victimOfAnInjectedFault() throws {
        let directory = try #require(Victim.directory)
        try Hardening.apply()
        if geteuid() != 0 { #expect(Hardening.effectiveCapabilities() == []) }
        let bytes = try #require(try LinuxFileStore().read("\(directory)/envelope", limit: 1 << 20))
        let envelope = try JSONDecoder().decode(WarrantEnvelope.self, from: Data(bytes))
        let configuration = Bench.configuration(directory)
        let store = try ReplayStore(directory: configuration.storeDirectory)
        let result = Wiper(configuration: configuration, store: store, boot: try SystemClock.bootID()).wipe(envelope)
        try LinuxFileStore().write(Array(try JSONEncoder().encode(result)), to: "\(directory)/result")
    }
}

extension DiskTests {
    @Suite("faults", .serialized, .enabled(if: access("/usr/bin/strace", X_OK) == 0, "needs strace"), .enabled(if: !Victim.isHere))
    struct Faults {
        private func ext4(_ bench: Bench) async throws -> Bench.Disk {
            let disk = try await bench.disk(size: 32 << 20)
            try await bench.tool("mkfs.ext4", "-q", "-L", "precious", disk.loop)
            return disk
        }

        @Test("killed after the claim and before the first byte: the disk is untouched, the warrant is spent, nothing is resumed")
        func killedBeforeTheFirstByte() async throws {
            try await Bench.with { bench in
                let disk = try await ext4(bench)
                let victim = try await Victim(bench, .labels)
                let hash = try await bench.hash(disk)
                let (result, injected) = try await victim.wipe("pwrite64:signal=KILL:when=1", onlyOn: disk.node)
                #expect(result == nil && injected)
                #expect(try await bench.hash(disk) == hash)
                try expectInterrupted(bench, victim)
                #expect(try await bench.hash(disk) == hash)
            }
        }

        @Test("killed between two chunks: told as interrupted, never resumed")
        func killedInTheMiddle() async throws {
            try await Bench.with { bench in
                let disk = try await ext4(bench)
                let victim = try await Victim(bench, .labels)
                let (result, injected) = try await victim.wipe("pwrite64:signal=KILL:when=2", onlyOn: disk.node)
                #expect(result == nil && injected)
                #expect(try bench.bytes(of: disk, at: 0, count: 4 << 20).allSatisfy { $0 == 0 })
                let hash = try await bench.hash(disk)
                try expectInterrupted(bench, victim)
                #expect(try await bench.hash(disk) == hash)
            }
        }

        @Test("wiping needs no capability and no root, only access to the disk")
        func asNobody() async throws {
            try await Bench.with { bench in
                let disk = try await ext4(bench)
                let result = try await Victim(bench, .zero).wipeAsNobody(owning: disk)
                guard case .wiped(let report)? = result else { return #expect(Bool(false), "\(String(describing: result))") }
                #expect(report.ending == .cleared && report.bytesVerified == 32 << 20)
                #expect(try await bench.tool("cmp", "-n", String(32 << 20), disk.image, "/dev/zero").isEmpty)
            }
        }

        private func expectInterrupted(_ bench: Bench, _ victim: Victim) throws {
            let terms = try WarrantTerms(parsing: victim.envelope.text)
            for _ in 1...2 {
                let store = try bench.openStore()
                #expect(store.fate(of: terms.id) == .interrupted(afterBytes: nil))
                guard case .refused(let refusal) = bench.wiper(store).wipe(victim.envelope) else { return #expect(Bool(false)) }
                #expect(refusal.code == .warrantInterrupted && refusal.detail.contains("interrupted when the wiper died"))
            }
        }

        @Test(
            "a claim that cannot be recorded: not one byte is written",
            arguments: ["records:write:error=ENOSPC:when=1", "records:write:error=EIO:when=1"])
        func claimNotRecorded(_ fault: String) async throws {
            try await Bench.with { bench in
                let disk = try await ext4(bench)
                let victim = try await Victim(bench, .labels)
                let hash = try await bench.hash(disk)
                let (result, injected) = try await victim.wipe(
                    String(fault.dropFirst("records:".count)), onlyOn: "\(bench.configuration.storeDirectory)/records")
                #expect(injected)
                guard case .refused(let refusal)? = result else { return #expect(Bool(false), "\(String(describing: result))") }
                #expect(refusal.code == .disarmed)
                #expect(try await bench.hash(disk) == hash)
                #expect(try bench.openStore().disarmedBecause == nil)
            }
        }

        @Test("a fault of the disk at any call is told, unless the disk is blank all the same", arguments: faults)
        func neverFalseSuccess(_ fault: Fault) async throws {
            try await Bench.with { bench in
                let disk = try await ext4(bench)
                let victim = try await Victim(bench, fault.method)
                let (result, injected) = try await victim.wipe(fault.inject, onlyOn: disk.node)
                #expect(injected)
                switch result {
                case .wiped(let report)? where report.ending == .cleared && fault.inject.hasPrefix("ioctl"):
                    // libblkid asks the device things that it can do without; then the disk must really be blank.
                    #expect(try await bench.tool("cmp", "-n", String(32 << 20), disk.image, "/dev/zero").isEmpty)
                case .wiped(let report)?:
                    #expect(report.ending == .failed && report.problem?.isEmpty == false, "\(report)")
                    #expect(try bench.openStore().fate(of: report.warrant) == .failed)
                case .refused: #expect(try bench.openStore().fates.isEmpty)
                default: Issue.record("\(String(describing: result))")
                }
            }
        }

        struct Fault: Sendable, CustomTestStringConvertible {
            let inject: String
            let method: WarrantTerms.Method
            var testDescription: String { "\(inject) (\(method.rawValue))" }
        }

        private static let faults =
            [1, 2].map { Fault(inject: "pwrite64:error=EIO:when=\($0)", method: .labels) }
            + [Fault(inject: "fsync:error=EIO:when=1", method: .labels), Fault(inject: "fsync:error=EIO:when=1", method: .zero)]
            + [1, 30, 60, 72, 76, 79].map { Fault(inject: "pread64:error=EIO:when=\($0)", method: .zero) }
            + [10, 14, 18, 22].map { Fault(inject: "ioctl:error=EIO:when=\($0)", method: .zero) }
    }
}
