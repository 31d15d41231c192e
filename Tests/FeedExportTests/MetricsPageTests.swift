// SPDX-License-Identifier: Apache-2.0

import FeedExport
import Foundation
import Gating
import MeshModel
import Planning
import Running
import Telemetry
import Testing

@Suite("The metrics page")
struct MetricsPageTests {
    let samples: FeedSamples

    init() throws { samples = try FeedSamples() }

    private func state() throws -> MetricsState {
        var machine = RunMachine()
        machine.apply(.coordinatorStarted(epoch: Generation(3), boot: samples.boot), at: samples.noon)
        machine.apply(.runStarted(run: samples.run, plan: try samples.plan(), by: "ada"), at: samples.noon)
        let first = try #require(machine.run?.steps.first?.step.id)
        machine.apply(
            .stepHeld(
                step: first, verdict: .unknown([Reason(.agentReady, .node(samples.node), .missing, "no host evidence", remedy: "start it")])
            ),
            at: samples.noon)
        machine.apply(
            .evidenceTaken(
                Evidence(subject: .node(samples.node), probe: .host, bootID: samples.boot, takenAt: samples.noon, facts: [])),
            at: samples.noon)
        return MetricsState(
            machine: machine, head: JournalHead(sequence: 42, hash: .zero), appends: 12,
            now: samples.noon.advanced(by: .milliseconds(2500)),
            build: .init(version: "0.1.0", commit: "a\"b\\c\nd"),
            fleet: .init(silence: [samples.node: .milliseconds(1500)], enrolled: [samples.node], droppedReports: 2),
            telemetry: try telemetry(),
            deliveries: [
                .init(
                    stream: "telemetry", sent: 9, rejected: ["partial": 2], lost: ["retention": 5], retries: 1, behindSeconds: 1.25,
                    isDelivering: false)
            ],
            process: ProcessFigures.read())
    }

