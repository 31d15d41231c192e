// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Tetragon

@Suite struct TetragonMetricsTests {
    private let page = """
        # HELP tetragon_bpf_missed_events_total Number of Tetragon perf events that are failed to be sent from the kernel.
        # TYPE tetragon_bpf_missed_events_total counter
        tetragon_bpf_missed_events_total{error="ENOSPC",msg_op="23"} 12
        tetragon_bpf_missed_events_total{error="EB}\\"USY",msg_op="5"} 3 1700000000000
        tetragon_build_info{commit="abc",go_version="go1.25",version="v1.7.0"} 1
        tetragon_notify_overflowed_events_total 1.5e+03
        tetragon_observer_ringbuf_events_lost_total NaN
        tetragon_observer_ringbuf_queue_events_lost_total -1
        tetragon_events_last_exported_timestamp 1.7e+09
        tetragon_events_total{type="PROCESS_EXEC"} 99
        process_start_time_seconds 1.79e+09
        go_goroutines 12
        """

    @Test("samples are added up over their labels, and what is no counter is left out") func read() {
        let metrics = TetragonMetrics(Array(page.utf8))
        #expect(metrics.version == "v1.7.0" && metrics.start == 1_790_000_000)
        #expect(
            metrics.values == [
                "tetragon_bpf_missed_events_total": 15, "tetragon_notify_overflowed_events_total": 1500,
                "tetragon_events_last_exported_timestamp": 1_700_000_000,
            ])
    }

    @Test("losses are what came on top since the last scrape, and a new Tetragon begins again") func losses() {
        func page(_ count: UInt64) -> TetragonMetrics { TetragonMetrics(Array("tetragon_notify_overflowed_events_total \(count)\n".utf8)) }
        var losses = TetragonLosses()
        #expect([100, 100, 130, 7, 9].map { losses.lost(page($0)) } == [0, 0, 30, 7, 2])
        #expect(losses.lost(TetragonMetrics([])) == 0 && losses.lost(page(5)) == 5)
    }

    @Test("what was lost while nobody looked is found out afterwards, of the same Tetragon and of another one") func kept() throws {
        func page(_ count: UInt64, start: Int = 1) -> TetragonMetrics {
            TetragonMetrics(Array("process_start_time_seconds \(start)\ntetragon_notify_overflowed_events_total \(count)\n".utf8))
        }
        var first = TetragonLosses()
        #expect([100, 130].map { first.lost(page($0)) } == [0, 30])
        var second = try #require(TetragonLosses(text: first.text))
        #expect(second.text == first.text && [150, 151].map { second.lost(page($0)) } == [20, 1])
        var third = try #require(TetragonLosses(text: second.text))
        #expect(third.lost(page(200, start: 2)) == 200, "another one counts from zero, also when it counts further than the first")
    }

    @Test("a text that is not whole is none of ours") func keptDamaged() {
        var losses = TetragonLosses()
        _ = losses.lost(TetragonMetrics(Array(page.utf8)))
        let text = losses.text
        for length in 0..<text.utf8.count { #expect(TetragonLosses(text: String(text.prefix(length))) == nil, "\(length)") }
        #expect(TetragonLosses(text: text)?.text == text && TetragonLosses(text: TetragonLosses().text) == nil)
        for (old, new) in [("1 ", "2 "), ("tetragon_bpf", "tetragon_bpg"), (" 15 ", " -15 "), (" 15 ", " 99999999999999999999 ")] {
            #expect(TetragonLosses(text: text.replacing(old, with: new)) == nil, "\(new)")
        }
    }

    @Test("what the kernel could not write is counted by two, and lost once") func once() {
        func page(_ kernel: UInt64, _ ring: UInt64, _ queue: UInt64) -> TetragonMetrics {
            TetragonMetrics(
                Array(
                    """
                    tetragon_bpf_missed_events_total \(kernel)
                    tetragon_observer_ringbuf_events_lost_total \(ring)
                    tetragon_observer_ringbuf_queue_events_lost_total \(queue)

                    """.utf8))
        }
        var losses = TetragonLosses()
        let told = [page(5, 5, 0), page(15, 5, 0), page(15, 15, 0), page(15, 18, 2), page(20, 20, 2)].map { losses.lost($0) }
        #expect(told == [0, 10, 0, 5, 2], "the ring tells of its hole later than the kernel")
    }

    @Test("a counter that jumps beyond belief does not end all counting") func hostile() {
        func page(_ count: UInt64) -> TetragonMetrics { TetragonMetrics(Array("tetragon_notify_overflowed_events_total \(count)\n".utf8)) }
        var losses = TetragonLosses()
        for count in [0, 8_000_000_000_000_000_000, 0, 8_000_000_000_000_000_000, 0] as [UInt64] {
            #expect(losses.lost(page(count)) < 1 << 40)
        }
    }

    @Test("any page can be read") func fuzz() {
        var random = Seeded(state: 3)
        let pieces = [
            "tetragon_bpf_missed_events_total", "{", "}", "\"", "\\", " ", "\n", "1e400", "9e18", "-0", "=", "version=\"",
            "tetragon_build_info", "é", "\0", "0x1p3",
        ]
        for _ in 0..<4000 {
            let text = (0..<Int.random(in: 0..<40, using: &random)).map { _ in pieces.randomElement(using: &random) ?? "" }.joined()
            _ = TetragonMetrics(Array(text.utf8))
        }
        #expect(TetragonMetrics(Array(repeating: UInt8(ascii: "t"), count: 1 << 20)).values.isEmpty)
    }
}
