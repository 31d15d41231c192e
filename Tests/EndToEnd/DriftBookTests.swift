// SPDX-License-Identifier: Apache-2.0

import MeshModel
import MeshTesting
import Testing

@testable import meshgate

@Suite("How fast clocks run")
struct DriftBookTests {
    private let boot: BootID

    init() throws { boot = try SmallMesh.need(BootID("aaaaaaaa")) }

    /// An exchange at `seconds` in which the node is `ahead` milliseconds ahead and the answer took twice `doubt`.
    private func report(_ node: String = "wrk-e-1", at seconds: Int64, ahead: Int64, doubt: Int64 = 0, boot: BootID? = nil) throws -> (
        TaskReport, Moment
    ) {
        let asked = Timestamp(seconds: 1_800_000_000 + seconds)
        let seen = asked + .milliseconds(doubt + ahead)
        let arrived = asked + .milliseconds(2 * doubt)
        let clock = ClockFact(asked: asked, received: seen, replied: seen, arrived: arrived, synchronised: true)
        return (
            TaskReport(
                task: try SmallMesh.need(TaskID("probe:1:clock:1")), node: try SmallMesh.need(NodeID(node)), bootID: boot ?? self.boot,
                sequence: 1, age: TimeSpan(.zero), probe: .clock, result: .facts([.clock(clock)])),
            Moment(wall: arrived, boot: seconds * 1000)
        )
    }

    private func drift(_ book: DriftBook, _ exchange: (TaskReport, Moment)) -> ClockFact.Drift? {
        guard case .facts(let facts) = book.noted(exchange.0, receivedAt: exchange.1).result, case .clock(let clock)? = facts.first else {
            return nil
        }
        return clock.drift
    }

    @Test("a clock that gains ten milliseconds in a thousand seconds gains ten millionths; the doubt shrinks with time")
    func gains() throws {
        let book = DriftBook()
        #expect(drift(book, try report(at: 0, ahead: 5)) == nil)
        #expect(drift(book, try report(at: 10, ahead: 5)) == nil, "too soon")
        let early = try SmallMesh.need(drift(book, try report(at: 100, ahead: 6)))
        #expect(early.ppm == 10 && early.doubt == 10)
        let late = try SmallMesh.need(drift(book, try report(at: 1000, ahead: 15)))
        #expect(late.ppm == 10 && late.doubt == 1 && late.over == TimeSpan(.seconds(1000)) && late.fromMedian == nil)
    }

    @Test("exchanges that were long on their way count less than sure ones, and those that say nothing not at all")
    func doubtful() throws {
        let book = DriftBook()
        for (at, ahead, doubt) in [(0, 0, 0), (60, 90, 100), (120, 0, 0), (180, 0, 0), (240, 80, 90), (300, 3, 0)]
            as [(Int64, Int64, Int64)]
        {
            _ = drift(book, try report(at: at, ahead: ahead, doubt: doubt))
        }
        #expect(try SmallMesh.need(drift(book, try report(at: 360, ahead: 400, doubt: 251))).ppm == 10)
    }

    @Test("a clock that was set, and a reboot, begin anew; a report that comes twice adds nothing")
    func anew() throws {
        let book = DriftBook()
        _ = drift(book, try report(at: 0, ahead: 0))
        #expect(drift(book, try report(at: 100, ahead: 1)) != nil)
        #expect(drift(book, try report(at: 100, ahead: 1))?.over == TimeSpan(.seconds(100)))
        #expect(drift(book, try report(at: 200, ahead: 5000)) == nil)
        #expect(drift(book, try report(at: 300, ahead: 5001))?.ppm == 10)
        #expect(drift(book, try report(at: 400, ahead: 5002, boot: try SmallMesh.need(BootID("bbbbbbbb")))) == nil)
    }

    @Test("beside the middle of three, the odd one is seen")
    func median() throws {
        let book = DriftBook()
        for (node, ahead) in [("a", 20), ("b", 21), ("c", -30)] as [(String, Int64)] {
            _ = drift(book, try report(node, at: 0, ahead: 0))
            _ = drift(book, try report(node, at: 1000, ahead: ahead))
        }
        #expect(drift(book, try report("c", at: 2000, ahead: -60))?.fromMedian == -50)
        #expect(drift(book, try report("b", at: 2000, ahead: 42))?.fromMedian == 1)
    }

    @Test("what is kept of a node is bounded, and reaches back to its first exchange")
    func bounded() throws {
        let book = DriftBook()
        var last: ClockFact.Drift?
        for index in 0..<1000 as Range<Int64> { last = drift(book, try report(at: index * 60, ahead: index / 10)) }
        let drift = try SmallMesh.need(last)
        #expect(drift.over.duration > .seconds(40_000) && (1...2).contains(drift.ppm))
    }
}
