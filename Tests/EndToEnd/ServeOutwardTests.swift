// SPDX-License-Identifier: Apache-2.0

import Foundation
import Glibc
import MeshHTTP
import MeshSystem
import Testing

@Suite("What the coordinator tells others", .timeLimit(.minutes(4)))
struct ServeOutwardTests {
    @Test("a collector gets events, telemetry, metrics and the trace of a run, once each, also across a restart, and a secret only there")
    func collector() async throws {
        let collector = try Collector("200")
        let place = try Place()
        let options = [
            "--otlp-endpoint", try await collector.url(), "--otlp-headers-file", try place.put("headers", "x-honeycomb-team: hunter2\n"),
            "--otlp-metrics-every", "1s",
        ]
        let first = try await ServeStage(place, options: options)
        #expect(try await first.join("east-1", token: try await first.token("east-1"), state: "a").code == 0)
        let agent = try await first.agent(state: "a")
        _ = try await agent.line("feed live")
        #expect(try await first.ask("apply", "-f", first.mesh, "--wait", "no").code == 0)
        #expect(try await first.ask("stop").code == 0)
        try await eventually("the agent's start, the run's events and its trace arrive") {
            let (logs, traces) = (try collector.text("logs"), try collector.text("traces"))
            let metrics = try collector.text("metrics")
            return logs.contains("meshgate.host.agent_start") && logs.contains("meshgate.runFinished") && traces.contains("run of quay")
                && metrics.contains("meshgate_otlp_sent")
        }
        let page = try await first.get("/metrics").text
        #expect(page.contains(#"meshgate_otlp_delivering{stream="telemetry"} 1"#), "\(page)")
        let said = first.coordinator.text
        #expect(said.contains("sending on") && !said.contains("hunter2"))
        try await first.end()

        let second = try await ServeStage(place, options: options)
        #expect(try await second.join("west-1", token: try await second.token("west-1"), state: "w").code == 0)
        try await eventually("what happened after the restart arrives") { try collector.text("logs").contains("west-1 joined") }
        let journal = try collector.ids("quay/journal/")
        let head = try #require(journal.keys.compactMap { $0.split(separator: "/").last.flatMap { Int($0) } }.max())
        // Sending began with what came after the start; from there on there is neither a hole nor a repetition.
        #expect(journal.count >= 5 && journal.values.allSatisfy { $0 == 1 }, "\(journal)")
        #expect(Set(journal.keys) == Set((head - journal.count + 1...head).map { "quay/journal/\($0)" }))
        let telemetry = try collector.ids("east-1/host/")
        #expect(!telemetry.isEmpty && telemetry.values.allSatisfy { $0 == 1 }, "\(telemetry)")
        try await collector.decode()
        _ = agent
    }

