// SPDX-License-Identifier: Apache-2.0

import Dispatch
import MeshModel
import Synchronization
import Telemetry
import Testing

@testable import TelemetryStore

/// What waits for the store's writer while the disk is slow; `arrived`, which holds it up here, stands for the disk.
@Suite("The store's writer", .timeLimit(.minutes(1)))
struct WriterTests {
    private final class SlowDisk: Sendable {
        private let isBusy = Atomic(false)
        private let go = DispatchSemaphore(value: 0)
        private let isSlow = Atomic(true)
        let turns = Mutex<[[NodeID]]>([])

        func arrived(_ arrivals: [Arrival]) {
            turns.withLock { $0.append(arrivals.map(\.node)) }
            guard isSlow.load(ordering: .relaxed) else { return }
            isBusy.store(true, ordering: .releasing)
            go.wait()
        }
        func waitUntilBusy() async { while !isBusy.load(ordering: .acquiring), !Task.isCancelled { await Task.yield() } }
        func release() {
            isSlow.store(false, ordering: .relaxed)
            go.signal()
        }
    }

    private func name(_ text: String) throws -> NodeID { try #require(NodeID(text)) }

    @Test("of what an agent states, one statement waits: the newest, behind what came before it")
    func statements() async throws {
        let disk = SlowDisk()
        let bench = try StoreBench { _ in
        } arrived: { arrivals, _ in
            disk.arrived(arrivals)
        }
        let (stream, east, west) = (try StoreBench.stream(), try name("wrk-e-1"), try name("wrk-w-1"))
        let (store, now, moment) = (bench.store, bench.now, bench.moment)
        let first = try StoreBench.batch(1, 10)
        async let stored = store.append([first], of: east, in: nil, receivedAt: now)
        await disk.waitUntilBusy()
        for count in 10...10_000 as ClosedRange<UInt64> {
            store.state(SpoolStatement(streams: [stream: count]), of: east, in: nil, at: moment)
            store.state(SpoolStatement(streams: [stream: count]), of: west, in: nil, at: moment)
        }
        #expect(store.waiting == 2)
        disk.release()
        _ = try await stored
        try await bench.append(try StoreBench.batch(11, 1))
        #expect(try bench.account() == TelemetryAccount(produced: 10_000, delivered: 11))
        #expect(try bench.account("wrk-w-1")?.produced == 10_000)
    }

    @Test("a statement of one node does not part the batches of others, which reach the disk together; its own come before it")
    func together() async throws {
        let disk = SlowDisk()
        let bench = try StoreBench { _ in
        } arrived: { arrivals, _ in
            disk.arrived(arrivals)
        }
        let (store, now, moment) = (bench.store, bench.now, bench.moment)
        let nodes = try ["a", "b", "c", "d"].map(name)
        let (stream, batch) = (try StoreBench.stream(), try StoreBench.batch(1, 10))
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask { _ = try await store.append([batch], of: nodes[0], in: nil, receivedAt: now) }
            await disk.waitUntilBusy()
            for (index, node) in nodes.enumerated().dropFirst() {
                store.state(SpoolStatement(streams: [stream: 10]), of: nodes[0], in: nil, at: moment)
                tasks.addTask { _ = try await store.append([batch], of: node, in: nil, receivedAt: now) }
                while store.waiting <= index, !Task.isCancelled { await Task.yield() }
            }
            store.state(SpoolStatement(streams: [:], isComplete: true), of: nodes[3], in: nil, at: moment)
            disk.release()
            try await tasks.waitForAll()
        }
        #expect(disk.turns.withLock { $0 } == [[nodes[0]], [nodes[1], nodes[2], nodes[3]]])
        #expect(try bench.account("d") == TelemetryAccount(produced: 10, delivered: 10))
    }
}
