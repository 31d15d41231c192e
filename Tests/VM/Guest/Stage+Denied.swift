// SPDX-License-Identifier: Apache-2.0

import Glibc
import HostTrace
import LocalLink
import MeshModel
import MeshSystem
import Synchronization
import Telemetry

/// What is left of the tracer where it may not do what it wants.
extension Stage {
    /// The rights of the service, fewer than that, none, and a kernel that is locked down.
    func denied() async throws {
        try await served(keeping: [.bpf, .perfmon], "with the rights of the service")
        try await substituted(keeping: [.bpf], "without CAP_PERFMON", saying: "CAP_PERFMON")
        try await substituted(keeping: [], "without any right", saying: "CAP_BPF")
        try await machine.tool("mount", "-t", "securityfs", "securityfs", "/sys/kernel/security")
        try await machine.tool("sh", "-c", "echo confidentiality >/sys/kernel/security/lockdown")
        try await substituted(keeping: [.bpf, .perfmon], "on a kernel that is locked down", saying: "lockdown=confidentiality")
    }

    private func served(keeping rights: Hardening.Capabilities, _ name: String) async throws {
        let running = Mutex("nothing was tried")
        try await confined(to: rights) {
            do {
                let tracer = try HostTracer(Set(TraceTopic.allCases))
                running.withLock { $0 = tracer.refused.isEmpty ? "\(tracer.running.count)" : "\(tracer.refused)" }
            } catch {
                running.withLock { $0 = "\(error)" }
            }
        }
        let found = running.withLock { $0 }
        checks.expect(found == "\(TraceProgram.allCases.count)", "\(name): every program runs", found)
    }

    /// Runs `body` on a thread that has these rights only, and `meanwhile` here. Nothing is resumed from that thread: what it starts would have
    /// no more rights than it has itself, threads of the pool too.
    private func confined(
        to rights: Hardening.Capabilities, _ body: @escaping @Sendable () -> Void, meanwhile: () async throws -> Void = {}
    ) async throws {
        let isOver = StopSignal()
        try OwnThread.start(named: "tracer") {
            if (try? Hardening.keepOnly(rights)) != nil { body() }
            isOver.set()
        }
        try await meanwhile()
        while !isOver.isSet { try await Task.sleep(for: .milliseconds(50)) }
    }

    /// /proc instead of programs: said in status and feed, and what lives for a second is seen.
    private func substituted(keeping rights: Hardening.Capabilities, _ name: String, saying words: String) async throws {
        let (queue, stop) = (RelayQueue(), StopSignal())
        let loop = TracerLoop(topics: Set(TraceTopic.allCases), ringBytes: HostTracer.ringBytes, queue: queue, version: "vm") { _, _ in }
        try await confined(to: rights) {
            loop.run(until: stop)
        } meanwhile: {
            // The first look, a second after the programs were given up, tells of nobody; the last one must find the other gone.
            let deadline = ContinuousClock.now + .seconds(30)
            while loop.status.withoutPrograms == nil, ContinuousClock.now < deadline { try await Task.sleep(for: .milliseconds(100)) }
            for seconds in ["2", "3", "2"] { try await machine.tool("sleep", seconds) }
            stop.set()
        }
        let status = loop.status
        say("# \(name): \(status.withoutPrograms ?? "programs run")")
        checks.expect(
            status.running.isEmpty && status.withoutPrograms?.contains(words) == true, "\(name): no program, and \(words) in the reason",
            "\(status)")
        var events: [TelemetryEvent] = []
        while let parcel = queue.next() {
            events += try PackedEvents.events(in: parcel.events.bytes)
            queue.took(parcel.number)
        }
        let kinds = "\(events.map { "\($0.kind) \($0.attributes.reason ?? "") \($0.attributes.binary ?? "")" })"
        checks.expect(
            events.contains { $0.kind == .sourceLimited && $0.attributes.reason == "programs" }, "\(name): the feed says so", kinds)
        let began = events.first { event in
            guard event.kind == .processExec, let body = event.body else { return false }
            return String(decoding: body.bytes, as: UTF8.self).contains("\"sleep\",\"3\"")
        }
        checks.expect(began?.attributes.reason == "seen_in_proc", "\(name): a process is seen in /proc", kinds)
        checks.expect(
            events.contains { $0.kind == .processExit && $0.attributes.pid == began?.attributes.pid }, "\(name): and its end", kinds)
        checks.expect(events.contains { $0.kind == .hostFigures }, "\(name): the kernel's own counters are told", kinds)
    }
}
