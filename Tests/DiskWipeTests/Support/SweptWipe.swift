// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import Glibc
import MeshModel
import MeshSystem
import Testing

@testable import DiskWipe

/// One small disk that is wiped again and again in a process of its own under strace, each time with one system call gone wrong, and what
/// must hold afterwards. Before each wipe disk and store are as at the beginning.
final class SweptWipe {
    static let size = 16 << 20
    let bench: Bench
    let disk: Bench.Disk
    private let original: AlignedBuffer
    private let store: [(path: String, bytes: [UInt8])]
    private var envelope = WarrantEnvelope(text: "", signatures: [])

    /// Not one block of the disk is zero, and it holds a partition in its middle, so that method `labels` writes in three places.
    init(_ bench: Bench, partition: String = "precious", mark: [UInt8] = [], at offset: UInt64 = 0) async throws {
        self.bench = bench
        disk = try await bench.disk(size: UInt64(Self.size))
        try bench.plant([UInt8](repeating: 0xa5, count: Self.size), at: 0, on: disk)
        try await bench.tool("sgdisk", "-o", "-n", "1:12288:16383", "-c", "1:\(partition)", disk.loop)
        try bench.plant(mark, at: offset, on: disk)
        let device = try BlockDevice(disk.node, .reading)
        original = AlignedBuffer(count: Self.size)
        try device.read(into: original, count: Self.size, at: 0)
        let directory = bench.configuration.storeDirectory
        store = try (try LinuxFileStore().list(directory) ?? []).map { name in
            ("\(directory)/\(name)", try LinuxFileStore().read("\(directory)/\(name)", limit: 1 << 20) ?? [])
        }
    }

    /// A new warrant for the wipes to come.
    func sign(_ method: WarrantTerms.Method) async throws {
        try reset()
        envelope = try await bench.sign(try bench.terms(for: try bench.fact(), method: method))
        try LinuxFileStore().write(Array(try JSONEncoder().encode(envelope)), to: "\(bench.directory)/envelope")
    }

    /// The store as it was armed.
    func forgetStore() throws {
        let directory = bench.configuration.storeDirectory
        for name in try LinuxFileStore().list(directory) ?? [] { unlink("\(directory)/\(name)") }
        for (path, bytes) in store { try LinuxFileStore().write(bytes, to: path) }
    }

    private func reset() throws {
        try forgetStore()
        for path in ["result", "unopened", "trace"] { unlink("\(bench.directory)/\(path)") }
        let device = try BlockDevice(disk.node, .exclusiveWriting)
        try device.write(original, count: Self.size, at: 0)
        try device.synchronise()
    }

    // One wipe

    struct Outcome {
        /// `nil` when the process died or could not open the store.
        let result: TaskReport.Result?
        let died: Bool
        /// The faults that really came to pass, as strace tells them.
        let faults: [Substring]
    }

    /// `fault` as strace(1) takes it without the call: `error=EIO`, `retval=0`, `signal=KILL`; it strikes the wipe's own n-th such call,
    /// and all after it when a `+` follows.
    func run(_ call: SweptCall, _ fault: String, at number: Int) async throws -> Outcome {
        try reset()
        let lasts = fault.hasSuffix("+")
        let inject =
            "inject=\(call.rawValue):\(lasts ? String(fault.dropLast()) : fault):when=\(SweptCall.lead + number)\(lasts ? "+" : "")"
        // Faster, but it swallows signals.
        let quickly = fault.hasPrefix("signal") ? [] : ["--seccomp-bpf"]
        let (exit, trace) = try await child(call, quickly + ["-e", "trace=\(call.rawValue)", "-e", inject])
        let bytes = try LinuxFileStore().read("\(bench.directory)/result", limit: 1 << 20)
        let unopened = access("\(bench.directory)/unopened", F_OK) == 0
        let died = bytes == nil && !unopened
        #expect(died || exit == .exited(0))
        return Outcome(
            result: try bytes.map { try JSONDecoder().decode(TaskReport.Result.self, from: Data($0)) }, died: died,
            faults: trace.split(separator: "\n").filter { $0.contains("(INJECTED)") })
    }

    struct Counts {
        /// How often the wipe makes each call when nothing goes wrong.
        var calls: [SweptCall: Int] = [:]
        /// How many of them come before the wiper's own last read, and so before libblkid's reads that follow it.
        var beforeLastRead: [SweptCall: Int] = [:]
    }

    func count() async throws -> Counts {
        try reset()
        let calls = SweptCall.allCases.map(\.rawValue).joined(separator: ",")
        let (exit, trace) = try await child(nil, ["-e", "trace=\(calls)"])
        try #require(exit == .exited(0))
        let lines = trace.split(separator: "\n").map { $0.split(separator: " ", maxSplits: 2).prefix(2) }
        let thread = try #require(lines.first { $0.last?.hasPrefix("fsync(-1") == true }?.first)
        var counts = Counts()
        for line in lines where line.first == thread {
            guard let words = line.last, let end = words.firstIndex(of: "("), let call = SweptCall(rawValue: String(words[..<end])) else {
                continue
            }
            counts.calls[call, default: 0] += 1
            if call == .pread64 { counts.beforeLastRead = counts.calls }
        }
        // The marker by which the thread was found.
        counts.calls[.fsync, default: 1] -= 1
        return counts
    }

