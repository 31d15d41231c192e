// SPDX-License-Identifier: Apache-2.0

import FeedExport
import Foundation
import Gating
import MeshModel
import MeshSystem
import Planning
import Running
import Telemetry
import Testing

/// OpenTelemetry's own message classes, from the package index: see scripts/venv.sh otlp.
enum OtherDecoder {
    static let environment = ProcessInfo.processInfo.environment["MESHGATE_OTLP_VENV"]

    /// The requests as JSON objects; a field that the definitions do not know is an error.
    static func read(_ signal: String, _ requests: [UInt8]...) async throws -> [[String: Any]] {
        let place = "/tmp/meshgate-otlp-\(try KernelEntropy().hexID())"
        try LinuxFileStore().createDirectory(place)
        defer { try? FileManager.default.removeItem(atPath: place) }
        for (index, bytes) in requests.enumerated() { try Data(bytes).write(to: URL(fileURLWithPath: "\(place)/\(index)")) }
        let script = try #require(Bundle.module.url(forResource: "decode", withExtension: "py", subdirectory: "Fixtures"))
        let venv = try #require(environment)
        let result = try await ProcessCommandRunner().run(
            Invocation(
                "\(venv)/bin/python", [script.path, signal] + requests.indices.map { "\(place)/\($0)" },
                deadline: .seconds(60)))
        guard result.succeeded else {
            Issue.record("\(result.errorText)")
            return []
        }
        return try result.outputText.split(separator: "\n").map {
            try #require(try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any])
        }
    }

    /// Attributes as texts by key, the type before each: `int 4`.
    static func attributes(_ holder: [String: Any]?) -> [String: String] {
        var found: [String: String] = [:]
        for pair in holder?["attributes"] as? [[String: Any]] ?? [] {
            guard let key = pair["key"] as? String, let value = (pair["value"] as? [String: Any])?.first else { continue }
            let texts = ((value.value as? [String: Any])?["values"] as? [[String: Any]])?.map { "\($0["stringValue"] ?? "?")" }
            found[key] = "\(value.key.replacing("Value", with: "")) \(texts?.joined(separator: "|") ?? "\(value.value)")"
        }
        return found
    }

    /// A list inside of an object.
    static func list(_ object: [String: Any]?, _ key: String) -> [[String: Any]] { object?[key] as? [[String: Any]] ?? [] }
}

@Suite(
    "What a decoder that is not ours reads", .timeLimit(.minutes(2)),
    .enabled(if: OtherDecoder.environment != nil, "MESHGATE_OTLP_VENV names no environment with opentelemetry-proto"))
struct DecoderTests {
    private let origin = OTLPOrigin(mesh: "home", version: "0.1.0")
    private let ids = TraceIDs(mesh: "home") { bytes in
        var digest = [UInt8](repeating: 0, count: 32)
        for (index, byte) in bytes.enumerated() { digest[index % 32] = digest[index % 32] &* 31 &+ byte }
        return Digest(digest) ?? .zero
    }
    private let noon = Moment(wall: Timestamp(seconds: 1_795_000_000), boot: 86_400_000)

