// SPDX-License-Identifier: Apache-2.0

import FeedExport
import FleetGateway
import MeshModel
import MeshSystem
import Running
import Synchronization

/// Gathers what the metrics page shows.
struct Metrics: Sendable {
    let controller: RunController
    let gateway: FleetGateway
    let roll: AgentRoll
    let feed: EventFeed
    let telemetry: TelemetryDesk
    let board: DeliveryBoard
    let now: NowSource

    func page() async -> String { MetricsPage.render(await state()) }

    func families() async -> [MetricFamily] { MetricsPage.families(await state()) }

    private func state() async -> MetricsState {
        let sessions = await gateway.sessions()
        let fleet = MetricsState.Fleet(
            silence: Dictionary(sessions.map { ($0.node, $0.silence) }, uniquingKeysWith: { first, _ in first }), enrolled: roll.nodes,
            droppedReports: sessions.reduce(0) { $0 +| $1.droppedReports })
        return MetricsState(
            machine: controller.snapshot, head: controller.head, appends: feed.figures.published, now: now(),
            build: .init(version: Version.text, commit: "release"), fleet: fleet, feed: feed.figures,
            telemetry: telemetry.metrics, deliveries: board.deliveries(now: now().wall), process: ProcessFigures.read())
    }
}
