// SPDX-License-Identifier: Apache-2.0

import Glibc
import MeshModel
import Telemetry
import Testing

@testable import TelemetrySpool

@Suite("The spool keeps events until they are acknowledged, and accounts for those that it could not keep")
struct SpoolTests {
    @Test("events arrive once, in order, and leave no segment behind but the one that is written")
    func plain() throws {
        let bench = try Bench { $0.segmentBytes = 64 << 10 }
        for _ in 0..<20 {
            bench.offer(50, bodyBytes: 300)
            bench.spool.flush()
        }
        #expect(bench.segments.count > 3)
        try bench.deliver()
        #expect(bench.stored == Array(1...1000))
        #expect(bench.account == TelemetryAccount(produced: 1000, delivered: 1000))
        #expect(bench.segments.count == 1)
        #expect(bench.spool.status.waiting == 0)
    }

    @Test("losses that a source tells of keep their place among the events")
    func losses() throws {
        let bench = try Bench()
        bench.offer(2)
        bench.lose(7, .ringFull)
        bench.lose(1, .ringFull)
        bench.offer(1)
        bench.lose(3, .malformed, from: .tetragon)
        bench.spool.flush()
        let first = try #require(bench.spool.takeNext())
        #expect(try TelemetryBatch(decoding: first.bytes).runs == [.lost(3, .malformed)])
        bench.spool.rewind()
        try bench.deliver()
        #expect(bench.account == TelemetryAccount(produced: 14, delivered: 3, lost: [.ringFull: 8, .malformed: 3]))
    }

    @Test("what was not acknowledged is sent again after a new connection and after a restart")
    func again() throws {
        let bench = try Bench()
        bench.offer(10)
        bench.spool.flush()
        try bench.deliver(silent: true)
        #expect(bench.spool.takeNext() == nil)
        bench.spool.rewind()
        #expect(bench.spool.takeNext() != nil)
        try bench.restart()
        bench.offer(5)
        bench.spool.flush()
        try bench.deliver()
        #expect(bench.stored == Array(1...15))
        try bench.restart()
        #expect(try bench.deliver() == 0)
    }

    @Test("events that were in memory when the agent was killed are counted to the event, and their numbers are not given out again")
    func killed() throws {
        let bench = try Bench()
        bench.offer(10)
        bench.spool.flush()
        bench.offer(33)
        bench.offer(4, from: .hubble)
        try bench.restart()
        bench.offer(1)
        bench.spool.flush()
        try bench.deliver()
        #expect(bench.stored == Array(1...10) + [48])
        #expect(bench.account == TelemetryAccount(produced: 48, delivered: 11, lost: [.agentStopped: 37]))
        // Killed again before the next event: nothing is counted twice.
        try bench.restart()
        try bench.deliver()
        #expect(bench.account.produced == 48)
    }

    @Test("a full spool gives up its oldest segment and says how many events that were")
    func full() throws {
        let bench = try Bench { ($0.diskBytes, $0.segmentBytes) = (200 << 10, 40 << 10) }
        for _ in 0..<40 {
            bench.offer(20, bodyBytes: 500)
            bench.lose(1)
            bench.spool.flush()
            #expect(bench.spool.status.diskBytes <= 200 << 10)
        }
        // Also over a restart: the gap is on the disk.
        try bench.restart()
        try bench.deliver()
        let account = bench.account
        #expect(account.produced == 840)
        #expect(account.lost[.ringFull] == 40)
        #expect(account.lost[.spoolFull] ?? 0 > 300)
        #expect(account.pending == 0)
        #expect(account.lost.count == 2)
        #expect(bench.stored.last == 839 && bench.stored == bench.stored.sorted())
    }

