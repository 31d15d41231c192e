// SPDX-License-Identifier: Apache-2.0

import Foundation
import MeshHTTP
import ServerTesting
import Testing

@Suite(
    "What the coordinator tells a collector over gRPC", .timeLimit(.minutes(4)),
    .enabled(if: Collector.environment != nil, "MESHGATE_OTLP_VENV names no environment with grpcio and opentelemetry-proto"))
struct ServeGRPCExportTests {
    @Test(
        "a collector that is busy, takes a part, then everything, has logs, metrics and the trace of a run once each over TLS, also across a restart"
    )
    func collector() async throws {
        try await withTestCertificates { made in
            // Busy for an hour with traces: until a restart there is one request of them, however the export would have waited by itself.
            let collector = try Collector(
                grpc: "logs=busy:1,ok", "metrics=partial:2,ok", "traces=busy:3600,ok", certificates: made.directory)
            let place = try Place()
            let options = [
                "--otlp-endpoint", try await collector.url(), "--otlp-protocol", "grpc", "--otlp-metrics-every", "1s", "--otlp-ca",
                made.file("ca.pem"), "--otlp-client-certificate", made.file("client.pem"), "--otlp-client-key", made.file("client.key"),
                "--otlp-headers-file", try place.put("headers", "x-honeycomb-team: hunter2\n"),
            ]
            let first = try await ServeStage(place, options: options)
            #expect(try await first.join("east-1", token: try await first.token("east-1"), state: "a").code == 0)
            let agent = try await first.agent(state: "a")
            _ = try await agent.line("feed live")
            #expect(try await first.ask("apply", "-f", first.mesh, "--wait", "no").code == 0)
            #expect(try await first.ask("stop").code == 0)
            try await eventually("the agent's start and the run's events arrive, and a trace and a second page of metrics came") {
                let logs = try collector.text("logs")
                return try logs.contains("meshgate.host.agent_start") && logs.contains("meshgate.runFinished")
                    && !collector.requests("traces").isEmpty && collector.requests("metrics").count > 1
            }
            let refused = try #require(try collector.requests("logs").first { !$0.taken })
            let body = try collector.body(refused)
            let again = try collector.requests("logs").filter(\.taken).map(collector.body)
            #expect(again.contains(body), "what it was too busy for came again")
            let page = try await first.get("/metrics").text
            #expect(page.contains(#"meshgate_otlp_rejected_items_total{stream="metrics",reason="partial"} 2"#), "\(page)")
            #expect(
                page.contains(#"meshgate_otlp_delivering{stream="traces"} 0"#)
                    && page.contains(#"meshgate_otlp_sent_items_total{stream="traces"} 0"#))
            let ending = try await first.end()
            #expect(
                ending.code == 0 && ending.errors.contains("no room for more") && ending.errors.contains("come back later"), "\(ending.all)"
            )
            let traces = try collector.requests("traces")
            #expect(traces.count == 1 && !traces[0].taken)

            let second = try await ServeStage(place, options: options)
            #expect(try await second.join("west-1", token: try await second.token("west-1"), state: "w").code == 0)
            try await eventually("the trace from before the restart and what happened after it arrive") {
                try collector.text("traces").contains("run of quay") && collector.text("logs").contains("west-1 joined")
            }
            try await second.end()
            let journal = try collector.ids("quay/journal/")
            let head = try #require(journal.keys.compactMap { $0.split(separator: "/").last.flatMap { Int($0) } }.max())
            #expect(journal.count >= 5 && journal.values.allSatisfy { $0 == 1 }, "\(journal)")
            #expect(Set(journal.keys) == Set((head - journal.count + 1...head).map { "quay/journal/\($0)" }))
            let telemetry = try collector.ids("east-1/host/")
            #expect(!telemetry.isEmpty && telemetry.values.allSatisfy { $0 == 1 }, "\(telemetry)")
            try await collector.decode()
            _ = agent
        }
    }

    @Test("a collector with a certificate of another authority gets nothing, and it is said that nothing goes there")
    func strangers() async throws {
        try await withTestCertificates { made in
            let collector = try Collector(grpc: "logs=ok", "metrics=ok", "traces=ok", certificates: made.directory)
            let stage = try await ServeStage(options: [
                "--otlp-endpoint", try await collector.url(), "--otlp-protocol", "grpc", "--otlp-ca", made.file("other.pem"),
            ])
            try await eventually("it is seen that the collector is not trusted") {
                try await stage.get("/metrics").text.contains(#"meshgate_otlp_delivering{stream="metrics"} 0"#)
            }
            let requests = try ["logs", "metrics", "traces"].flatMap(collector.requests)
            #expect(requests.isEmpty)
            let ending = try await stage.end()
            #expect(ending.code == 0 && ending.errors.contains("cannot send on error="), "\(ending.all)")
        }
    }
}
