// SPDX-License-Identifier: Apache-2.0

import FleetGateway
import MeshModel
import MeshTesting
import MeshTrust
import MeshWire
import Synchronization
import Telemetry
import TelemetrySpool
import Testing

@testable import AgentLink

@Suite("The feed brings every event once, accounts for the others, and stands in nobody's way", .timeLimit(.minutes(2)))
struct FeedTests {
    @Test("what sources offer is stored, acknowledged and forgotten by the agent")
    func plain() async throws {
        let east = try node("east-1")
        let telemetry = RememberingTelemetry()
        try await Stage.with(telemetry: telemetry) { stage in
            let kept = try TestSpool()
            kept.offer(1..<1001)
            kept.spool.lost(5, .ringFull, from: .tracer)
            kept.offer(1..<11, from: .tetragon)
            kept.spool.flush()
            let feed = try stage.feed("east-1", kept.spool)
            try await stage.running(feed) {
                await telemetry.memory.until { $0.account(east).produced == 1015 && $0.account(east).pending == 0 }
                kept.offer(1001..<1101)
                kept.spool.flush()
                feed.wake()
                let memory = await telemetry.memory.until { $0.account(east).produced == 1115 && $0.account(east).pending == 0 }
                #expect(memory.account(east) == TelemetryAccount(produced: 1115, delivered: 1110, lost: [.ringFull: 5]))
                try await kept.emptied()
            }
        }
    }

    @Test("the spool, whose disk may hang, is asked on a thread of the feed's own: the threads of all tasks stay free for orders")
    func ownThread() async throws {
        let east = try node("east-1")
        let telemetry = RememberingTelemetry()
        try await Stage.with(telemetry: telemetry) { stage in
            let kept = try TestSpool()
            kept.offer(1..<1001)
            kept.spool.flush()
            let watched = WatchedSpool(kept.spool)
            try await stage.running(try stage.feed("east-1", watched)) {
                await telemetry.memory.until { $0.account(east).produced == 1000 && $0.account(east).pending == 0 }
                try await kept.emptied()
            }
            #expect(watched.threads == [FeedLink.thread])
        }
    }

    @Test("a coordinator that fails, an agent that is killed: each event is stored once, and the books balance to the event")
    func kills() async throws {
        let east = try node("east-1")
        let telemetry = RememberingTelemetry()
        telemetry.memory.change { $0.failEvery = 3 }
        try await Stage.with(telemetry: telemetry) { stage in
            let kept = try TestSpool { $0.segmentBytes = 2000 }
            var random = SplitMix(seed: 1)
            var offered = 0
            for _ in 0..<12 {
                let count = Int.random(in: 100...400, using: &random)
                kept.offer(offered + 1..<offered + count + 1)
                offered += count
                kept.spool.flush()
                kept.offer(offered + 1..<offered + 8)
                offered += 7
                try await stage.running(try stage.feed("east-1", kept.spool)) {
                    let asked = telemetry.memory.value.asked
                    await telemetry.memory.until { $0.asked > asked }
                }
                try kept.kill()
            }
            telemetry.memory.change { $0.failEvery = 0 }
            try await stage.running(try stage.feed("east-1", kept.spool)) {
                let total = UInt64(offered)
                let memory = await telemetry.memory.until { $0.account(east).delivered + $0.account(east).lostInAll == total }
                #expect(memory.account(east) == TelemetryAccount(produced: total, delivered: total - 84, lost: [.agentStopped: 84]))
                let stored = memory.stored[east] ?? []
                #expect(stored.count == offered - 84 && Set(stored).count == stored.count)
            }
        }
    }

