// SPDX-License-Identifier: Apache-2.0

import AgentLink
import Logging
import MeshModel
import MeshSystem
import Telemetry
import TelemetrySpool

/// The agent's telemetry: the spool that sources write to, and the feed that empties it.
struct TelemetryFeed: Sendable {
    /// Where sources hand over what they see.
    let spool: TelemetrySpool
    private let link: FeedLink
    private let tracer: TracerFeed
    private let ports: PortFeed

    /// `nil` when it is switched off, or when the spool cannot be opened: that is told, and orders are carried out all the same.
    init?(_ configuration: AgentLinkConfiguration, settings: AgentSettings, home: AgentHome, logger: Logger) {
        guard settings.spoolBytes > 0 else { return nil }
        var spooling = SpoolConfiguration(directory: home.spoolPath, boot: configuration.bootID)
        spooling.diskBytes = Int(clamping: settings.spoolBytes)
        spooling.segmentBytes = min(spooling.segmentBytes, max(spooling.diskBytes / 8, 64 << 10))
        do {
            spool = try TelemetrySpool(spooling)
        } catch {
            logger.error("no telemetry", metadata: ["why": "\(error)"])
            return nil
        }
        link = FeedLink(configuration: FeedLinkConfiguration(configuration), spool: spool, log: logger)
        tracer = TracerFeed(socketPath: settings.tracerSocket, intake: spool, logger: logger)
        ports = PortFeed(settings.streams, home: home, intake: spool, logger: logger)
    }

    /// Until cancelled; what is in memory then is on the disk afterwards.
    func run() async throws {
        try spool.start { [link] in link.wake() }
        spool.offer(
            TelemetryEvent(
                time: EventTime(SystemClock.now().wall), kind: .agentStart, body: .json("{\"version\":\"\(MeshgateAgent.version)\"}")),
            from: .host)
        defer { spool.stop() }
        try await withThrowingTaskGroup { group in
            group.addTask { try await tracer.run() }
            group.addTask { await ports.run() }
            group.addTask { try await link.run() }
            try await group.waitForAll()
        }
        spool.flush()
    }
}