    @Test("a collector that answers garbage and then stalls holds up neither agents nor the end of the coordinator")
    func stalled() async throws {
        let collector = try Collector("garbage", "garbage", "slow:60")
        let stage = try await ServeStage(options: ["--otlp-endpoint", try await collector.url(), "--otlp-signals", "logs"])
        #expect(try await stage.join("east-1", token: try await stage.token("east-1"), state: "a").code == 0)
        let agent = try await stage.agent(state: "a")
        _ = try await agent.line("feed live")
        try await eventually("what the agent tells is stored while the collector hangs") {
            let page = try await stage.get("/metrics").text
            return page.contains(#"meshgate_telemetry_delivered_events_total{cluster="",node="east-1",source="host"} 1"#)
                && page.contains(#"meshgate_otlp_delivering{stream="events"} 0"#)
        }
        let page = try await stage.get("/metrics").text
        #expect(page.contains(#"meshgate_otlp_sent_items_total{stream="telemetry"} 0"#), "\(page)")
        #expect(page.contains(#"meshgate_otlp_rejected_items_total{stream="events",reason="refused"} 0"#))
        #expect(!page.contains(#"stream="traces""#))
        let ending = try await stage.end()
        #expect(ending.code == 0 && ending.errors.contains("is not a collector's"), "\(ending.all)")
        _ = agent
    }

    @Test("with a gRPC collector that is not there it serves, says so once, and ends as it should")
    func absent() async throws {
        let stage = try await ServeStage(options: ["--otlp-endpoint", "http://127.0.0.1:1", "--otlp-protocol", "grpc"])
        try await eventually("it is seen that nobody is there") {
            try await stage.get("/metrics").text.contains(#"meshgate_otlp_delivering{stream="metrics"} 0"#)
        }
        #expect(try await stage.get("/healthz").status == 200)
        let ending = try await stage.end()
        #expect(ending.code == 0, "\(ending.all)")
        #expect(
            ending.errors.components(separatedBy: "cannot send on stream=metrics").count <= 2
                && !ending.errors.contains("connection to the"))
    }

    @Test("wrong settings are named with what is right, and end the start with code 78 or 64")
    func settings() async throws {
        let place = try Place()
        func serve(_ options: String..., environment: [String: String] = [:]) async throws -> Ending {
            try await Programs.run(
                ["serve", "--state-dir", place.path + "/s", "--listen", "127.0.0.1:0", "--http", "none"] + options, home: place.path,
                environment: environment)
        }
        let url = ["--otlp-endpoint", "http://127.0.0.1:1"]
        for (ending, words) in [
            (try await serve("--otlp-endpoint", "collector:4318"), "is no endpoint such as http://collector:4318"),
            (try await serve(url[0], url[1], "--otlp-protocol", "json"), "wants http/protobuf or grpc"),
            (try await serve(url[0], url[1], "--otlp-signals", "logs,profiles"), "wants logs, metrics and traces"),
            (try await serve(url[0], url[1], "--otlp-headers-file", "nowhere"), "there is no such file"),
            (try await serve(url[0], url[1], environment: ["OTEL_EXPORTER_OTLP_TIMEOUT": "10s"]), "OTEL_EXPORTER_OTLP_TIMEOUT is \"10s\""),
            (try await serve(url[0], url[1], "--otlp-client-key", "k"), "a certificate and its key are wanted together"),
        ] { #expect(ending.code == 78 && ending.errors.contains(words), "\(ending.all)") }
        let log = try await serve("--events-to", "kafka")
        #expect(log.code == 64 && log.errors.contains("is not journald or syslog"), "\(log.all)")
    }

    @Test("events reach the machine's log with their fields", arguments: ["journald", "syslog"])
    func systemLog(form: String) async throws {
        let place = try Place()
        let socket = try DatagramSocket(place.path + "/log")
        let stage = try await ServeStage(place, options: ["--events-to", "\(form):\(place.path)/log"])
        #expect(try await stage.join("east-1", token: try await stage.token("east-1"), state: "a").code == 0)
        let entry = try #require(try await socket.first { $0.contains("east-1 joined") })
        if form == "journald" {
            #expect(entry.contains("MESHGATE_KIND=agentEnrolled\n") && entry.contains("MESHGATE_NODE=east-1\n"), "\(entry)")
            #expect(entry.contains("PRIORITY=6\n") && entry.contains("SYSLOG_IDENTIFIER=meshgate\n"))
        } else {
            #expect(entry.hasPrefix("<30>1 ") && entry.contains(" agentEnrolled [meshgate@32473 mesh=\"quay\""), "\(entry)")
        }
    }

    @Test(
        "a real Prometheus scrapes it, has the series, and loads the package's rules without fault, while no collector answers",
        .enabled(if: access("/usr/bin/prometheus", X_OK) == 0, "package prometheus is not installed"))
    func prometheus() async throws {
        let stage = try await ServeStage(options: ["--otlp-endpoint", "http://127.0.0.1:1"])
        _ = try await stage.ask("apply", "-f", stage.mesh, "--wait", "no")
        let rules = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
            .appendingPathComponent("packaging/prometheus/meshgate.rules.yml").path
        let configuration = try stage.place.put(
            "prometheus.yml",
            """
            global: { scrape_interval: 1s, evaluation_interval: 1s }
            rule_files: ["\(rules)"]
            scrape_configs:
              - job_name: meshgate
                static_configs: [{ targets: ["\(try await stage.address("listening for metrics"))"] }]

            """)
        let prometheus = Daemon(
            Invocation(
                "/usr/bin/prometheus",
                [
                    "--config.file=\(configuration)", "--storage.tsdb.path=\(stage.place.path)/tsdb", "--web.listen-address=127.0.0.1:0",
                    "--log.format=json",
                ], workingDirectory: stage.place.path, deadline: .seconds(120)))
        let line = try await prometheus.line("\"Listening on\"")
        let said = try #require(try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])
        let base = "http://\(try #require(said["address"] as? String))/api/v1"
        func ask(_ path: String) async throws -> [String: Any] {
            let answer = try await CurlHTTPClient().send(HTTPRequest(.get, base + path))
            // It listens before it is ready, and says so with 503.
            guard answer.status == 200 else { return [:] }
            let object = try JSONSerialization.jsonObject(with: Data(answer.body)) as? [String: Any]
            return object?["data"] as? [String: Any] ?? [:]
        }
        try await eventually("the target is up", within: .seconds(60)) {
            (try await ask("/targets")["activeTargets"] as? [[String: Any]])?.first?["health"] as? String == "up"
        }
        for query in [
            "meshgate_build_info==1", "meshgate_telemetry_store_events", "process_resident_memory_bytes>0",
            "meshgate_otlp_delivering%7Bstream%3D%22events%22%7D==0",
        ] {
            try await eventually("\(query) has a series", within: .seconds(60)) {
                !(try await ask("/query?query=\(query)")["result"] as? [Any] ?? []).isEmpty
            }
        }
        try await eventually("every rule was evaluated", within: .seconds(60)) {
            let groups = try await ask("/rules")["groups"] as? [[String: Any]] ?? []
            let rules = groups.flatMap { $0["rules"] as? [[String: Any]] ?? [] }
            #expect(!rules.contains { $0["health"] as? String == "err" }, "\(rules)")
            return !rules.isEmpty && rules.allSatisfy { $0["health"] as? String == "ok" }
        }
    }
}

/// A Unix datagram socket that a log would listen on.
private final class DatagramSocket: Sendable {
    private let file: Int32

    init(_ path: String) throws {
        file = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        let bound = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(file, $0, socklen_t(MemoryLayout<sockaddr_un>.size)) }
        }
        guard file >= 0, bound == 0 else { throw Trouble("bind \(path): \(String(cString: strerror(errno)))") }
    }

    deinit { close(file) }

    /// The first entry that fits, or `nil` after a minute without one.
    func first(_ fits: @escaping @Sendable (String) -> Bool) async throws -> String? {
        try await OwnThread.run(named: "log") { [file] in
            var buffer = [UInt8](repeating: 0, count: 1 << 17)
            var waiting = pollfd(fd: file, events: Int16(POLLIN), revents: 0)
            while poll(&waiting, 1, 60_000) > 0 {
                let count = recv(file, &buffer, buffer.count, 0)
                let text = String(decoding: buffer.prefix(max(0, count)), as: UTF8.self)
                if fits(text) { return text }
            }
            return nil
        }
    }
}
