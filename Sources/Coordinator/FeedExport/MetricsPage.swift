// SPDX-License-Identifier: Apache-2.0

import Gating
import MeshModel
import Planning
import Running

/// `GET /metrics` in the Prometheus text format.
package enum MetricsPage {
    /// Prometheus 3 refuses a scrape without it.
    package static let contentType = "text/plain; version=0.0.4; charset=utf-8"

    package static func render(_ state: MetricsState) -> String { MetricsText.write(families(state)) }

    /// The same, not yet written.
    package static func families(_ state: MetricsState) -> [MetricFamily] {
        var page = MetricsText()
        coordinator(state, &page)
        if let run = state.machine.run { describe(run, &page) }
        steps(state, &page)
        fleet(state, &page)
        evidence(state, &page)
        streams(state, &page)
        if let figures = state.telemetry { telemetry(figures, &page) }
        deliveries(state.deliveries, &page)
        if let process = state.process { describe(process, &page) }
        return page.finish()
    }

    private static func coordinator(_ state: MetricsState, _ page: inout MetricsText) {
        page.add(
            "meshgate_build_info", .gauge, "The running coordinator; always 1.",
            [([("version", state.build.version), ("commit", state.build.commit)], 1)])
        page.add("meshgate_epoch", .gauge, "Fencing number of the acting coordinator.", Double(state.machine.epoch.number))
    }

    private static func describe(_ run: RunStatus, _ page: inout MetricsText) {
        page.add(
            "meshgate_run_info", .gauge, "The latest run; always 1.",
            [
                (
                    [
                        ("mesh", run.plan.spec.name), ("run", run.id.text), ("plan", run.plan.digest.short),
                        ("ending", run.ending?.rawValue ?? "none"),
                    ], 1
                )
            ])
        page.add("meshgate_run_active", .gauge, "1 while a run is going on.", run.isOver ? 0 : 1)
        page.add("meshgate_run_start_timestamp_seconds", .gauge, "When the latest run began.", seconds(run.startedAt))
        if let ended = run.endedAt {
            page.add("meshgate_run_end_timestamp_seconds", .gauge, "When the latest run ended.", seconds(ended))
        }
    }

    private static func steps(_ state: MetricsState, _ page: inout MetricsText) {
        let records = state.machine.run?.steps ?? []
        var counts: [String: Int] = [:]
        var held: [MetricsText.Sample] = []
        for record in records {
            counts[record.status.word, default: 0] += 1
            guard case .held(let verdict, _) = record.status else { continue }
            for gate in Set(verdict.reasons.map(\.gate)).sorted() {
                held.append(([("step", record.step.id.text), ("gate", gate.rawValue), ("verdict", word(verdict))], 1))
            }
        }
        let states = ["waiting", "held", "running", "verifying", "done", "unchanged", "failed"]
        page.add(
            "meshgate_steps", .gauge, "Steps of the latest run by state.", states.map { ([("state", $0)], Double(counts[$0] ?? 0)) })
        page.add("meshgate_gate_held", .gauge, "Gates that hold a step now; always 1.", held)
        let lost = records.flatMap { record in
            Set(record.regression?.verdict.reasons.map(\.gate) ?? []).sorted().map { gate -> MetricsText.Sample in
                ([("step", record.step.id.text), ("gate", gate.rawValue)], 1)
            }
        }
        page.add("meshgate_gate_regressed", .gauge, "Gates that had opened for a step and hold again now; always 1.", lost)
        page.add(
            "meshgate_run_regressions", .gauge, "How often a gate that had opened held again, in the latest run.",
            Double(state.machine.run?.regressions ?? 0))
        let overrides = state.machine.overrides.count { state.now.wall < $0.until }
        page.add("meshgate_overrides", .gauge, "Overrides in force.", Double(overrides))
    }

    private static func fleet(_ state: MetricsState, _ page: inout MetricsText) {
        let fleet = state.fleet
        page.add("meshgate_sessions", .gauge, "Agents connected now.", Double(fleet.silence.count))
        page.add("meshgate_enrolled_nodes", .gauge, "Nodes with a valid certificate.", Double(fleet.enrolled.count))
        let nodes = fleet.enrolled.union(fleet.silence.keys).sorted()
        page.add(
            "meshgate_node_connected", .gauge, "Whether the node's agent is connected.",
            nodes.map { ([("node", $0.text)], fleet.silence[$0] == nil ? 0 : 1) })
        page.add(
            "meshgate_node_silence_seconds", .gauge, "Time since the connected agent was last heard.",
            nodes.compactMap { node in fleet.silence[node].map { ([("node", node.text)], seconds($0)) } })
        page.add(
            "meshgate_dropped_reports_total", .counter, outlivesProcess: true,
            "Reports that agents had to drop before they were acknowledged.",
            Double(fleet.droppedReports))
    }

    /// By kind, not by node: an age for each would be six series a node.
    private static func evidence(_ state: MetricsState, _ page: inout MetricsText) {
        var counts: [ProbeKind: Int] = [:]
        var oldest: [ProbeKind: Duration] = [:]
        for (key, evidence) in state.machine.evidence.newest {
            counts[key.probe, default: 0] += 1
            oldest[key.probe] = max(oldest[key.probe] ?? .zero, state.now.age(of: evidence.takenAt))
        }
        let kinds = ProbeKind.allCases.sorted()
        page.add(
            "meshgate_evidence_subjects", .gauge, "Subjects with evidence of this kind.",
            kinds.map { ([("probe", $0.rawValue)], Double(counts[$0] ?? 0)) })
        page.add(
            "meshgate_evidence_oldest_age_seconds", .gauge, "Age of the oldest among the newest evidence of each subject.",
            kinds.compactMap { kind in oldest[kind].map { ([("probe", kind.rawValue)], seconds($0)) } })
    }

    private static func streams(_ state: MetricsState, _ page: inout MetricsText) {
        page.add("meshgate_journal_entries", .gauge, "Sequence of the last durable entry.", Double(state.head.sequence))
        page.add("meshgate_journal_appends_total", .counter, "Durable appends of this process.", Double(state.appends))
        page.add("meshgate_feed_subscribers", .gauge, "Followers of the event feed.", Double(state.feed.subscribers))
        page.add("meshgate_feed_events_total", .counter, "Events handed to the feed.", Double(state.feed.published))
        page.add(
            "meshgate_feed_lost_events_total", .counter, "Events not kept for a follower that was too slow; it was told.",
            Double(state.feed.lost))
        page.add("meshgate_feed_cut_subscribers_total", .counter, "Followers cut for being too slow.", Double(state.feed.cut))
    }

    private static func describe(_ process: ProcessFigures, _ page: inout MetricsText) {
        page.add("process_cpu_seconds_total", .counter, "User and system CPU time.", process.cpuSeconds)
        page.add("process_resident_memory_bytes", .gauge, "Resident memory.", Double(process.residentBytes))
        page.add("process_open_fds", .gauge, "Open file descriptors.", Double(process.openFiles))
        page.add("process_max_fds", .gauge, "Limit of open file descriptors.", Double(process.maximumFiles))
        page.add("process_start_time_seconds", .gauge, "Start of the process.", process.startedAt)
    }

    private static func word(_ verdict: Verdict) -> String {
        switch verdict {
        case .pass: "pass"
        case .hold: "hold"
        case .deny: "deny"
        case .unknown: "unknown"
        }
    }

    private static func seconds(_ moment: Moment) -> Double { Double(moment.wall.milliseconds) / 1000 }
    private static func seconds(_ duration: Duration) -> Double { Double(duration.inMilliseconds) / 1000 }
}
