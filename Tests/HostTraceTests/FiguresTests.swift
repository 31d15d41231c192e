// SPDX-License-Identifier: Apache-2.0

import Foundation
import Telemetry
import Testing

@testable import HostTrace

@Suite struct FiguresTests {
    private func disk(_ slots: [Int: UInt64]) -> TraceFigures.DiskCount {
        var row = [UInt64](repeating: 0, count: 26)
        for (slot, count) in slots { row[slot] = count }
        return .init(major: 7, minor: 0, operation: .read, requests: 0, bytes: 0, errors: 0, time: .zero, slots: row)
    }

    @Test("a share of the requests was done within the end of the slot that it falls into") func quantiles() {
        let count = disk([0: 50, 3: 49, 10: 1])
        #expect(count.quantile(0.5) == .microseconds(2))
        #expect(count.quantile(0.51) == .microseconds(16))
        #expect(count.quantile(0.99) == .microseconds(16))
        #expect(count.quantile(1) == .microseconds(2048))
        #expect(count.quantile(7) == .microseconds(2048) && count.quantile(-1) == .microseconds(2))
        #expect(disk([:]).quantile(0.5) == nil)
    }

    @Test("a line of JSON is what other readers read, whatever the texts are") func json() throws {
        var line = JSONLine()
        line.put("text", "a\"b\\c\n\u{1b}[2J\u{7f}é\u{2028}")
        line.put("number", UInt64.max)
        line.put("flag", true)
        line.put("texts", ["", "x"])
        var inner = JSONLine()
        inner.put("n", -1)
        line.put("objects", [inner, JSONLine()])
        line.append(inner)
        let object = try #require(try JSONSerialization.jsonObject(with: Data(line.closed)) as? [String: Any])
        #expect(object["text"] as? String == "a\"b\\c\n\u{1b}[2J\u{7f}é\u{2028}")
        #expect((object["number"] as? NSNumber)?.uint64Value == .max)
        #expect(object["texts"] as? [String] == ["", "x"])
        #expect(object["n"] as? Int == -1)
        #expect((object["objects"] as? [Any])?.count == 2)
        #expect(!line.closed.contains { $0 < 0x20 })
    }

    @Test("what is new is told, however little beside old sums, and what is left out is counted") func sums() {
        func figures(_ drops: [TraceFigures.DropCount], _ disks: [TraceFigures.DiskCount]) -> TraceFigures {
            TraceFigures(programs: [:], drops: drops, disks: disks)
        }
        func drop(_ reason: UInt32, _ packets: UInt64) -> TraceFigures.DropCount {
            .init(reason: reason, etherType: 0x0800, protocol: 6, packets: packets, bytes: packets * 60)
        }
        func disk(_ major: UInt32, _ requests: UInt64, errors: UInt64 = 0) -> TraceFigures.DiskCount {
            .init(
                major: major, minor: 0, operation: .read, requests: requests, bytes: 0, errors: errors, time: .zero,
                slots: [UInt64](repeating: 0, count: 26))
        }
        let words = KernelWords(reasons: [:], root: "/nowhere")
        let old = figures((1...100).map { drop($0, 1_000_000) }, (1...300).map { disk($0, 1_000_000) })
        var drops = old.drops
        drops.append(drop(200, 3))
        var disks = old.disks
        disks.append(disk(400, 1, errors: 1))
        let quiet = figures(drops, disks).sums(since: old, at: EventTime(nanoseconds: 1), words)
        #expect(quiet.events.map(\.kind) == [.packetDrops, .blockIO] && quiet.left == 0)
        #expect(quiet.events.first?.attributes.reason == "REASON_200" && quiet.events.last?.attributes.device == "400:0")

        let busy = figures(
            (1...100).map { drop($0, 1_000_000 + UInt64($0)) }, (1...300).map { disk($0, 1_000_002) } + [disk(400, 1, errors: 1)])
        let told = busy.sums(since: old, at: EventTime(nanoseconds: 1), words)
        #expect(told.events.count == 64 + 256 && told.left == 36 + 45)
        #expect(told.events.first?.attributes.reason == "REASON_100", "most first")
        #expect(told.events.dropFirst(64).first?.attributes.device == "400:0", "a disk that fails before all others")
    }

    @Test("a disk that took another's number has its own name after a while") func names() throws {
        let root = NSTemporaryDirectory() + "words-\(UUID().uuidString)"
        let numbers = root + "/sys/dev/block"
        try FileManager.default.createDirectory(atPath: numbers, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: root) }
        let words = KernelWords(reasons: [:], root: root)
        try FileManager.default.createSymbolicLink(atPath: numbers + "/8:16", withDestinationPath: "../../devices/pci/sdb")
        #expect(words.disk(8, 16) == "sdb" && words.disk(8, 32) == "8:32")
        try FileManager.default.removeItem(atPath: numbers + "/8:16")
        for (number, name) in [("8:16", "sdc"), ("8:32", "sdd")] {
            try FileManager.default.createSymbolicLink(atPath: numbers + "/" + number, withDestinationPath: "../../devices/pci/" + name)
        }
        words.forgetNames()
        #expect(words.disk(8, 16) == "sdc" && words.disk(8, 32) == "sdd")
    }

    @Test("numbers that no kernel gave a word keep being numbers") func words() {
        let words = KernelWords(reasons: [3: "NO_SOCKET"])
        #expect(words.reason(3) == "NO_SOCKET" && words.reason(77) == "REASON_77" && words.reason(2 << 16 | 5) == "SUBSYSTEM_2_REASON_5")
        #expect(KernelWords.transport(6) == "tcp" && KernelWords.transport(200) == "protocol_200")
        #expect(KernelWords.transport(0, etherType: 0x0806) == "arp" && KernelWords.transport(0, etherType: 0x88cc) == "ethertype_0x88cc")
    }
}
