// SPDX-License-Identifier: Apache-2.0

import AgentCore
import MeshModel
import MeshTesting
import Testing

@Suite("Outbox")
struct OutboxTests {
    @Test("numbers grow by one and never come back, also after a restart")
    func numbers() throws {
        var outbox = Outbox()
        _ = outbox.add(try report("a"), takenAt: at(0), sizeInBytes: 10)
        _ = outbox.add(try report("b"), takenAt: at(0), sizeInBytes: 10)
        #expect(outbox.entries.map(\.report.sequence) == [1, 2])
        let acknowledged = outbox.acknowledge(2)
        #expect(acknowledged)
        let restored = Outbox(entries: outbox.entries, nextSequence: outbox.nextSequence, dropped: outbox.dropped)
        #expect(restored.nextSequence == 3)
        #expect(Outbox(entries: outbox.entries, nextSequence: 0).nextSequence == 2)
    }

    @Test("a new session sends everything again, oldest first, with the same numbers")
    func resend() throws {
        var outbox = Outbox()
        for name in ["a", "b", "c"] { _ = outbox.add(try report(name), takenAt: at(0), sizeInBytes: 10) }
        #expect(sendAll(&outbox, window: 64) == [1, 2, 3])
        #expect(sendAll(&outbox, window: 64) == [])
        _ = outbox.acknowledge(2)
        outbox.reconnected()
        #expect(sendAll(&outbox, window: 64) == [1, 3])
    }

    @Test("no more than the window is in flight")
    func window() throws {
        var outbox = Outbox()
        for index in 0..<5 { _ = outbox.add(try report("t\(index)"), takenAt: at(0), sizeInBytes: 10) }
        #expect(sendAll(&outbox, window: 2) == [1, 2])
        _ = outbox.acknowledge(1)
        #expect(sendAll(&outbox, window: 2) == [3])
    }

    @Test("the age is computed at each send; after a reboot by the wall clock, and never negative")
    func age() throws {
        let entry = Outbox.Entry(report: try report("a"), takenAt: at(10), sizeInBytes: 1)
        #expect(entry.report(at: at(17), boot: try boot()).age == TimeSpan(.seconds(7)))
        #expect(entry.report(at: at(3), boot: try boot()).age == TimeSpan(.zero))
        let otherBoot = try #require(BootID("ffffffff-8a53"))
        let later = Moment(wall: at(40).wall, boot: 5)
        #expect(entry.report(at: later, boot: otherBoot).age == TimeSpan(.seconds(30)))
    }

    @Test("above the limits the oldest facts go first, then refusals, and accounts of wipes never")
    func overflow() throws {
        var outbox = Outbox(limits: .init(reports: 3, bytes: 1000))
        _ = outbox.add(try report("wiped", .failed("the disk vanished"), probe: nil), takenAt: at(0), sizeInBytes: 10)
        _ = outbox.add(try report("refused", .refused(TaskRefusal(.busy, "x"))), takenAt: at(0), sizeInBytes: 10)
        _ = outbox.add(try report("old"), takenAt: at(0), sizeInBytes: 10)
        #expect(outbox.add(try report("new"), takenAt: at(0), sizeInBytes: 10) == 1)
        #expect(outbox.entries.map(\.report.task.text) == ["wiped", "refused", "new"])
        #expect(outbox.add(try report("big"), takenAt: at(0), sizeInBytes: 985) == 2)
        #expect(outbox.entries.map(\.report.task.text) == ["wiped", "refused"])
        #expect(outbox.dropped == 3)
        #expect(outbox.add(try report("huge", .failed("y"), probe: nil), takenAt: at(0), sizeInBytes: 5000) == 1)
        #expect(outbox.entries.map(\.report.task.text) == ["wiped", "huge"])
        #expect(!outbox.hasRoomForWipe)
    }

    @Test("any order of adding, sending, acknowledging and reconnecting keeps the promises", arguments: 0..<40)
    func walk(seed: UInt64) throws {
        var random = SplitMix(seed: seed)
        var outbox = Outbox(limits: .init(reports: 8, bytes: 400))
        var added: UInt64 = 0
        var gone: UInt64 = 0
        var acknowledged: Set<UInt64> = []
        var wipes: Set<UInt64> = []
        for step in 0..<400 {
            switch Int.random(in: 0..<6, using: &random) {
            case 0, 1:
                let wipe = Int.random(in: 0..<12, using: &random) == 0
                if wipe { wipes.insert(outbox.nextSequence) }
                gone += UInt64(
                    outbox.add(
                        try report("t\(step)", wipe ? .failed("w") : .facts([]), probe: wipe ? nil : .host), takenAt: at(Int64(step)),
                        sizeInBytes: Int.random(in: 1...90, using: &random)))
                added += 1
            case 2: outbox.reconnected()
            case 3: while outbox.takeNext(window: 4) != nil {}
            default:
                let sequence = UInt64.random(in: 0...outbox.nextSequence, using: &random)
                if outbox.acknowledge(sequence) { #expect(acknowledged.insert(sequence).inserted) }
            }
            let here = outbox.entries.map(\.report.sequence)
            #expect(here == here.sorted() && Set(here).count == here.count)
            #expect(outbox.dropped == gone)
            #expect(
                added == UInt64(here.count) + gone + UInt64(acknowledged.count), "each report is here, acknowledged or counted as dropped")
            #expect(wipes.isSubset(of: acknowledged.union(here)), "no account of a wipe is dropped")
            #expect(outbox.bytes == outbox.entries.reduce(0) { $0 + $1.sizeInBytes })
            let droppable = outbox.entries.filter { $0.report.probe != nil }
            #expect(droppable.isEmpty || (here.count <= 8 && outbox.bytes <= 400))
        }
    }

    private func sendAll(_ outbox: inout Outbox, window: Int) -> [UInt64] {
        var sent: [UInt64] = []
        while let entry = outbox.takeNext(window: window) { sent.append(entry.report.sequence) }
        return sent
    }
}

func boot() throws -> BootID { try #require(BootID("0f6f2c1e-8a53")) }
func at(_ seconds: Int64) -> Moment { Moment(wall: Timestamp(seconds: 1_800_000_000 + seconds), boot: 1000 * seconds) }

func report(_ task: String, _ result: TaskReport.Result = .facts([]), probe: ProbeKind? = .host) throws -> TaskReport {
    TaskReport(
        task: try #require(TaskID(task)), node: try #require(NodeID("east-1")), bootID: try boot(), sequence: 0, age: TimeSpan(.zero),
        probe: probe, result: result)
}
