// SPDX-License-Identifier: Apache-2.0

import Foundation
import Gating
import Logging
import MeshHTTP
import MeshModel
import MeshSystem
import OperatorAPI
import Planning
import Running
import ServiceLifecycle
import Synchronization
import Telemetry

/// A coordinator's insides with memory: one run, its events, and a note of everything that was asked.
final class MemoryBackend: OperatorBackend {
    struct State {
        var asked: [String] = []
        var run: RunID?
        var events: [String] = []
        var isHealthy = true
        /// Streams of any kind that were opened and not cancelled.
        var openStreams = 0
    }
    let state = Mutex(State())
    let step = StepID("talos-east", "cilium")

    var asked: [String] { state.withLock { $0.asked } }
    private func note(_ text: String) { state.withLock { $0.asked.append(text) } }

    private func stepReply() -> StepReply {
        StepReply(
            id: step, title: "install Cilium", state: "held", since: nil, attempts: 0, driver: "cilium", after: [], reasons: [], detail: "")
    }

    func status() async throws -> StatusReply {
        StatusReply(
            version: "0.1.0", mesh: "home", epoch: 1, startedAt: Timestamp(seconds: 1_795_000_000), agents: "127.0.0.1:7443", http: "",
            journal: .empty, nodes: [], run: nil)
    }
    func nodes() async throws -> NodesReply { NodesReply(nodes: []) }
    func apply(_ request: ApplyRequest, by caller: Caller) async throws -> ApplyReply {
        note("apply by \(caller.name)")
        guard let run = RunID("run-1") else { throw InputRefusal.noRun }
        return try state.withLock { state in
            if let active = state.run { throw InputRefusal.runActive(active) }
            state.run = run
            return ApplyReply(run: run, following: false, after: 0)
        }
    }
    func stop(by caller: Caller) async throws -> DoneReply {
        guard state.withLock({ $0.run }) != nil else { throw InputRefusal.noRun }
        return DoneReply(journal: .empty)
    }
    func explain(_ step: StepID) async throws -> ExplainReply {
        guard step == self.step else { throw InputRefusal.noSuchStep(step) }
        return ExplainReply(step: stepReply(), waitsFor: [], gates: [], done: [])
    }
    func check(_ node: NodeID, _ request: CheckRequest) async throws -> CheckReply {
        note("check \(request.topic.rawValue) of \(node), \(request.checks.count) requirements")
        return CheckReply(node: node, topic: request.topic, answered: false, took: TimeSpan(.zero), evidence: [], gates: [])
    }
    func invite(_ node: NodeID, _ request: InviteRequest, by caller: Caller) async throws -> InviteReply {
        note("invite \(node) for \(request.life)")
        return InviteReply(node: node, token: "mgj1.x", until: Timestamp(seconds: 0), coordinator: "127.0.0.1:7443")
    }
    func revoke(_ node: NodeID, _ request: RevokeRequest, by caller: Caller) async throws -> RevokeReply {
        RevokeReply(node: node, serials: [request.reason])
    }
    func arming(_ node: NodeID) async throws -> ArmingReply {
        ArmingReply(node: node, store: nil, disarmed: "its record is gone", text: "text\n", missing: [])
    }
    func arm(_ node: NodeID, _ request: ArmRequest, by caller: Caller) async throws -> ArmingReply {
        note("arm \(node) by \(caller.name) with \(request.envelope.signatures.count) signatures")
        return ArmingReply(node: node, store: nil, disarmed: nil, text: nil, missing: [])
    }
    func losses() async throws -> LossesReply { LossesReply(losses: []) }
    func preview(_ request: ApplyRequest) async throws -> LossesReply { LossesReply(losses: []) }

    func wipes() async throws -> WipesReply { WipesReply(wipes: []) }
    func submit(_ request: WarrantRequest, by caller: Caller) async throws -> DoneReply {
        throw BackendRefusal(.badRequest, code: "warrantMalformed", "the warrant's text cannot be used", remedy: "request another")
    }
    func override(_ request: OverrideRequest, by caller: Caller) async throws -> DoneReply {
        throw InputRefusal.overrideImpossible(request.step, request.gate)
    }
    func evidence(about subject: String?) async throws -> EvidenceReply {
        note("evidence about \(subject ?? "all")")
        return EvidenceReply(evidence: [])
    }
    func books() async throws -> BooksReply {
        BooksReply(
            lines: [], agents: [],
            store: .init(
                segments: 1, bytes: 2, events: 7, oldest: nil, failures: 0, lastFailure: nil, refusedBatches: 0, correctedTimes: 0,
                damagedBlocks: 0))
    }
    let telemetry = Mutex2<[TelemetryRequest]>([])
    /// The stream, counted until it is cancelled.
    private func counted(_ stream: EventStream) -> EventStream {
        state.withLock { $0.openStreams += 1 }
        let isOpen = Mutex2(true)
        return EventStream(
            next: stream.next,
            cancel: { [self] in
                stream.cancel()
                if isOpen.value { state.withLock { $0.openStreams -= 1 } }
                isOpen.change { $0 = false }
            })
    }
    var openStreams: Int { state.withLock { $0.openStreams } }
    /// A query that finds nothing and goes on.
    let isSearching = Mutex2(false)