    @Test("a record whose writing was interrupted is cut off and counted, and writing goes on behind it", arguments: [1, 7, 9, 100])
    func torn(cut: Int) throws {
        let bench = try Bench()
        for _ in 0..<3 {
            bench.offer(10)
            bench.spool.flush()
        }
        try bench.damage(try #require(bench.segments.first)) { $0.removeLast(cut) }
        try bench.restart()
        #expect(bench.spool.status.tornTails == 1)
        bench.offer(5)
        bench.spool.flush()
        try bench.restart()
        #expect(bench.spool.status.tornTails == 0)
        try bench.deliver()
        #expect(bench.account == TelemetryAccount(produced: 35, delivered: 25, lost: [.spoolDamaged: 10]))
    }

    @Test("a bit that flips on the disk costs its records and no more, before and after a restart", arguments: [true, false])
    func flipped(restart: Bool) throws {
        let bench = try Bench { $0.segmentBytes = 1 }
        for _ in 0..<4 {
            bench.offer(10)
            bench.spool.flush()
        }
        try bench.deliver(1)
        let victim = bench.segments[1]
        let file = open(bench.directory + "/" + victim, O_RDWR)
        var byte = UInt8(0xff)
        #expect(pwrite(file, &byte, 1, 40) == 1)
        close(file)
        if restart { try bench.restart() }
        try bench.deliver()
        #expect(bench.account == TelemetryAccount(produced: 40, delivered: 30, lost: [.spoolDamaged: 10]))
    }

    @Test("a new boot begins new streams; those of the boot before are finished, to the event")
    func newBoot() throws {
        let bench = try Bench()
        bench.offer(10)
        bench.spool.flush()
        bench.offer(2)
        try bench.restart(boot: "99999999-aaaa")
        bench.offer(3)
        bench.spool.flush()
        #expect(bench.spool.status.streams.count == 2)
        try bench.deliver()
        #expect(bench.ledgers.count == 2)
        #expect(bench.account == TelemetryAccount(produced: 15, delivered: 13, lost: [.agentStopped: 2]))
        #expect(bench.spool.status.streams.count == 1)
    }

    @Test("an agent that lost its counters begins a new stream, so that no new event passes for an old one")
    func countersGone() throws {
        let bench = try Bench()
        bench.offer(10)
        bench.spool.flush()
        unlink(bench.directory + "/counters")
        try bench.restart()
        bench.offer(10)
        bench.spool.flush()
        try bench.deliver()
        #expect(bench.stored == Array(1...20))
        #expect(bench.ledgers.count == 2)
    }

    @Test("counters that are damaged are not believed", arguments: [0, 9, 17, 30])
    func countersDamaged(place: Int) throws {
        let bench = try Bench()
        bench.offer(10)
        bench.spool.flush()
        try bench.damage("counters") { $0[place] ^= 0x10 }
        try bench.restart()
        bench.offer(10)
        bench.spool.flush()
        try bench.deliver()
        #expect(bench.stored == Array(1...20))
    }

    @Test(
        "what an earlier boot left is sent and then gone for good: later starts find nothing of it to tell again", arguments: [true, false])
    func earlierBoot(withCounters: Bool) throws {
        let bench = try Bench()
        bench.offer(10)
        bench.spool.flush()
        if !withCounters { unlink(bench.directory + "/counters") }
        try bench.restart(boot: withCounters ? "99999999-aaaa" : nil)
        bench.offer(5)
        bench.spool.flush()
        #expect(bench.segments.count == 2)
        bench.state()
        try bench.deliver()
        #expect(bench.segments.count == 1)
        // The coordinator hears that the old stream is finished, and closes its ledger.
        bench.state()
        try bench.restart()
        bench.state()
        #expect(try bench.deliver() == 0)
        #expect(bench.stored == Array(1...15))
        #expect(bench.account == TelemetryAccount(produced: 15, delivered: 15))
    }

    @Test("of an earlier boot's only segment nothing is left once all of it was acknowledged before")
    func earlierBootSettled() throws {
        let bench = try Bench()
        bench.offer(10)
        bench.spool.flush()
        try bench.deliver()
        bench.state()
        try bench.restart(boot: "99999999-aaaa")
        #expect(bench.segments.isEmpty)
        bench.state()
        try bench.restart()
        #expect(try bench.deliver() == 0)
        #expect(bench.account == TelemetryAccount(produced: 10, delivered: 10))
    }

    @Test("what only memory had when the agent was killed was lost with the agent, not by the disk")
    func killedInMemory() throws {
        let bench = try Bench { $0.segmentBytes = 1 }
        bench.offer(2)
        bench.spool.flush()
        try bench.withoutDirectory {
            bench.offer(3)
            bench.spool.flush()
        }
        bench.offer(4)
        bench.spool.flush()
        try bench.restart()
        try bench.deliver()
        #expect(bench.account == TelemetryAccount(produced: 9, delivered: 6, lost: [.agentStopped: 3]))
    }

    @Test("a disk that refuses costs nothing that is on it already: only a full one makes the oldest go")
    func refused() throws {
        let bench = try Bench { $0.segmentBytes = 1 }
        for _ in 0..<4 {
            bench.offer(10)
            bench.spool.flush()
        }
        try bench.withoutDirectory {
            for _ in 0..<3 {
                bench.offer(10)
                bench.spool.flush()
            }
        }
        #expect(bench.spool.status.failures == 3)
        #expect(bench.spool.status.memoryBytes > 0)
        bench.offer(10)
        bench.spool.flush()
        try bench.deliver()
        #expect(bench.account == TelemetryAccount(produced: 80, delivered: 80))
        #expect(bench.spool.status.memoryBytes == 0)
    }

    @Test("more than memory takes is counted, and the events after it are taken again")
    func intakeFull() throws {
        let bench = try Bench { $0.intakeBytes = 10_000 }
        bench.offer(50, bodyBytes: 400)
        bench.spool.flush()
        bench.offer(1)
        bench.spool.flush()
        try bench.deliver()
        let lost = bench.account.lost[.intakeFull] ?? 0
        #expect((20...30).contains(lost))
        #expect(bench.account == TelemetryAccount(produced: 51, delivered: 51 - lost, lost: [.intakeFull: lost]))
    }

    @Test("an absurd count of losses is not taken")
    func absurd() throws {
        let bench = try Bench()
        bench.spool.lost(.max, .ringFull, from: .tracer)
        bench.spool.lost(1 << 62, .ringFull, from: .tracer)
        bench.spool.lost(0, .ringFull, from: .tracer)
        bench.offer(1)
        bench.spool.flush()
        try bench.deliver()
        #expect(bench.account == TelemetryAccount(produced: 1, delivered: 1))
    }

    @Test("a stream that was brought to its end by lies takes nothing more and brings nobody down")
    func end() throws {
        let bench = try Bench()
        bench.offer(1)
        bench.spool.lost(BatchLimits.lastNumber - 3, .ringFull, from: .tracer)
        for _ in 0..<3 { bench.offer(2) }
        for count in [1, 2, BatchLimits.lastNumber - 1, .max] { bench.spool.lost(count, .ringFull, from: .tracer) }
        bench.spool.flush()
        bench.offer(1, from: .hubble)
        bench.spool.flush()
        try bench.deliver()
        #expect(bench.account.delivered == 3)
        #expect(bench.account.produced == BatchLimits.lastNumber)
        try bench.restart()
        bench.offer(1)
        bench.spool.flush()
        #expect(try bench.deliver() == 0)
    }

    @Test("counters that nothing can have counted to are damaged", arguments: [UInt64.max, 1 << 62, 5])
    func absurdCounters(number: UInt64) throws {
        for counter in [512, 520, 528] where number > 5 || counter > 512 {
            let bench = try Bench()
            bench.offer(4)
            bench.spool.flush()
            try bench.damage("counters") { bytes in
                withUnsafeBytes(of: number.littleEndian) { bytes.replaceSubrange(counter..<(counter + 8), with: $0) }
            }
            try bench.restart()
            bench.offer(3)
            bench.spool.flush()
            try bench.deliver()
            #expect(bench.stored == Array(1...7))
            #expect(bench.ledgers.count == 2)
        }
    }

    @Test("counters that are behind the records would give numbers out twice, and are not believed")
    func counterIsBehind() throws {
        let bench = try Bench()
        bench.offer(4)
        bench.spool.flush()
        try bench.damage("counters") { bytes in for place in [512, 520] { bytes[place] = 2 } }
        try bench.restart()
        bench.offer(3)
        bench.spool.flush()
        try bench.deliver()
        #expect(bench.stored == Array(1...7))
        #expect(bench.ledgers.count == 2)
    }

    @Test("the writer's own thread brings events to the link without being asked, and writes what is left when it stops")
    func writer() async throws {
        let bench = try Bench { $0.flushInterval = .milliseconds(5) }
        let (written, inlet) = AsyncStream.makeStream(of: Void.self)
        try bench.spool.start { inlet.yield() }
        bench.offer(100)
        for await _ in written { break }
        try bench.deliver()
        #expect(bench.stored.first == 1)
        bench.offer(100)
        bench.spool.stop()
        while bench.stored.count < 200 {
            await Task.yield()
            try bench.deliver()
        }
        #expect(bench.stored == Array(1...200))
    }
}
