// SPDX-License-Identifier: Apache-2.0

import MeshHTTP
import MeshModel
import MeshSystem
import OperatorAPI
import Telemetry
import Testing

@Suite("Telemetry over the admin surface", .timeLimit(.minutes(1)))
struct TelemetrySurfaceTests {
    @Test("parameters become a query, and lines come back one by one")
    func query() async throws {
        let lab = try SurfaceLab()
        try await lab.serve { lab, _ in
            let lines = Mutex2<[String]>([])
            try await lab.client.telemetry(
                [
                    "since": "10m", "until": "2026-11-23T08:40:01Z", "cluster": "east", "node": "wrk-e-1", "source": "tetragon",
                    "kind": "process_exec", "binary": "*/nc", "namespace": "shop", "pod": "web-*", "reason": "NET*",
                    "limit": "3",
                ]
            ) { line in lines.change { $0.append(line) } }
            #expect(lines.value == [#"{"n":1}"#, #"{"n":2}"#, #"{"n":3}"#])
            let asked = try #require(lab.backend.telemetry.value.last)
            #expect(asked.newest == 3)
            #expect(
                asked.query
                    == TelemetryQuery(
                        since: EventTime(Timestamp(seconds: 1_795_000_000 - 600)),
                        until: EventTime(try #require(Timestamp("2026-11-23T08:40:01Z"))), cluster: ClusterName("east"),
                        node: NodeID("wrk-e-1"), source: .tetragon, kind: .processExec, binary: TextPattern("*/nc"),
                        namespace: TextPattern("shop"), pod: TextPattern("web-*"),
                        reason: TextPattern("NET*")))
            #expect(try await lab.client.books().store.events == 7)
        }
    }

    @Test(
        "a parameter that makes no sense is refused with its name",
        arguments: [
            ("since", "yesterday"), ("until", "-5m"), ("cluster", "East"), ("node", "a b"), ("source", "syslog"), ("kind", "Process"),
            ("binary", ""), ("reason", ""), ("limit", "0"), ("limit", "100001"), ("limit", "many"),
        ])
    func refusals(_ name: String, _ value: String) async throws {
        let lab = try SurfaceLab()
        try await lab.serve { lab, _ in
            do {
                try await lab.client.telemetry([name: value]) { _ in }
                Issue.record("\(name)=\(value) was taken")
            } catch OperatorClientError.refused(let status, let reply) {
                #expect(status == 400 && reply.error.message.hasPrefix(name + "="), "\(reply)")
            }
        }
    }

    private struct Enough: Error {}

    @Test("few read the store at once; whoever leaves stops its search and makes room")
    func places() async throws {
        try await SurfaceLab().serve({ $0.limits.queries = 2 }) { lab, _ in
            lab.backend.isSearching.change { $0 = true }
            let connections = try (0..<2).map { _ in
                let connection = try RawConnection(lab.socket)
                try connection.write("GET /v1/telemetry HTTP/1.1\r\nHost: localhost\r\n\r\n")
                return connection
            }
            while lab.backend.openStreams < 2, !Task.isCancelled { await Task.yield() }
            do {
                try await lab.client.telemetry([:]) { _ in }
                Issue.record("a third one")
            } catch OperatorClientError.refused(let status, let reply) {
                #expect(status == 503 && reply.error.code == "tooManyQueries")
            }
            for connection in connections { connection.hangUp() }
            while lab.backend.openStreams > 0, !Task.isCancelled { await Task.yield() }
            lab.backend.isSearching.change { $0 = false }
            let lines = Mutex2<[String]>([])
            // The place is left a moment after the search ends.
            while lines.value.isEmpty, !Task.isCancelled {
                do {
                    try await lab.client.telemetry(["limit": "2"]) { line in lines.change { $0.append(line) } }
                } catch OperatorClientError.refused(503, _) {}
            }
            #expect(lines.value == [#"{"n":1}"#, #"{"n":2}"#], "blank lines are no events")
        }
    }

    @Test("what programs were started with is not shown on the listener without TLS; the books are")
    func readOnly() async throws {
        let lab = try SurfaceLab()
        try await lab.serve({
            $0.unixSocket = nil
            $0.readOnly = .init(port: 0)
        }) { lab, listeners in
            guard case .readOnly(_, let port) = listeners.first else {
                Issue.record("no listener")
                return
            }
            let http = try CurlHTTPClient()
            #expect(try await http.send(HTTPRequest(.get, "http://127.0.0.1:\(port)/v1/telemetry")).status == 403)
            #expect(try await http.send(HTTPRequest(.get, "http://127.0.0.1:\(port)/v1/telemetry/books")).status == 200)
            let live = try await http.send(HTTPRequest(.get, "http://127.0.0.1:\(port)/v1/telemetry/live?kind=packet_drop&reason=NET*"))
            #expect(live.status == 200 && live.body.starts(with: Array("event: telemetry".utf8)))
            #expect(lab.backend.telemetry.value.last?.query == TelemetryQuery(kind: .packetDrop, reason: TextPattern("NET*")))
            #expect(try await http.send(HTTPRequest(.get, "http://127.0.0.1:\(port)/v1/telemetry/live?kind=NET")).status == 400)
        }
    }
}