    @Test("while the store waits, orders are carried out, and no more than the credit is on its way")
    func orders() async throws {
        let telemetry = RememberingTelemetry()
        telemetry.memory.change { $0.held = true }
        try await Stage.with({ $0.feedCredit = FeedCredit(batches: 3, bytes: 1 << 20) }, telemetry: telemetry) { stage in
            let kept = try TestSpool()
            for start in 0..<50 {
                kept.offer(start * 10..<start * 10 + 10)
                kept.spool.flush()
            }
            try await stage.running(try stage.feed("east-1", kept.spool)) {
                await telemetry.memory.until { $0.asked > 0 }
                try await stage.running(try stage.agent("east-1")) {
                    await stage.live("east-1")
                    try await stage.send("t1", for: "east-1")
                    await stage.inbox.memory.until { $0.recorded.count == 1 }
                }
                #expect(telemetry.memory.value.asked <= 3)
                #expect(kept.spool.status.waiting == 50)
                telemetry.memory.change { $0.held = false }
                let east = try node("east-1")
                await telemetry.memory.until { $0.account(east).delivered == 500 }
            }
        }
    }

    @Test("a batch that is refused is counted as such and does not come again")
    func refused() async throws {
        let east = try node("east-1")
        let telemetry = RememberingTelemetry()
        telemetry.memory.change { $0.refusal = "not well formed" }
        try await Stage.with(telemetry: telemetry) { stage in
            let kept = try TestSpool()
            kept.offer(0..<10)
            kept.spool.flush()
            let told = Watched<[FeedEvent]>([])
            try await stage.running(try stage.feed("east-1", kept.spool, observe: { event in told.change { $0.append(event) } })) {
                await told.until { $0.contains { if case .batchRefused(_, why: "not well formed") = $0 { true } else { false } } }
                telemetry.memory.change { $0.refusal = nil }
                #expect(telemetry.memory.value.account(east) == TelemetryAccount(produced: 10, delivered: 0, lost: [.refused: 10]))
                #expect(kept.spool.status.waiting == 0)
            }
        }
    }

    @Test("a revoked agent's feed is cut at the next sweep and not let in again")
    func revoked() async throws {
        let telemetry = RememberingTelemetry()
        try await Stage.with(telemetry: telemetry) { stage in
            let east = try node("east-1")
            let (identity, certificate) = try stage.mesh.agent(east)
            let kept = try TestSpool()
            kept.offer(0..<10)
            kept.spool.flush()
            let told = Watched<[FeedEvent]>([])
            try await stage.running(
                try stage.feed("east-1", kept.spool, identity: identity, observe: { event in told.change { $0.append(event) } })
            ) {
                await telemetry.memory.until { $0.account(east).delivered == 10 }
                stage.mesh.revoke(certificate.serial)
                await told.until { $0.contains { if case .refused(_, code: "turnedAway", _) = $0 { true } else { false } } }
                await told.until { $0.contains { if case .lost(_, let why) = $0 { why.contains("does not accept") } else { false } } }
                let alarms = await stage.inbox.memory.until { !$0.alarms.isEmpty }.alarms
                guard case .turnedAway(east, _) = alarms[0] else {
                    Issue.record("another alarm: \(alarms[0])")
                    return
                }
            }
        }
    }

    @Test("statements tell how far the agent has counted before anything is delivered")
    func statements() async throws {
        let east = try node("east-1")
        let telemetry = RememberingTelemetry()
        telemetry.memory.change { $0.held = true }
        try await Stage.with({ $0.timing.statement = .milliseconds(100) }, telemetry: telemetry) { stage in
            let kept = try TestSpool()
            kept.offer(0..<10)
            try await stage.running(try stage.feed("east-1", kept.spool)) {
                let memory = await telemetry.memory.until { $0.statements[east] != nil }
                #expect(memory.statements[east]?.streams.values.map { $0 } == [10])
                kept.offer(10..<30)
                await telemetry.memory.until { $0.statements[east]?.streams.values.contains(30) ?? false }
            }
        }
    }

    @Test("a coordinator without a store speaks no feed, and orders go on")
    func noStore() async throws {
        try await Stage.with { stage in
            let kept = try TestSpool()
            let told = Watched<[FeedEvent]>([])
            try await stage.running(try stage.feed("east-1", kept.spool, observe: { event in told.change { $0.append(event) } })) {
                await told.until { $0.contains { if case .lost = $0 { true } else { false } } }
                try await stage.running(try stage.agent("east-1")) { await stage.live("east-1") }
            }
        }
    }
}
