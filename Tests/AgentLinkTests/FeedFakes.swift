// SPDX-License-Identifier: Apache-2.0

import AgentLink
import FleetGateway
import Glibc
import Logging
import MeshModel
import MeshSystem
import Synchronization
import Telemetry
import TelemetrySpool
import Testing

/// Keeps books and events in memory, and can be made to wait, to fail or to refuse.
final class RememberingTelemetry: TelemetryInbox {
    struct Memory: Sendable {
        var ledgers: [NodeID: [TelemetryStream: StreamLedger]] = [:]
        /// Process ids of the stored events, in order of arrival.
        var stored: [NodeID: [UInt32]] = [:]
        var statements: [NodeID: SpoolStatement] = [:]
        var unreadable = 0
        /// Batches that were handed in, stored or not.
        var asked = 0
        /// Every so many calls one fails; zero for none.
        var failEvery = 0
        var held = false
        var refusal: String?
        func account(_ node: NodeID) -> TelemetryAccount {
            (ledgers[node] ?? [:]).values.reduce(into: TelemetryAccount()) { $0.add($1.account) }
        }
    }
    struct DiskFull: Error {}
    let memory = Watched(Memory())

    func take(_ batches: [TelemetryBatch], of node: NodeID, receivedAt: Moment) async throws -> [String?] {
        memory.change { $0.asked += batches.count }
        await memory.until { !$0.held }
        let unpacked = try batches.map { try PackedEvents.events(in: try Self.unpacked($0)) }
        let fails = Mutex(false)
        memory.change { memory in
            if memory.failEvery > 0, memory.asked % memory.failEvery == 0 { return fails.withLock { $0 = true } }
            for (batch, events) in zip(batches, unpacked) {
                var ledger = memory.ledgers[node]?[batch.stream] ?? StreamLedger()
                if memory.refusal == nil {
                    let skipped = Int(ledger.judge(batch).skippedEvents)
                    memory.stored[node, default: []] += events.dropFirst(skipped).map { $0.attributes.pid ?? 0 }
                }
                ledger.take(batch, refusal: memory.refusal == nil ? nil : .refused)
                memory.ledgers[node, default: [:]][batch.stream] = ledger
            }
        }
        if fails.withLock({ $0 }) { throw DiskFull() }
        return batches.map { _ in memory.value.refusal }
    }

    func unreadable(_ fault: TelemetryFault, of node: NodeID) async { memory.change { $0.unreadable += 1 } }
    func stated(_ statement: SpoolStatement, of node: NodeID, at: Moment) async { memory.change { $0.statements[node] = statement } }

    static func unpacked(_ batch: TelemetryBatch) throws -> [UInt8] {
        guard batch.packing == .gzip else { return batch.packed }
        return try Gzip.decompress(batch.packed, limits: Gzip.Limits(outputBytes: BatchLimits.plainBytes, ratio: 2000))
    }
}

/// A spool in a directory of its own that a test can kill and open again.
final class TestSpool: Sendable {
    let configuration: SpoolConfiguration
    private let current: Mutex<TelemetrySpool>

    init(in parent: String = "/tmp", _ adjust: (inout SpoolConfiguration) -> Void = { _ in }) throws {
        var configuration = SpoolConfiguration(
            directory: "\(parent)/meshgate-feed-\(try KernelEntropy().hexID(byteCount: 6))", boot: try #require(BootID("0f6f2c1e-8a53")))
        adjust(&configuration)
        self.configuration = configuration
        current = Mutex(try TelemetrySpool(configuration))
    }

    deinit {
        for name in (try? LinuxFileStore().list(configuration.directory)) ?? [] { unlink(configuration.directory + "/" + name) }
        rmdir(configuration.directory)
    }

    var spool: TelemetrySpool { current.withLock { $0 } }
    /// Until everything is acknowledged; ends with the test's time limit.
    func emptied() async throws {
        while spool.status.waiting > 0 { try await Task.sleep(for: .milliseconds(2)) }
    }

    /// What is in memory is gone, as after kill -9.
    func kill() throws { let new = try TelemetrySpool(configuration); current.withLock { $0 = new } }

    /// Events with consecutive process ids.
    func offer(_ pids: Range<Int>, from source: TelemetrySource = .tracer) {
        spool.offer(
            pids.map { pid in
                TelemetryEvent(
                    time: EventTime(nanoseconds: Int64(pid)), kind: .processExec,
                    attributes: EventAttributes(binary: "/usr/bin/true", pid: UInt32(pid)), body: .json(#"{"pid":\#(pid)}"#))
            }, from: source)
    }
}

/// A spool that remembers which threads asked it.
final class WatchedSpool: FeedSpool {
    private let spool: any FeedSpool
    private let names = Mutex(Set<String>())
    init(_ spool: any FeedSpool) { self.spool = spool }

    var threads: Set<String> { names.withLock { $0 } }
    private func note() {
        let bytes = (try? LinuxFileStore().read("/proc/thread-self/comm", limit: 64)) ?? nil
        let text = String(decoding: (bytes ?? []).filter { $0 != 0x0a }, as: UTF8.self)
        names.withLock { _ = $0.insert(text) }
    }

    func rewind() {
        note()
        spool.rewind()
    }
    func takeNext() -> SpooledBatch? {
        note()
        return spool.takeNext()
    }
    func acknowledge(_ batch: SpooledBatch) {
        note()
        spool.acknowledge(batch)
    }
    var statement: SpoolStatement {
        note()
        return spool.statement
    }
}

extension Stage {
    /// One feed of the real kind, not yet running.
    func feed(
        _ name: String, _ spool: any FeedSpool, identity: AgentIdentity? = nil, observe: @escaping @Sendable (FeedEvent) -> Void = { _ in }
    ) throws -> FeedLink {
        let identity = try identity ?? mesh.agent(try node(name)).identity
        var configuration = FeedLinkConfiguration(
            AgentLinkConfiguration(
                node: try node(name), agentVersion: "0.1.0", bootID: try #require(BootID("0f6f2c1e-8a53")), coordinators: [endpoint],
                identity: { identity }, judge: mesh.judge, now: mesh.clock))
        configuration.backoff = Backoff(base: .milliseconds(10), cap: .milliseconds(50))
        configuration.sharesThreads = true
        configuration.handshake = .seconds(20)
        var log = Logger(label: "test")
        log.logLevel = .critical
        return FeedLink(configuration: configuration, spool: spool, log: log, observe: observe)
    }

    /// Runs a feed while the body lasts.
    func running(_ feed: FeedLink, body: () async throws -> Void) async throws {
        let task = Task { try await feed.run() }  // cancelled below, whatever the body does
        let result: Result<Void, any Error>
        do {
            result = .success(try await body())
        } catch {
            result = .failure(error)
        }
        task.cancel()
        try await task.value
        try result.get()
    }
}