    private func node(_ name: String) throws -> NodeID { try #require(NodeID(name)) }

    private func stored(
        _ number: UInt64, node: String, cluster: String?, source: TelemetrySource = .tracer, _ event: TelemetryEvent
    ) throws -> (event: StoredEvent, receivedAt: Timestamp) {
        let boot = try #require(BootID("0f4d1c2e-8a57-4d3c-9a53-6a5f2f2f9c11"))
        return (
            StoredEvent(
                node: try self.node(node), cluster: cluster.flatMap { ClusterName($0) },
                stream: TelemetryStream(source: source, boot: boot, instance: 7), number: number, event: event), noon.wall
        )
    }

    @Test("every event is a record of its node's resource, with its time, severity, attributes and body")
    func telemetry() async throws {
        let time = EventTime(nanoseconds: 1_794_999_999_123_456_789)
        var whole = TelemetryEvent(
            time: time, kind: .processExec,
            attributes: EventAttributes(
                binary: "/usr/bin/nc", pid: 4711, pod: "web-1", namespace: "default", device: "vdb", policy: "watch", reason: "EPERM",
                verdict: "SIGKILL", source: EventPeer(address: "10.0.0.1", port: 7), destination: EventPeer(address: "fd00::1")),
            body: .json(#"{"args":"-l 80"}"#))
        whole.isCut = true
        whole.statedTime = EventTime(nanoseconds: 5)
        // JSON in name only, with bytes that are no UTF-8: a decoder refuses a whole request for one such text.
        let hostile = TelemetryEvent(
            time: EventTime(nanoseconds: -1), kind: .packetDrop, body: EventBody(.json, [0x7b, 0xff, 0xc3, 0x28, 0x00, 0x7d]))
        let flow = TelemetryEvent(time: time, kind: .flow, body: EventBody(.flowMessage, [8, 1, 0xff]))
        let events = [
            try stored(1, node: "east-1", cluster: "east", whole), try stored(1, node: "pve-1", cluster: nil, hostile),
            try stored(2, node: "east-1", cluster: "east", hostile), try stored(1, node: "east-1", cluster: "east", source: .hubble, flow),
        ]
        let message = try #require(try await OtherDecoder.read("logs", OTLPLogs.request(events, origin: origin)).first)
        let resources = OtherDecoder.list(message, "resourceLogs")
        #expect(resources.count == 2)
        let east = OtherDecoder.attributes(resources.first?["resource"] as? [String: Any])
        #expect(
            east == [
                "service.name": "string meshgate-agent", "service.namespace": "string home", "service.instance.id": "string east-1",
                "host.name": "string east-1", "k8s.node.name": "string east-1", "k8s.cluster.name": "string east",
            ])
        let lone = OtherDecoder.attributes(resources.last?["resource"] as? [String: Any])
        #expect(lone["host.name"] == "string pve-1" && lone["k8s.node.name"] == nil && lone["k8s.cluster.name"] == nil)
        let scopes = OtherDecoder.list(resources.first, "scopeLogs")
        #expect(scopes.compactMap { ($0["scope"] as? [String: Any])?["name"] as? String } == ["meshgate.tracer", "meshgate.hubble"])
        let record = try #require(OtherDecoder.list(scopes.first, "logRecords").first)
        #expect(
            record["timeUnixNano"] as? String == "1794999999123456789" && record["observedTimeUnixNano"] as? String == "1795000000000000000"
        )
        #expect(record["severityNumber"] as? String == "SEVERITY_NUMBER_ERROR" && record["severityText"] as? String == "ERROR")
        #expect(record["eventName"] as? String == "meshgate.tracer.process_exec")
        #expect((record["body"] as? [String: Any])?["stringValue"] as? String == #"{"args":"-l 80"}"#)
        #expect(
            OtherDecoder.attributes(record) == [
                "event.name": "string meshgate.tracer.process_exec",
                "log.record.uid": "string east-1/tracer/0f4d1c2e-8a57-4d3c-9a53-6a5f2f2f9c11/7/1",
                "process.executable.path": "string /usr/bin/nc",
                "process.pid": "int 4711", "k8s.pod.name": "string web-1", "k8s.namespace.name": "string default",
                "security_rule.name": "string watch", "meshgate.device": "string vdb", "meshgate.reason": "string EPERM",
                "meshgate.verdict": "string SIGKILL", "source.address": "string 10.0.0.1", "source.port": "int 7",
                "destination.address": "string fd00::1", "meshgate.cut": "bool 1",
                "meshgate.stated_time": "string 1970-01-01T00:00:00.000000005Z",
            ])
        let drop = try #require(OtherDecoder.list(scopes.first, "logRecords").last)
        #expect(drop["timeUnixNano"] == nil && drop["severityText"] as? String == "WARN")
        let raw = OtherDecoder.list(scopes.last, "logRecords").first?["body"] as? [String: Any]
        #expect(raw?["bytesValue"] as? String == "CAH/")
    }

