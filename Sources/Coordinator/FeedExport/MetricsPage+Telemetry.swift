// SPDX-License-Identifier: Apache-2.0

import MeshModel
import Telemetry

/// What became of events, and how spools and store stand. Series grow with nodes, sources and reasons, never with what events say.
extension MetricsPage {
    static func telemetry(_ telemetry: MetricsState.Telemetry, _ page: inout MetricsText) {
        let accounts = telemetry.books.accounts.sorted { $0.key < $1.key }
        func place(_ node: NodeID) -> [(String, String)] { [("cluster", telemetry.clusters[node]?.text ?? ""), ("node", node.text)] }
        func labels(_ key: TelemetryBooks.Key) -> [(String, String)] { place(key.node) + [("source", key.source.rawValue)] }
        // The books last as long as the store. What an agent states beyond what is settled is not in them after a restart, so a counter must not have
        // it: it would fall.
        page.add(
            "meshgate_telemetry_produced_events_total", .counter, outlivesProcess: true,
            "Events whose fate is known: stored, or lost with a reason.",
            accounts.map { (labels($0.key), Double($0.value.delivered +| $0.value.lostInAll)) })
        page.add(
            "meshgate_telemetry_delivered_events_total", .counter, outlivesProcess: true, "Events that were stored.",
            accounts.map { (labels($0.key), Double($0.value.delivered)) })
        page.add(
            "meshgate_telemetry_lost_events_total", .counter, outlivesProcess: true, "Events that were lost, by reason.",
            accounts.flatMap { key, account in
                account.lost.sorted { $0.key < $1.key }.map { (labels(key) + [("reason", $0.key.rawValue)], Double($0.value)) }
            })
        page.add(
            "meshgate_telemetry_pending_events", .gauge,
            "Events whose fate is not known yet: in the agent's memory or spool, or on the way.",
            accounts.map { (labels($0.key), Double($0.value.pending)) })
        let agents = telemetry.agents.sorted { $0.key < $1.key }
        page.add(
            "meshgate_telemetry_statement_age_seconds", .gauge, "Time since the agent last said how far it has counted.",
            agents.map { (place($0.key), Double($0.value.age.inMilliseconds) / 1000) })
        page.add(
            "meshgate_telemetry_spool_bytes", .gauge, "Bytes of the agent's spool.",
            agents.map { (place($0.key), Double($0.value.statement.spoolBytes)) })
        page.add(
            "meshgate_telemetry_spool_failures_total", .counter, outlivesProcess: true,
            "Writes that the agent's disk refused since the agent's start.",
            agents.map { (place($0.key), Double($0.value.statement.failures)) })
        store(telemetry.store, &page)
    }

    private static func store(_ store: MetricsState.Telemetry.Store, _ page: inout MetricsText) {
        page.add("meshgate_telemetry_store_bytes", .gauge, "Bytes of stored telemetry.", Double(store.bytes))
        page.add("meshgate_telemetry_store_events", .gauge, "Events in the store.", Double(store.events))
        page.add("meshgate_telemetry_store_failures_total", .counter, "Writes of the store that failed.", Double(store.failures))
        page.add("meshgate_telemetry_refused_batches_total", .counter, "Batches that were not well formed.", Double(store.refusedBatches))
        page.add(
            "meshgate_telemetry_corrected_times_total", .counter, "Events whose time was not believable and became that of their arrival.",
            Double(store.correctedTimes))
        page.add(
            "meshgate_telemetry_damaged_blocks_total", .counter, "Stored blocks that could not be read back.", Double(store.damagedBlocks))
        page.add(
            "meshgate_telemetry_damaged_segments", .gauge, "Damaged files of the store that were set aside for somebody to look at.",
            Double(store.damagedSegments))
    }
}
