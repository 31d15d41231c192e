// SPDX-License-Identifier: Apache-2.0

import FeedExport
import FleetGateway
import Logging
import MeshModel
import MeshSystem
import MeshTrust
import OperatorAPI
import Planning
import Running
import ServiceLifecycle
import Synchronization
import Telemetry
import TrustAuthority

/// The admin surface with its listeners: the Unix socket always, mTLS for remote operators and read-only HTTP when asked for.
struct AdminSurface {
    let services: [any Service]
    /// What `/metrics` shows.
    let metrics: Metrics

    static func open(
        _ settings: Coordinator.Settings, trust: Trust, controller: RunController, gateway: FleetGateway, feed: EventFeed, past: RecentPast,
        progress: ProgressBoard, answers: AnswerDesk, echoes: EchoDesk, telemetry: TelemetryDesk, board: DeliveryBoard,
        observe: @escaping @Sendable (EvidenceKey, Plan) async -> Evidence,
        now: @escaping NowSource, startedAt: Timestamp, log: Logger
    ) throws -> AdminSurface {
        let listeners = Listeners(settings)
        let metrics = Metrics(
            controller: controller, gateway: gateway, roll: trust.roll, feed: feed, telemetry: telemetry, board: board, now: now)
        let backend = CoordinatorBackend(
            mesh: settings.mesh, controller: controller, gateway: gateway, authority: trust.authority, tokens: trust.tokens,
            roll: trust.roll, entropy: KernelEntropy(), now: now, startedAt: startedAt, progress: progress,
            answers: answers, echoes: echoes, telemetry: telemetry, observe: observe,
            addresses: .init(agents: { listeners.agents(bound: try? await gateway.boundAddress()) }, http: { listeners.http }),
            metricsPage: { await metrics.page() })
        let server = OperatorServer(
            configuration(settings, trust: trust, controller: controller, now: now), backend: backend,
            sources: OperatorSources(
                digest: { body in Digest.sha256(try CanonicalJSON.encode(body)) }, plan: { controller.snapshot.run?.plan },
                events: { try events($0, feed) }, telemetry: { telemetry.events($0) }, live: { try follow($0, telemetry.live) },
                now: { now().wall },
                dashboard: DashboardDesk(backend: backend, past: past, telemetry: telemetry, now: now).dashboard),
            log: log, opened: { listeners.opened($0, log) })
        return AdminSurface(services: [server, FeedCloser(feed: feed)], metrics: metrics)
    }

    private static func configuration(
        _ settings: Coordinator.Settings, trust: Trust, controller: RunController, now: @escaping NowSource
    ) -> OperatorServerConfiguration {
        var configuration = OperatorServerConfiguration(unixSocket: .init(path: settings.state.socket))
        if let http = settings.http { configuration.readOnly = .init(host: http.host, port: http.port, names: Set(settings.names)) }
        if let operators = settings.operators {
            let authority = trust.authority
            configuration.mutualTLS = .init(
                host: operators.host, port: operators.port,
                identity: {
                    let (chain, key) = try trust.serverIdentity()
                    return .init(chain: chain.map(\.der), privateKeyPEM: try key.pem)
                },
                judge: { chain in
                    PeerJudge.judge(
                        chain, roots: [authority.root], as: .operator, mesh: authority.mesh, now: now().wall,
                        isRevoked: { controller.snapshot.revokedSerials.contains($0) }
                    ).mapError { CallerRefusal("\($0)") }.flatMap { identity in
                        guard case .operator(let name, let role) = identity.name else {
                            return .failure(CallerRefusal("it is no operator's"))
                        }
                        return .success(Caller(name: name.text, role: role == .admin ? .admin : .viewer))
                    }
                })
        }
        return configuration
    }

    /// The feed as the wire wants it; a slow follower is cut by the feed, never waited for.
    private static func events(_ request: EventRequest, _ feed: EventFeed) throws -> EventStream {
        let subscription: EventSubscription
        do {
            subscription = try feed.subscribe(after: request.after)
        } catch {
            throw error.refusal
        }
        let format: FeedFormat = request.serverSent ? .sse : .ndjson
        let begun = Once()
        return EventStream(
            next: {
                // The preamble goes out at once, so that the follower sees the line is open.
                if !format.preamble.isEmpty, begun.isFirst() { return format.preamble }
                let item = request.follow ? try await subscription.next() : try await subscription.nextOfHistory()
                return item.map(format.write)
            }, cancel: { subscription.cancel() })
    }
}

extension EventFeed.FeedError {
    /// As the admin surface answers it: only what may be otherwise in a moment is worth asking again.
    var refusal: BackendRefusal {
        switch self {
        case .tooMany: BackendRefusal(.unavailable, code: "tooManyReaders", "\(self)")
        case .ahead, .historyMissing: BackendRefusal(.badRequest, code: "events", "\(self)")
        }
    }
}

extension AdminSurface {
    /// Outlines of telemetry as they come; one that is too slow is told how many it missed.
    private static func follow(_ query: TelemetryQuery, _ live: LiveTelemetry) throws -> EventStream {
        let follower: LiveTelemetry.Follower
        do {
            follower = try live.follow(query)
        } catch {
            throw BackendRefusal(.unavailable, code: "tooManyReaders", "\(error)")
        }
        let begun = Once()
        return EventStream(
            next: {
                if begun.isFirst() { return LiveTelemetry.preamble }
                return await follower.next().map(LiveTelemetry.write)
            }, cancel: { follower.cancel() })
    }
}

/// Where we really listen.
private final class Listeners: Sendable {
    private let settings: Coordinator.Settings
    private let readOnly = Mutex<String>("")

    init(_ settings: Coordinator.Settings) { self.settings = settings }

    var http: String { readOnly.withLock { $0 } }

    /// What an agent can dial: not the wildcard, but our own name.
    func agents(bound: FleetGateway.BoundAddress?) -> String {
        let port = bound?.port ?? settings.agentPort
        let host = ["0.0.0.0", "::"].contains(settings.agentHost) ? settings.names.last ?? "localhost" : settings.agentHost
        return host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
    }

    func opened(_ listener: OperatorServer.Opened, _ log: Logger) {
        switch listener {
        case .unixSocket(let path): log.info("listening for the command line", metadata: ["socket": "\(path)"])
        case .mutualTLS(let host, let port): log.info("listening for operators", metadata: ["address": "\(host):\(port)"])
        case .readOnly(let host, let port):
            readOnly.withLock { $0 = "http://\(host.contains(":") ? "[\(host)]" : host):\(port)" }
            log.info("listening for metrics and events", metadata: ["address": "\(host):\(port)"])
        }
    }
}

/// True for the first asker only.
private final class Once: Sendable {
    private let asked = Atomic(false)
    func isFirst() -> Bool { !asked.exchange(true, ordering: .relaxed) }
}

/// Ends all followers of the feed when the coordinator stops, or they would hold it up.
private struct FeedCloser: Service {
    let feed: EventFeed

    func run() async throws {
        try? await gracefulShutdown()
        feed.close()
    }
}

extension OperatorClientError {
    var exit: Exit {
        switch self {
        case .refused(let status, _): status == 403 ? .notPermitted : status == 503 ? .unavailable : .no
        case .failed: .unavailable
        case .notUnderstood, .cut: .no
        }
    }
}