    @Test("events of the seeded generator, whatever they hold, are all read, and their ids are all different")
    func many() async throws {
        var generator = SystemRandomNumberGenerator.seeded(3)
        func bytes(_ most: Int) -> [UInt8] {
            (0..<Int.random(in: 0...most, using: &generator)).map { _ in UInt8.random(in: 0...255, using: &generator) }
        }
        func text() -> String { EventText.clean(String(decoding: bytes(40), as: UTF8.self), limit: EventLimits.text).text }
        var events: [(event: StoredEvent, receivedAt: Timestamp)] = []
        for number in 1...2000 {
            let encoding = EventBody.Encoding(rawValue: UInt8.random(in: 1...3, using: &generator)) ?? .json
            let event = TelemetryEvent(
                time: EventTime(nanoseconds: Int64.random(in: .min ... .max, using: &generator)),
                kind: EventKind("k_\(number % 7)") ?? .flow,
                attributes: EventAttributes(
                    binary: text(), pid: .random(in: 0...(.max), using: &generator), pod: text(), reason: text(), verdict: text(),
                    source: EventPeer(address: text(), port: .random(in: 0...(.max), using: &generator))),
                body: EventBody(encoding, bytes(300)))
            events.append(
                try stored(
                    UInt64(number), node: "n-\(number % 5)", cluster: number.isMultiple(of: 2) ? "east" : nil,
                    source: TelemetrySource.allCases[number % 4], event))
        }
        let message = try #require(try await OtherDecoder.read("logs", OTLPLogs.request(events, origin: origin)).first)
        var ids: Set<String> = []
        for resource in OtherDecoder.list(message, "resourceLogs") {
            for scope in OtherDecoder.list(resource, "scopeLogs") {
                for record in OtherDecoder.list(scope, "logRecords") {
                    ids.insert(OtherDecoder.attributes(record)["log.record.uid"] ?? "")
                }
            }
        }
        #expect(ids.count == 2000)
    }

