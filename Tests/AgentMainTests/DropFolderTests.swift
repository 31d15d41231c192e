// SPDX-License-Identifier: Apache-2.0

import MeshModel
import Testing

@testable import HostTrace
@testable import meshgate_agent

@Suite("Alike drops") struct DropFolderTests {
    private func drop(_ milliseconds: Int64, port: UInt16 = 9, from: UInt16 = 1, reason: UInt32 = 2) -> TraceEvent {
        let flow = TraceEvent.Flow(
            source: IPAddress("10.0.0.1"), destination: IPAddress("10.0.0.2"), sourcePort: from, destinationPort: port, protocol: 17,
            namespace: 4, interface: 1)
        return TraceEvent(
            time: milliseconds * 1_000_000, what: .drop(.init(flow: flow, reason: reason, length: 60, etherType: 0x0800)))
    }

    @Test("the first is shown, the others of a second are counted, whatever port they came from, and none is lost") func folded() {
        var folder = DropFolder()
        let crowd = (0..<58).map { drop(Int64($0), from: UInt16(100 + $0)) }
        #expect(folder.lines(crowd, now: 40_000_000) == [.event(crowd[0])])
        #expect(folder.lines([], now: 999_000_000).isEmpty)
        #expect(folder.lines([], now: 1_000_000_000) == [.more(57, crowd[0])])
        #expect(folder.rest().isEmpty)
        let later = drop(2000)
        #expect(folder.lines([later, drop(2500), drop(3100)], now: 2_600_000_000) == [.event(later), .more(1, later), .event(drop(3100))])
        #expect(folder.lines([drop(3200)], now: 3_300_000_000).isEmpty && folder.rest() == [.more(1, drop(3100))])
    }

    @Test("drops for other reasons or to other ports, and everything that is no drop, stand alone") func apart() {
        var folder = DropFolder()
        let events = [
            drop(1), drop(2, port: 10), drop(3, reason: 5),
            TraceEvent(time: 4_000_000, what: .oomKill(.init(pid: 1, uid: 0, name: "a"))),
            TraceEvent(time: 5_000_000, what: .oomKill(.init(pid: 1, uid: 0, name: "a"))),
        ]
        #expect(folder.lines(events, now: 6_000_000) == events.map { .event($0) })
    }

    @Test("a crowd of different drops is shown one by one, and memory stays bounded") func bounded() {
        var folder = DropFolder()
        let events = (0..<3000).map { drop(1, port: UInt16(1 + $0)) }
        #expect(folder.lines(events, now: 2_000_000).count == 3000)
        #expect(folder.lines(events, now: 3_000_000).count == 3000 - 256)
    }
}
