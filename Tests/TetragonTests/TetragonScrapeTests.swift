// SPDX-License-Identifier: Apache-2.0

import FeedTesting
import Glibc
import ServerTesting
import Telemetry
import Testing

@testable import Tetragon

@Suite(.timeLimit(.minutes(1))) struct TetragonScrapeTests {
    /// Counters that grow by one with each answer; /metrics of `mode`.
    private static let script = """
        import http.server, sys
        mode, count = sys.argv[1], 0
        class Page(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                global count
                count += 1
                body = ("tetragon_build_info{version=\\"v1.7.0\\"} 1\\n"
                        f"tetragon_bpf_missed_events_total{{msg_op=\\"5\\"}} {10 * count}\\n"
                        f"tetragon_observer_ringbuf_events_lost_total {10 * count}\\n"
                        f"tetragon_notify_overflowed_events_total {count}\\n").encode()
                if mode == "long": body = b"x" * (9 << 20)
                self.send_response(503 if mode == "busy" else 200)
                if mode == "cut": self.send_header("content-length", str(len(body) + 100))
                else: self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)
            def log_message(self, *a): pass
        server = http.server.HTTPServer(("127.0.0.1", 0), Page)
        print(server.server_port, flush=True)
        server.serve_forever()
        """

    @Test("what tetragon lost since the last look is in the books, each event once") func losses() async throws {
        let intake = KeptFeed(.tetragon)
        try await PythonServer.with(Self.script, ["fine"]) { server in
            let scrape = TetragonScrape(host: "127.0.0.1", port: Int(server.port), intake: intake, interval: .milliseconds(1))
            try await withThrowingTaskGroup { group in
                group.addTask { await scrape.run() }
                try await until { (intake.lost[.reportedBySource] ?? 0) >= 33 }
                group.cancelAll()
            }
        }
        let lost = try #require(intake.lost[.reportedBySource])
        #expect(lost % 11 == 0, "ten that two counters have, and one of a third: \(lost)")
        #expect(intake.lost.count == 1)
    }

    @Test("what tetragon lost while nobody scraped is told by the next one") func kept() async throws {
        let path = "/tmp/meshgate-counters-\(UInt64.random(in: .min ... .max))"
        defer { unlink(path) }
        try await PythonServer.with(Self.script, ["fine"]) { server in
            /// One scrape, whose counters are kept.
            @Sendable func once(until isDone: @escaping @Sendable (KeptFeed) -> Bool) async throws -> KeptFeed {
                let intake = KeptFeed(.tetragon)
                let scrape = TetragonScrape(
                    host: "127.0.0.1", port: Int(server.port), intake: intake, keptPath: path, interval: .seconds(600))
                try await withThrowingTaskGroup { group in
                    group.addTask { await scrape.run() }
                    try await until { isDone(intake) }
                    group.cancelAll()
                }
                return intake
            }
            let first = try await once { _ in access(path, F_OK) == 0 }
            #expect(first.lost == [:], "the first one only knows where counting begins")
            let second = try await once { $0.lost != [:] }
            #expect(second.lost == [.reportedBySource: 11])
        }
    }

    @Test(
        "a page that is none is refused",
        arguments: [
            ("busy", TetragonScrape.Fault.status(503)), ("long", .tooLong),
        ])
    func refused(mode: String, fault: TetragonScrape.Fault) async throws {
        try await PythonServer.with(Self.script, [mode]) { server in
            let scrape = TetragonScrape(host: "127.0.0.1", port: Int(server.port), intake: KeptFeed(.tetragon), patience: .seconds(50))
            await #expect(throws: fault) { try await scrape.page() }
        }
    }

    @Test("a page that ends early, or nobody at the port, is an error and no crash") func cut() async throws {
        try await PythonServer.with(Self.script, ["cut"]) { server in
            let scrape = TetragonScrape(host: "127.0.0.1", port: Int(server.port), intake: KeptFeed(.tetragon), patience: .seconds(50))
            await #expect(throws: (any Error).self) { try await scrape.page() }
        }
    }
}
