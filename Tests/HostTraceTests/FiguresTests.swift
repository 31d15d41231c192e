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

    @Test("numbers that no kernel gave a word keep being numbers") func words() {
        let words = KernelWords(reasons: [3: "NO_SOCKET"])
        #expect(words.reason(3) == "NO_SOCKET" && words.reason(77) == "REASON_77" && words.reason(2 << 16 | 5) == "SUBSYSTEM_2_REASON_5")
        #expect(KernelWords.transport(6) == "tcp" && KernelWords.transport(200) == "protocol_200")
        #expect(KernelWords.transport(0, etherType: 0x0806) == "arp" && KernelWords.transport(0, etherType: 0x88cc) == "ethertype_0x88cc")
    }
}
