// SPDX-License-Identifier: Apache-2.0

import FleetGateway
import Glibc
import MeshModel
import MeshSystem
import MeshTesting
import MeshWire
import Synchronization
import Telemetry
import TelemetrySpool
import TelemetryStore
import Testing

/// A real store that can be restarted, and that fails when it is told: before it has stored, or after it has and before it can say so.
final class StoreInbox: TelemetryInbox {
    struct Cut: Error {}
    enum Fault: Sendable { case none, before, after }
    private let configuration: StoreConfiguration
    private let state: Mutex<(store: TelemetryStore, random: SplitMix, faulty: Bool)>
    let taken = Watched(0)

    init(_ configuration: StoreConfiguration, seed: UInt64) throws {
        self.configuration = configuration
        state = Mutex((try TelemetryStore(configuration, now: SystemClock.now), SplitMix(seed: seed), true))
    }

    var store: TelemetryStore { state.withLock { $0.store } }
    func heal() { state.withLock { $0.faulty = false } }
    func restart() throws {
        store.close()
        let new = try TelemetryStore(configuration, now: SystemClock.now)
        state.withLock { $0.store = new }
    }

    func take(_ batches: [TelemetryBatch], of node: NodeID, receivedAt: Moment) async throws -> [String?] {
        taken.change { $0 += 1 }
        let fault = state.withLock { state -> Fault in
            guard state.faulty else { return .none }
            switch Int.random(in: 0..<5, using: &state.random) {
            case 0: return .before
            case 1: return .after
            default: return .none
            }
        }
        if fault == .before { throw Cut() }
        let answers = try await store.append(batches, of: node, in: ClusterName("east"), receivedAt: receivedAt.wall)
        if fault == .after { throw Cut() }
        return answers
    }

    func unreadable(_ fault: TelemetryFault, of node: NodeID) async { store.countUnreadable() }
    func stated(_ statement: SpoolStatement, of node: NodeID, at: Moment) async {
        store.state(statement, of: node, in: ClusterName("east"), at: at)
    }
}

@Suite("Produced is delivered plus lost by reason, to the event, from source to store", .timeLimit(.minutes(3)))
struct FeedBooksTests {
    @Test("agent and coordinator are killed in turn, the way is cut, spools overflow: the books balance", arguments: [1, 2, 3] as [UInt64])
    func everything(seed: UInt64) async throws {
        let directory = "/tmp/meshgate-books-\(try KernelEntropy().hexID(byteCount: 6))"
        defer {
            for name in (try? LinuxFileStore().list(directory)) ?? [] { unlink(directory + "/" + name) }
            rmdir(directory)
        }
        var configuration = StoreConfiguration(directory: directory)
        configuration.segmentBytes = 20_000
        let inbox = try StoreInbox(configuration, seed: seed)
        let east = try node("east-1")
        var random = SplitMix(seed: seed)
        var produced: UInt64 = 0
        let kept = try TestSpool { ($0.segmentBytes, $0.diskBytes) = (3000, 15_000) }
        try await Stage.with({ $0.feedCredit = FeedCredit(batches: 2, bytes: 1 << 20) }, telemetry: inbox) { stage in
            for _ in 0..<25 {
                for _ in 0..<Int.random(in: 0...12, using: &random) {
                    let source = TelemetrySource.allCases[Int.random(in: 0..<4, using: &random)]
                    let count = Int.random(in: 1...60, using: &random)
                    kept.offer(Int(produced)..<Int(produced) + count, from: source)
                    produced += UInt64(count)
                    if Int.random(in: 0..<4, using: &random) == 0 {
                        kept.spool.lost(3, .ringFull, from: source)
                        produced += 3
                    }
                    if Bool.random(using: &random) { kept.spool.flush() }
                }
                if Bool.random(using: &random) {
                    kept.spool.flush()
                    try await stage.running(try stage.feed("east-1", kept.spool)) {
                        let before = inbox.taken.value
                        if kept.spool.status.waiting > 0 { await inbox.taken.until { $0 > before } }
                    }
                }
                if Int.random(in: 0..<3, using: &random) == 0 { try kept.kill() }
                if Int.random(in: 0..<3, using: &random) == 0 { try inbox.restart() }
            }
            inbox.heal()
            kept.spool.flush()
            try await stage.running(try stage.feed("east-1", kept.spool)) {
                try await kept.emptied()
            }
        }
        try inbox.restart()
        let total = inbox.store.books.total
        #expect(total.produced == produced)
        #expect(total.pending == 0)
        #expect(total.delivered + total.lost.values.reduce(0, +) == produced)
        #expect(total.lost[.missing] == nil && total.lost[.refused] == nil, "\(total.lost)")
        #expect(Set(inbox.store.books.accounts.keys.map(\.node)) == [east])
        let reader = inbox.store.events(TelemetryQuery())
        var pids: [UInt32] = []
        while let more = try await reader.next() { pids += more.compactMap(\.event.attributes.pid) }
        // The first event has process id zero, which counts as none.
        #expect(UInt64(pids.count) + 1 >= total.delivered && UInt64(pids.count) <= total.delivered)
        #expect(Set(pids).count == pids.count)
        inbox.store.close()
    }
}
