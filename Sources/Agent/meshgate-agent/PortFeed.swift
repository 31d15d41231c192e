// SPDX-License-Identifier: Apache-2.0

import GRPCStream
import Hubble
import Logging
import Telemetry
import Tetragon

/// What is read over ports, which the tracer has no network for: Tetragon's counters, and streams that were set to a port.
struct PortFeed: Sendable {
    private let scrape: TetragonScrape?
    private let tetragon: TetragonStream?
    private let hubble: HubbleStream?

    init(_ settings: StreamSettings, home: AgentHome, intake: any TelemetryIntake, logger: Logger) {
        let tell: @Sendable (String, [String: String]) -> Void = { event, details in
            logger.info("\(event)", metadata: details.mapValues { .string($0) })
        }
        let dialer = GRPCDialer()
        // The spool bounds itself and counts what finds no room.
        let hasRoom: @Sendable () -> Bool = { true }
        if case .tcp(let host, let port) = settings.tetragonMetrics {
            scrape = TetragonScrape(host: host, port: port, intake: intake, keptPath: home.tetragonCountersPath, log: tell)
        } else {
            scrape = nil
        }
        if let port = settings.tetragon.port {
            var configuration = TetragonStream.Configuration(address: { port }, trust: settings.tetragonTrust)
            configuration.leftOut = settings.tetragonLeaveOut
            tetragon = TetragonStream(
                configuration, dialer: dialer, ways: TetragonWays(readsLog: false), intake: intake, hasRoom: hasRoom, log: tell)
        } else {
            tetragon = nil
        }
        if let port = settings.hubble.port {
            var configuration = HubbleStream.Configuration(address: { port }, trust: settings.hubbleTrust)
            configuration.verdicts = settings.hubbleVerdicts
            hubble = HubbleStream(configuration, dialer: dialer, intake: intake, hasRoom: hasRoom, log: tell)
        } else {
            hubble = nil
        }
    }

    /// Until cancelled.
    func run() async {
        await withTaskGroup { group in
            if let scrape { group.addTask { await scrape.run() } }
            if let tetragon { group.addTask { await tetragon.run() } }
            if let hubble { group.addTask { await hubble.run() } }
        }
    }
}
