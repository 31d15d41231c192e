// SPDX-License-Identifier: Apache-2.0

import FeedTesting
import FleetGateway
import Glibc
import Logging
import MeshModel
import MeshSystem
import MeshTrust
import Synchronization
import Telemetry
import TelemetryStore

/// Tetragon's stream through the real `meshgate-agent tracer serve` and `run`, over TLS into a real gateway and store: what an event costs the
/// host that it happened on. The stand-in Tetragon, the gateway and the store are in this process.
struct FeedBench {
    let directory: String
    let program: String
    /// Events a second; zero for as many as are taken.
    let rate: Int
    let events: Int

    func run() async throws {
        let mesh = try BenchMesh(directory)
        let place = "\(directory)/feed-\(rate)"
        try LinuxFileStore().createDirectory(place)
        let ways = FeedLatency()
        let store = try TelemetryStore(
            StoreConfiguration(directory: place + "/store"), now: SystemClock.now, arrived: { ways.arrived($0) })
        let gateway = try mesh.gateway(
            inbox: CountingInbox(opened: Turnstile(), answered: Turnstile()), sessions: 1, telemetry: StoreTelemetry(store, ways))
        let serving = Task { try await gateway.run() }  // cancelled at the end
        let state = place + "/agent-state"
        try AgentBench.prepare(state, mesh, try await gateway.boundAddress())
        let (tetragon, socket) = (StandInTetragon(), place + "/tetragon.sock")
        try await tetragon.service.serve(at: socket) {
            let tracer = try Companion([
                program, "tracer", "serve", "--tracer-socket", place + "/tracer.sock", "--kind", "oom", "--tetragon", socket,
                "--tetragon-log",
                place + "/none", "--hubble", "none", "--log-level", "error",
            ])
            defer { tracer.stop() }
            let agent = try Companion([
                program, "run", "--state", state, "--node-key", state + "/node-key", "--tracer-socket", place + "/tracer.sock",
                "--log-level",
                "error",
            ])
            defer { agent.stop() }
            while tetragon.followers == 0 { try await Task.sleep(for: .milliseconds(10)) }
            // Each has begun by then, and its figures are of the work alone.
            try await Task.sleep(for: .seconds(2))
            ways.begin()
            let (load, began, own) = (Machine.load, Machine.now(), Machine.cpu())
            let before = (Machine.cpu(of: tracer.process), Machine.cpu(of: agent.process))
            try await Self.play(tetragon, events: events, rate: rate)
            try await arrived(store)
            let (seconds, spent) = (Machine.now() - began, Machine.cpu() - own)
            let cpu = (Machine.cpu(of: tracer.process) - before.0, Machine.cpu(of: agent.process) - before.1)
            let account = store.books.accounts.first { $0.key.source == .tetragon }?.value ?? TelemetryAccount()
            Machine.row(
                rate == 0 ? "as many as are taken" : "\(rate)", "\(events)", (Double(events) / seconds).text(0),
                (Double(events) / (cpu.0 + cpu.1)).text(0), "\((cpu.0 / seconds * 100).text(1)) / \((cpu.1 / seconds * 100).text(1))",
                "\((Machine.memory("VmHWM", of: tracer.process) / 1024).text(0)) / \((Machine.memory("VmHWM", of: agent.process) / 1024).text(0))",
                ((cpu.0 + cpu.1 + spent) / Double(events) * 1e6).text(1), ways.text(paced: rate > 0),
                "\(account.lost.values.reduce(0, +))", load)
            tetragon.breakStreams()
        }
        serving.cancel()
        _ = await serving.result
        store.close()
    }

    /// Events of every kind at that rate, in steps of ten milliseconds, each at the instant at which it happens.
    private static func play(_ tetragon: StandInTetragon, events: Int, rate: Int) async throws {
        let samples = try SampleEvent.samples().filter { $0.message.count > 100 }
        let (began, step) = (ContinuousClock.now, rate == 0 ? 500 : max(1, rate / 100))
        for first in stride(from: 0, to: events, by: step) {
            if rate > 0 { try await Task.sleep(until: began + .seconds(Double(first) / Double(rate))) }
            // A number of its own in the last digits makes each another event.
            let now = FeedLatency.now() / 1_000_000 * 1_000_000
            try await tetragon.happen(
                (first..<min(first + step, events)).map { samples[$0 % samples.count].message(at: now + Int64($0 % 1_000_000)) })
        }
    }

    /// Until everything is stored or lost with a reason.
    private func arrived(_ store: TelemetryStore) async throws {
        let deadline = ContinuousClock.now + .seconds(120)
        while ContinuousClock.now < deadline {
            let sum = store.books.accounts.filter { $0.key.source == .tetragon }.values.reduce(UInt64(0)) {
                $0 + $1.delivered + $1.lost.values.reduce(0, +)
            }
            if sum >= UInt64(events) { return }
            try await Task.sleep(for: .milliseconds(20))
        }
        throw BenchError.failed("not everything arrived: \(store.books.total)")
    }
}

/// The coordinator's intake of telemetry, without a coordinator.
private final class StoreTelemetry: TelemetryInbox {
    private let store: TelemetryStore
    private let ways: FeedLatency
    init(_ store: TelemetryStore, _ ways: FeedLatency) { (self.store, self.ways) = (store, ways) }
    func take(_ batches: [TelemetryBatch], of node: NodeID, receivedAt: Moment) async throws -> [String?] {
        let began = Machine.now()
        defer { ways.took(Machine.now() - began) }
        return try await store.append(batches, of: node, in: ClusterName("east"), receivedAt: receivedAt.wall)
    }
    func unreadable(_ fault: TelemetryFault, of node: NodeID) async { store.countUnreadable() }
    func stated(_ statement: SpoolStatement, of node: NodeID, at: Moment) async {
        store.state(statement, of: node, in: ClusterName("east"), at: at)
    }
}

/// How long it takes until the feed can tell.
private final class FeedLatency: Sendable {
    private struct State {
        /// Seconds from the gateway's hands to the disk and the feed, for each message of an agent.
        var gateway: [Double] = []
        /// Seconds from the oldest event of a batch to the feed.
        var whole: [Double] = []
    }
    private let state = Mutex(State())

    static func now() -> Int64 {
        var wall = timespec()
        clock_gettime(CLOCK_REALTIME, &wall)
        return Int64(wall.tv_sec) * 1_000_000_000 + Int64(wall.tv_nsec)
    }

    func begin() { state.withLock { $0 = State() } }
    func took(_ seconds: Double) { state.withLock { $0.gateway.append(seconds) } }
    func arrived(_ arrivals: [Arrival]) {
        let now = Self.now()
        state.withLock { state in
            for arrival in arrivals where arrival.source == .tetragon && arrival.events > 0 {
                state.whole.append(Double(now - arrival.oldest.nanoseconds) / 1e9)
            }
        }
    }

    /// p50 and p99 of both in milliseconds; of the whole way only where events happen when they are told.
    func text(paced: Bool) -> String {
        let state = state.withLock { $0 }
        func pair(_ values: [Double]) -> String {
            let sorted = values.sorted()
            guard !sorted.isEmpty else { return "-" }
            return [50, 99].map { (sorted[min(sorted.count - 1, sorted.count * $0 / 100)] * 1000).text(1) }.joined(separator: " / ")
        }
        return pair(state.gateway) + "; " + (paced ? pair(state.whole) : "-")
    }
}