    private func child(_ call: SweptCall?, _ tracing: [String]) async throws -> (CommandResult.Exit, trace: String) {
        let trace = "\(bench.directory)/trace"
        let program = try #require(realpath("/proc/self/exe", nil))
        defer { free(program) }
        let arguments =
            ["-f", "-qq", "-o", trace] + tracing
            + [String(cString: program), "--testing-library", "swift-testing", "--filter", "aWipeInAProcessOfItsOwn"]
        var environment = [SweptProcess.variable: bench.directory, "PATH": "/usr/bin:/bin"]
        environment[SweptProcess.callVariable] = call?.rawValue
        let run = try await ProcessCommandRunner().run(Invocation("strace", arguments, environment: environment, deadline: .seconds(60)))
        return (run.exit, String(decoding: try LinuxFileStore().read(trace, limit: 16 << 20) ?? [], as: UTF8.self))
    }

    // What must hold

    /// Everything that is not as it must be; empty when the wipe told the truth.
    func judge(_ outcome: Outcome) throws -> [String] {
        let image = try content()
        let unchanged = same(image, original)
        let terms = try WarrantTerms(parsing: envelope.text)
        let history = try bench.openStore()
        let fate = history.fate(of: terms.id)
        var wrong: [String] = []
        if let problem = history.disarmedBecause { wrong.append("the store is disarmed: \(problem)") }
        if fate == .done, !blank(image, terms.method) { wrong.append("the store says done and the disk is not blank") }
        if fate == nil, !unchanged { wrong.append("the disk changed and the store knows nothing") }
        switch outcome.result {
        case .wiped(let report)?:
            switch report.ending {
            case .cleared where fate != .done: wrong.append("cleared, and the store says \(String(describing: fate))")
            case .cleared where !blank(image, terms.method): wrong.append("cleared, and the disk is not blank")
            case .cleared: break
            case .failed where report.problem?.isEmpty != false: wrong.append("failed without a word")
            case .failed where fate == nil: wrong.append("failed, and the store knows nothing")
            case .failed: break
            case .interrupted: wrong.append("interrupted, and nobody asked for it")
            }
        case .refused(let refusal)?:
            if !unchanged { wrong.append("refused (\(refusal)), and the disk changed") }
            if fate != nil, fate != .interrupted(afterBytes: nil) {
                wrong.append("refused, and the store says \(String(describing: fate))")
            }
        case nil:
            if !outcome.died, fate != nil { wrong.append("no store, and the warrant is spent") }
        default: wrong.append("not an answer to a wipe: \(String(describing: outcome.result))")
        }
        if fate != nil { wrong += try secondTry(history, image) }
        return wrong
    }

    /// What a store opened anew says of the warrant.
    func fate() throws -> ReplayStore.Fate? { try bench.openStore().fate(of: try WarrantTerms(parsing: envelope.text).id) }

    private func secondTry(_ history: ReplayStore, _ before: AlignedBuffer) throws -> [String] {
        let fate = history.fates
        guard case .refused(let refusal) = bench.wiper(history).wipe(envelope),
            [.warrantDone, .warrantFailed, .warrantInterrupted].contains(refusal.code)
        else {
            return ["a second try under the same warrant was not refused as spent"]
        }
        return same(try content(), before) && history.fates == fate ? [] : ["a second try changed the disk or the store"]
    }

    var isUntouched: Bool { get throws { same(try content(), original) } }

    private func same(_ one: AlignedBuffer, _ other: AlignedBuffer) -> Bool {
        guard let left = one.bytes.baseAddress, let right = other.bytes.baseAddress else { return false }
        return memcmp(left, right, Self.size) == 0
    }

    private func content() throws -> AlignedBuffer {
        let buffer = AlignedBuffer(count: Self.size)
        try BlockDevice(disk.node, .reading).read(into: buffer, count: Self.size, at: 0)
        return buffer
    }

    /// What the method promises: every byte, or for `labels` head, tail and the partition's edges; and nothing else touched there.
    private func blank(_ image: AlignedBuffer, _ method: WarrantTerms.Method) -> Bool {
        let mebibyte = 1 << 20
        let kept = method == .labels ? [4 * mebibyte..<5 * mebibyte, 9 * mebibyte..<12 * mebibyte] : []
        let wiped = method == .labels ? [0..<4 * mebibyte, 5 * mebibyte..<9 * mebibyte, 12 * mebibyte..<Self.size] : [0..<Self.size]
        let bytes = UnsafeRawBufferPointer(image.bytes)
        return wiped.allSatisfy { firstNonzero(UnsafeRawBufferPointer(rebasing: bytes[$0])) == nil }
            && kept.allSatisfy { range in bytes[range].first == 0xa5 && bytes[range].last == 0xa5 }
    }
}