    @Test("own events carry the ids of the spans that they belong to; a run is a trace, a step a span below it")
    func runs() async throws {
        let (requests, spans) = try story()
        let messages = try await OtherDecoder.read("logs", requests)
        let records = OtherDecoder.list(
            OtherDecoder.list(OtherDecoder.list(messages.first, "resourceLogs").first, "scopeLogs").first, "logRecords")
        #expect(records.count == 9)
        let traces = try await OtherDecoder.read("traces", OTLPTraces.request(spans, origin: origin, ids: ids))
        let resource = OtherDecoder.list(traces.first, "resourceSpans").first
        #expect(OtherDecoder.attributes(resource?["resource"] as? [String: Any])["service.name"] == "string meshgate")
        let read = OtherDecoder.list(OtherDecoder.list(resource, "scopeSpans").first, "spans")
        #expect(read.map { $0["name"] as? String } == ["talos-east/wrk-e-1/wipe-vdb", "mesh/connect", "run of home"])
        let (wipe, root) = (try #require(read.first), try #require(read.last))
        #expect(root["parentSpanId"] == nil && wipe["parentSpanId"] as? String == root["spanId"] as? String)
        #expect(Set(read.compactMap { $0["traceId"] as? String }).count == 1 && Set(read.compactMap { $0["spanId"] as? String }).count == 3)
        #expect((wipe["status"] as? [String: Any])?["code"] as? String == "STATUS_CODE_OK")
        #expect(
            (root["status"] as? [String: Any])?["code"] as? String == "STATUS_CODE_ERROR" && root["kind"] as? String == "SPAN_KIND_INTERNAL"
        )
        #expect(
            wipe["startTimeUnixNano"] as? String == "1795000002000000000" && wipe["endTimeUnixNano"] as? String == "1795000005000000000")
        let events = OtherDecoder.list(wipe, "events")
        #expect(events.map { $0["name"] as? String } == ["stepHeld", "stepStarted", "stepReported", "stepFinished"])
        #expect(OtherDecoder.attributes(events.first)["meshgate.reasons"] == "array G-HST-01 node wrk-e-1: no evidence; start it")
        let attributes = OtherDecoder.attributes(wipe)
        #expect(
            attributes["k8s.cluster.name"] == "string talos-east" && attributes["host.name"] == "string wrk-e-1"
                && attributes["meshgate.attempts"] == "int 1" && attributes["cicd.pipeline.run.id"] == "string run-1")
        // Logs point at the spans.
        let held = try #require(records.first { $0["eventName"] as? String == "meshgate.stepHeld" })
        #expect(held["traceId"] as? String == root["traceId"] as? String && held["spanId"] as? String == wipe["spanId"] as? String)
        #expect(held["severityText"] as? String == "WARN")
    }

    /// The journal of a small run that fails, as log request and spans.
    private func story() throws -> (logs: [UInt8], spans: [RunSpan]) {
        let (run, node) = (try #require(RunID("run-1")), try node("wrk-e-1"))
        let (wipe, connect) = (StepID("talos-east", "wrk-e-1", "wipe-vdb"), StepID("mesh", "connect"))
        let spec = MeshSpec(name: "home", versions: .init(cilium: .init(1, 18, 5)), clusters: [])
        let plan = Planner.plan(spec) { _ in .zero }
        let entries: [JournalEntry] = [
            .coordinatorStarted(epoch: Generation(1), boot: try #require(BootID("0f4d1c2e-8a57-4d3c-9a53-6a5f2f2f9c11"))),
            .runStarted(run: run, plan: plan, by: "ada"),
            .stepHeld(step: wipe, verdict: .unknown([Reason(.agentReady, .node(node), .missing, "no evidence", remedy: "start it")])),
            .stepStarted(step: wipe, attempt: 1), .stepReported(step: wipe, attempt: 1, outcome: .succeeded("done")),
            .stepFinished(step: wipe, attempt: 1), .stepStarted(step: connect, attempt: 1),
            .stepFailed(step: connect, attempt: 1, problem: "no way"), .runFinished(run: run, ending: .failed),
        ]
        var (spans, fold): ([RunSpan], RunSpans) = ([], RunSpans())
        var events: [FeedEvent] = []
        for (index, entry) in entries.enumerated() {
            let record = JournalRecord(sequence: UInt64(index + 1), at: noon.advanced(by: .seconds(index)), entry: entry)
            events.append(FeedEvent(record, run: index > 0 ? run : nil))
            spans += fold.take(record)
            #expect(fold.openSince == ((1..<8).contains(index) ? 2 : nil))
        }
        return (OTLPLogs.request(events, origin: origin, ids: ids), spans)
    }

    @Test("metrics keep their names, labels and values; counters are cumulative sums")
    func metrics() async throws {
        let state = MetricsState(
            machine: RunMachine(), head: .empty, appends: 3, now: noon, build: .init(version: "0.1.0", commit: "none"),
            deliveries: [.init(stream: "telemetry", sent: 7, rejected: ["partial": 2], behindSeconds: 0.25)])
        let families = MetricsPage.families(state)
        let request = OTLPMetrics.request(families, start: Timestamp(seconds: 1_794_000_000), now: noon.wall, origin: origin)
        let message = try #require(try await OtherDecoder.read("metrics", request).first)
        let read = OtherDecoder.list(
            OtherDecoder.list(OtherDecoder.list(message, "resourceMetrics").first, "scopeMetrics").first, "metrics")
        #expect(read.compactMap { $0["name"] as? String } == families.map(\.name))
        let byName = Dictionary(read.compactMap { metric in (metric["name"] as? String).map { ($0, metric) } }, uniquingKeysWith: { $1 })
        let sent = try #require(byName["meshgate_otlp_sent_items_total"]?["sum"] as? [String: Any])
        #expect(sent["aggregationTemporality"] as? String == "AGGREGATION_TEMPORALITY_CUMULATIVE" && sent["isMonotonic"] as? Bool == true)
        let point = try #require(OtherDecoder.list(sent, "dataPoints").first)
        #expect(point["asDouble"] as? Double == 7 && point["startTimeUnixNano"] as? String == "1794000000000000000")
        #expect(point["timeUnixNano"] as? String == "1795000000000000000")
        #expect(OtherDecoder.attributes(point) == ["stream": "string telemetry"])
        let behind = byName["meshgate_otlp_behind_seconds"]
        #expect(behind?["unit"] as? String == "s")
        #expect(OtherDecoder.list(behind?["gauge"] as? [String: Any], "dataPoints").first?["asDouble"] as? Double == 0.25)
        // A zero is a value, not an absence.
        #expect(
            OtherDecoder.list(byName["meshgate_overrides"]?["gauge"] as? [String: Any], "dataPoints").first?["asDouble"] as? Double == 0)
    }
}
