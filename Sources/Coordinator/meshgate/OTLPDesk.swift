// SPDX-License-Identifier: Apache-2.0

import FeedExport
import Logging
import MeshHTTP
import MeshModel
import MeshSystem
import MeshTrust
import OTLPExport
import Running
import ServiceLifecycle
import Synchronization
import TelemetryStore

/// Everything that is sent on to a collector: one loop for each stream, and the connection that they share.
struct OTLPDesk: Service {
    private let transport: any OTLPTransport
    private let loops: [ExportLoop]
    private let log: Logger

    /// What is sent.
    struct Parts: Sendable {
        var store: TelemetryStore
        var feed: EventFeed
        var history: EventFeed.History
        var families: @Sendable () async -> [MetricFamily]
        var startedAt: Timestamp
    }

    /// - Parameter directory: where positions are kept.
    static func open(
        _ configuration: OTLPConfiguration, mesh: String, parts: Parts, directory: String, files: any FileStore, http: any HTTPClient,
        now: @escaping NowSource, log: Logger
    ) throws -> OTLPDesk {
        try files.createDirectory(directory)
        let transport: any OTLPTransport =
            switch configuration.transport {
            case .http: HTTPTransport(configuration, client: http, now: now)
            case .grpc: try GRPCTransport(configuration)
            }
        let (origin, ids) = (OTLPOrigin(mesh: mesh, version: Version.text), TraceIDs(mesh: mesh, digest: sha256))
        let feed = parts.feed
        var streams: [ExportStream] = []
        if configuration.signals.contains(.logs) {
            streams.append(
                ExportStream(
                    name: "telemetry", signal: .logs, source: TelemetryExport(store: parts.store, origin: origin),
                    pace: .follow(every: .seconds(1))))
            streams.append(
                ExportStream(
                    name: "events", signal: .logs, source: EventExport(feed: feed, origin: origin, ids: ids),
                    pace: .follow(every: .seconds(1))))
        }
        if configuration.signals.contains(.traces) {
            streams.append(
                ExportStream(
                    name: "traces", signal: .traces,
                    source: TraceExport(head: { feed.head }, origin: origin, ids: ids, history: parts.history),
                    pace: .follow(every: .seconds(2))))
        }
        if configuration.signals.contains(.metrics) {
            streams.append(
                ExportStream(
                    name: "metrics", signal: .metrics,
                    source: MetricsExport(families: parts.families, origin: origin, startedAt: parts.startedAt, now: now),
                    pace: .sample(every: configuration.metricsInterval)))
        }
        let (endpoint, isLocal) = (configuration.endpoint, ["localhost", "127.0.0.1", "::1"].contains(configuration.endpoint.host))
        if !endpoint.isSecure, !isLocal, !configuration.headers.isEmpty {
            log.warning("headers, and with them keys, go to the collector in the clear", metadata: ["collector": "\(endpoint)"])
        }
        log.info(
            "sending on",
            metadata: [
                "collector": "\(endpoint)", "protocol": "\(configuration.transport.rawValue)",
                "streams": "\(streams.map(\.name).joined(separator: ","))",
            ])
        return OTLPDesk(
            transport: transport,
            loops: streams.map { stream in
                ExportLoop(stream, over: transport, positions: PositionFile(path: "\(directory)/\(stream.name)", files: files), log: log)
            }, log: log)
    }

    func run() async throws {
        await cancelWhenGracefulShutdown {
            await withTaskGroup(of: Void.self) { group in
                group.addTask {
                    do {
                        try await transport.run()
                    } catch {
                        if Task.isCancelled { return }
                        // Each request fails as well and is counted; the coordinator goes on.
                        log.error("the connection to the collector ended", metadata: ["error": "\(error)"])
                    }
                }
                for loop in loops { group.addTask { await loop.run() } }
                await group.waitForAll()
            }
        }
        // A group of services takes an early end for a wish to stop.
        try? await gracefulShutdown()
    }

    /// How all streams stand, for the metrics page. Reasons that did not occur are there as zeros: a counter that is born with its first loss hides that
    /// one from whoever looks at its growth.
    func deliveries(now: Timestamp) -> [MetricsState.Delivery] {
        loops.map { loop in
            let figures = loop.figures
            return MetricsState.Delivery(
                stream: loop.name, sent: figures.sent,
                rejected: ["partial": 0, "refused": 0, "too_large": 0].merging(figures.rejected) { $1 },
                lost: ["retention": 0, "damaged": 0, "superseded": 0].merging(figures.lost) { $1 }, retries: figures.retries,
                behindSeconds: figures.waitingSince.map { Double(max(0, (now - $0).inMilliseconds)) / 1000 } ?? 0,
                isDelivering: figures.isDelivering)
        }
    }
}

/// The metrics page tells of what is sent on, and the metrics page is sent on: whoever comes second is told here.
final class DeliveryBoard: Sendable {
    private let desk = Mutex<OTLPDesk?>(nil)
    func set(_ desk: OTLPDesk) { self.desk.withLock { $0 = desk } }
    func deliveries(now: Timestamp) -> [MetricsState.Delivery] { desk.withLock { $0 }?.deliveries(now: now) ?? [] }
}