    /// As many lines as were asked for.
    func stored(_ request: TelemetryRequest) -> EventStream {
        telemetry.change { $0.append(request) }
        let next = Mutex2(0)
        return counted(
            EventStream(
                next: { [self] in
                    if isSearching.value {
                        try await Task.sleep(for: .milliseconds(1))
                        return "\n"
                    }
                    guard next.value < request.newest ?? 0 else { return nil }
                    next.change { $0 += 1 }
                    return "\n{\"n\":\(next.value)}\n"
                }, cancel: {}))
    }
    /// One outline, then nothing until it is cancelled.
    func sights(_ query: TelemetryQuery) -> EventStream {
        telemetry.change { $0.append(TelemetryRequest(query: query, newest: nil)) }
        let told = Mutex2(false)
        return EventStream(
            next: {
                guard !told.value else { return nil }
                told.change { $0 = true }
                return "event: telemetry\ndata: {}\n\n"
            }, cancel: {})
    }
    func metrics() async -> String { "meshgate_epoch 1\n" }
    func health() async -> (healthy: Bool, text: String) { state.withLock { $0.isHealthy } ? (true, "ok") : (false, "the disk is full") }

    // MARK: events

    func publish(_ count: Int) {
        state.withLock { state in
            for _ in 0..<count { state.events.append(#"{"seq":\#(state.events.count + 1),"kind":"alarm","text":"x"}"#) }
        }
    }

    /// Gives what is there, then waits for more by looking again: good enough to test what streams it.
    func stream(_ request: EventRequest) throws -> EventStream {
        let last = state.withLock { UInt64($0.events.count) }
        let after = request.after ?? last
        guard after <= last else { throw BackendRefusal(.conflict, code: "ahead", "there is no event \(after) yet") }
        let place = Mutex2((next: Int(after), isOver: false))
        return counted(
            EventStream(
                next: { [self] in
                    while !place.value.isOver, !Task.isCancelled {
                        let index = place.value.next
                        if let line = state.withLock({ index < $0.events.count ? $0.events[index] : nil }) {
                            place.change { $0.next += 1 }
                            return request.serverSent ? "id: \(index + 1)\ndata: \(line)\n\n" : line + "\n"
                        }
                        if !request.follow { return nil }
                        await Task.yield()
                    }
                    return nil
                }, cancel: { place.change { $0.isOver = true } }))
    }
}

/// A box for a value that closures share.
final class Mutex2<Value: Sendable>: Sendable {
    private let mutex: Mutex<Value>
    init(_ value: Value) { mutex = Mutex(value) }
    var value: Value { mutex.withLock { $0 } }
    func change(_ body: (inout Value) -> Void) { mutex.withLock { body(&$0) } }
}

/// A running server in a directory of its own.
struct SurfaceLab {
    let backend = MemoryBackend()
    let directory: String
    var socket: String { directory + "/meshgate.sock" }
    var client: OperatorClient {
        get throws { OperatorClient(http: try CurlHTTPClient(), socket: socket) }
    }

    init() throws {
        directory = "/tmp/meshgate-api-\(try KernelEntropy().hexID(byteCount: 6))"
        try LinuxFileStore().createDirectory(directory)
    }

    /// Runs the server until `body` has ended, then stops it gracefully.
    func serve(
        _ configure: (inout OperatorServerConfiguration) -> Void = { _ in },
        _ body: @Sendable (SurfaceLab, [OperatorServer.Opened]) async throws -> Void
    ) async throws {
        defer { cleanUp() }
        var configuration = OperatorServerConfiguration(unixSocket: .init(path: socket))
        configure(&configuration)
        let expected = [configuration.unixSocket != nil, configuration.mutualTLS != nil, configuration.readOnly != nil].count { $0 }
        let (opened, told) = AsyncStream<OperatorServer.Opened>.makeStream()
        let backend = backend
        let server = OperatorServer(
            configuration, backend: backend,
            sources: OperatorSources(
                digest: { Digest.zero(for: $0) }, plan: { nil }, events: { try backend.stream($0) },
                telemetry: { backend.stored($0) }, live: { backend.sights($0) }, now: { Timestamp(seconds: 1_795_000_000) },
                dashboard: Dashboard(
                    page: { query in "<!doctype html>" + (query("state") ?? "") }, stylesheet: "body {}", script: "\"use strict\";")),
            log: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }, opened: { told.yield($0) })
        let group = ServiceGroup(
            configuration: .init(services: [server], logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }))
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask {
                defer { told.finish() }
                try await group.run()
            }
            var listeners: [OperatorServer.Opened] = []
            for await listener in opened {
                listeners.append(listener)
                if listeners.count == expected { break }
            }
            if listeners.count == expected {
                do {
                    try await body(self, listeners)
                } catch {
                    await group.triggerGracefulShutdown()
                    throw error
                }
            }
            await group.triggerGracefulShutdown()
            try await tasks.waitForAll()
        }
    }

    private func cleanUp() {
        for name in (try? LinuxFileStore().list(directory)) ?? [] { unlink(directory + "/" + name) }
        rmdir(directory)
    }
}

extension Digest {
    /// Stands in for SHA-256: these tests only need a digest that everybody agrees on.
    static func zero(for body: Plan.Body) -> Digest { .zero }
}

/// A listener that was asked for is not there.
struct NoListener: Error {}