    private func telemetry() throws -> MetricsState.Telemetry {
        let stream = TelemetryStream(source: .tracer, boot: samples.boot, instance: 1)
        return .init(
            books: TelemetryBooks(accounts: [
                .init(node: samples.node, source: .tracer): TelemetryAccount(produced: 10, delivered: 6, lost: [.ringFull: 3])
            ]),
            clusters: [samples.node: try #require(ClusterName("talos-east"))],
            agents: [samples.node: .init(statement: SpoolStatement(streams: [stream: 10], spoolBytes: 99), age: .milliseconds(500))],
            store: .init(bytes: 1000, events: 6))
    }

    @Test("it tells of steps, gates, agents, evidence, journal, feed and process")
    func content() throws {
        let page = MetricsPage.render(try state())
        for line in [
            #"meshgate_build_info{version="0.1.0",commit="a\"b\\c\nd"} 1"#, "meshgate_epoch 3", #"meshgate_steps{state="held"} 1"#,
            #"meshgate_steps{state="failed"} 0"#,
            #"meshgate_gate_held{step="talos-east/bootstrap",gate="G-HST-01",verdict="unknown"} 1"#, "meshgate_sessions 1",
            #"meshgate_node_silence_seconds{node="wrk-e-1"} 1.5"#, #"meshgate_evidence_oldest_age_seconds{probe="host"} 2.5"#,
            #"meshgate_telemetry_lost_events_total{cluster="talos-east",node="wrk-e-1",source="tracer",reason="ring_full"} 3"#,
            #"meshgate_telemetry_pending_events{cluster="talos-east",node="wrk-e-1",source="tracer"} 1"#,
            "meshgate_telemetry_store_events 6",
            #"meshgate_telemetry_statement_age_seconds{cluster="talos-east",node="wrk-e-1"} 0.5"#,
            #"meshgate_otlp_sent_items_total{stream="telemetry"} 9"#,
            #"meshgate_otlp_rejected_items_total{stream="telemetry",reason="partial"} 2"#,
            #"meshgate_otlp_lost_items_total{stream="telemetry",reason="retention"} 5"#,
            #"meshgate_otlp_behind_seconds{stream="telemetry"} 1.25"#, #"meshgate_otlp_delivering{stream="telemetry"} 0"#,
            "meshgate_journal_entries 42", "meshgate_journal_appends_total 12", "meshgate_feed_lost_events_total 0",
            #"meshgate_run_info{mesh="home",run="run-1",plan="000000000000",ending="none"} 1"#,
        ] { #expect(page.contains(line + "\n"), "\(line)") }
        #expect(page.contains("process_resident_memory_bytes "))
    }

    @Test("an empty coordinator has a page too")
    func empty() {
        let state = MetricsState(
            machine: RunMachine(), head: .empty, appends: 0, now: samples.noon, build: .init(version: "0.1.0", commit: "none"))
        #expect(MetricsPage.render(state).hasSuffix("\n"))
    }

    @Test("a page has an end however large the mesh is, and says what it left out")
    func bounded() throws {
        var state = try state()
        state.fleet.enrolled = Set((0..<5000).compactMap { NodeID("n-\($0)") })
        let page = MetricsPage.render(state)
        #expect(page.contains(#"meshgate_omitted_series{metric="meshgate_node_connected"} 4001"#))
        #expect(page.utf8.count < 200_000)
    }

    @Test("agents that tell of thousands of sources, losses and names make no page without an end")
    func hostile() throws {
        var state = try state()
        var books = TelemetryBooks()
        for number in 0..<2000 {
            let node = try #require(NodeID("n-\(number)"))
            for source in TelemetrySource.allCases {
                books.add(
                    TelemetryAccount(
                        produced: .max, delivered: .max, lost: Dictionary(uniqueKeysWithValues: LossReason.allCases.map { ($0, .max) })),
                    node: node, source: source)
            }
        }
        state.telemetry?.books = books
        let page = MetricsPage.render(state)
        #expect(page.utf8.count < 1 << 20)
        #expect(page.contains(#"meshgate_omitted_series{metric="meshgate_telemetry_produced_events_total"} 7000"#))
        #expect(page.split(separator: "\n").count { !$0.hasPrefix("#") } < 5000)
    }

    /// Whether a message has these bytes somewhere.
    private func has(_ message: [UInt8], _ bytes: [UInt8]) -> Bool { message.firstRange(of: bytes) != nil }

    @Test("counters of the books hold what is settled only, so that none falls when the coordinator forgets what agents stated")
    func settled() throws {
        var state = try state()
        var books = TelemetryBooks()
        books.add(TelemetryAccount(produced: 10, delivered: 3, lost: [.ringFull: 2]), node: try #require(NodeID("n-1")), source: .tracer)
        state.telemetry?.books = books
        let page = MetricsPage.render(state).split(separator: "\n")
        func value(_ name: String) -> Substring? { page.first { $0.hasPrefix(name + "{") }?.split(separator: " ").last }
        #expect(value("meshgate_telemetry_produced_events_total") == "5" && value("meshgate_telemetry_pending_events") == "5")
        #expect(value("meshgate_telemetry_delivered_events_total") == "3" && value("meshgate_telemetry_lost_events_total") == "2")
    }

    @Test("to a collector a counter that outlives the process has no beginning, and a gauge without a unit has none")
    func collector() throws {
        let start = Timestamp(seconds: 1_700_000_000)
        let began = withUnsafeBytes(of: UInt64(1_700_000_000_000_000_000).littleEndian, Array.init)
        let origin = OTLPOrigin(mesh: "home", version: "0.1.0")
        func message(_ prefix: String) throws -> [UInt8] {
            let families = MetricsPage.families(try state()).filter { $0.name.hasPrefix(prefix) }
            #expect(!families.isEmpty, "\(prefix)")
            return OTLPMetrics.request(families, start: start, now: Timestamp(seconds: 1_700_000_100), origin: origin)
        }
        for name in ["produced", "delivered", "lost"] { #expect(!has(try message("meshgate_telemetry_\(name)_events_total"), began)) }
        #expect(has(try message("meshgate_journal_appends_total"), began))
        // Field 3 of a metric is its unit.
        #expect(!has(try message("meshgate_"), [0x1a, 1, UInt8(ascii: "1")]))
        #expect(has(try message("meshgate_telemetry_store_bytes"), [0x1a, 2] + Array("By".utf8)))
    }

    /// The table in the guide, row by row: name, type and labels.
    private func documented() throws -> [String: (kind: String, labels: Set<String>)] {
        let guide = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
            .appendingPathComponent("docs/guide/telemetry.md")
        let text = try String(contentsOf: guide, encoding: .utf8)
        let section = try #require(text.components(separatedBy: "\n## Every metric\n").last?.components(separatedBy: "\n## ").first)
        var rows: [String: (kind: String, labels: Set<String>)] = [:]
        for line in section.split(separator: "\n") where line.hasPrefix("| `") {
            let cells = line.split(separator: "|").map { $0.trimmingCharacters(in: .whitespaces) }
            #expect(cells.count == 4 && !cells[3].isEmpty, "\(line)")
            let labels = cells[2].split(separator: ",").map { $0.trimmingCharacters(in: CharacterSet(charactersIn: " `")) }
            #expect(
                rows.updateValue((cells[1], Set(labels)), forKey: cells[0].trimmingCharacters(in: CharacterSet(charactersIn: "`"))) == nil)
        }
        return rows
    }

    @Test("the guide's table has every metric that the page may show, with its type and labels, and no other")
    func table() throws {
        var state = try state()
        let step = try #require(state.machine.run?.steps.first?.step.id)
        state.machine.apply(
            .stepRegressed(step: step, verdict: .hold([Reason(.agentReady, .node(samples.node), .stale, "old", remedy: "")])),
            at: samples.noon)
        state.machine.apply(.runFinished(run: samples.run, ending: .stopped), at: samples.noon)
        state.fleet.enrolled = Set((0..<1500).compactMap { NodeID("n-\($0)") })
        let families = MetricsPage.families(state)
        let rows = try documented()
        #expect(Set(families.map(\.name)) == Set(rows.keys))
        for family in families {
            #expect(rows[family.name]?.kind == family.kind.rawValue, "\(family.name)")
            #expect(rows[family.name]?.labels == Set(family.samples.flatMap { $0.labels.map(\.name) }), "\(family.name)")
        }
        // A metric that this state did not bring about would be missing above: the source may name none that the table has not.
        let room = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
            .appendingPathComponent("Sources/Coordinator/FeedExport")
        let files = try FileManager.default.contentsOfDirectory(at: room, includingPropertiesForKeys: nil)
        for file in files where file.lastPathComponent.hasPrefix("Metrics") {
            for match in try String(contentsOf: file, encoding: .utf8).matches(of: /"((meshgate|process)_[a-z_]+)"/) {
                #expect(rows[String(match.output.1)] != nil, "\(match.output.1)")
            }
        }
    }

    @Test("figures of this process are plausible")
    func process() throws {
        let figures = try #require(ProcessFigures.read())
        #expect(figures.residentBytes > 1 << 20 && figures.openFiles > 2 && figures.maximumFiles >= UInt64(figures.openFiles))
        #expect(figures.startedAt > 1_600_000_000)
    }

    @Test(
        "promtool finds nothing to complain about",
        .enabled(if: FileManager.default.isExecutableFile(atPath: "/usr/bin/promtool"), "package prometheus is not installed"))
    func promtool() throws {
        let promtool = Process()
        promtool.executableURL = URL(fileURLWithPath: "/usr/bin/promtool")
        promtool.arguments = ["check", "metrics", "--extended"]
        let (input, output) = (Pipe(), Pipe())
        promtool.standardInput = input
        promtool.standardOutput = output
        promtool.standardError = output
        try promtool.run()
        try input.fileHandleForWriting.write(contentsOf: Data(MetricsPage.render(state()).utf8))
        try input.fileHandleForWriting.close()
        let said = try output.fileHandleForReading.readToEnd() ?? Data()
        promtool.waitUntilExit()
        #expect(promtool.terminationStatus == 0, "\(String(decoding: said, as: UTF8.self))")
    }
}
