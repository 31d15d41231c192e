// SPDX-License-Identifier: Apache-2.0

import AgentLink
import HostProbe
import Logging
import MeshModel
import MeshSystem
import MeshTrust
import ServiceLifecycle

/// The agent link and its feed with everything they need, as a service that SIGTERM stops gracefully.
struct LinkService: Service {
    private let link: AgentLink
    private let telemetry: TelemetryFeed?
    private let logger: Logger

    init(_ membership: Membership, settings: AgentSettings, home: AgentHome, logger: Logger) throws {
        let identity = AgentIdentity(chain: membership.chain.map(\.der), privateKeyPEM: try membership.key.pem)
        let (roots, mesh) = (membership.roots, membership.mesh)
        let configuration = AgentLinkConfiguration(
            node: membership.node, agentVersion: MeshgateAgent.version, bootID: try AgentHome.reporting { try SystemClock.bootID() },
            coordinators: [settings.coordinator ?? membership.coordinator], identity: { identity },
            judge: { chain in
                // The agent has no revocation list: a coordinator that must not be believed is replaced by a new authority.
                let judged = PeerJudge.judge(
                    chain, roots: roots, as: .coordinator, mesh: mesh, now: SystemClock.now().wall, isRevoked: { _ in false })
                if case .failure(let refusal) = judged { return "\(refusal)" }
                return nil
            }, now: SystemClock.now)
        self.logger = logger
        telemetry = TelemetryFeed(configuration, settings: settings, home: home, logger: logger)
        let tasks = AgentTasks(
            node: membership.node, prober: HostProber(agentVersion: MeshgateAgent.version), wiperSocket: settings.wiperSocket,
            proberSocket: settings.proberSocket, log: logger)
        link = AgentLink(
            configuration: configuration, handler: tasks, outboxStore: FileOutboxStore(files: LinuxFileStore(), path: home.outboxPath),
            stateStore: FileAgentStateStore(files: LinuxFileStore(), path: home.statePath), log: logger)
    }

    func run() async throws {
        do {
            try await cancelWhenGracefulShutdown {
                try await Self.run(orders: link.run, telemetry: { try await telemetry?.run() }, log: logger)
            }
        } catch let error as AgentLinkError {
            throw AgentFailure(.inputOutput, "cannot \(error)")
        }
    }

    /// Runs both. Telemetry that cannot go on, for want of a thread or whatever else, ends alone and says so.
    static func run(
        orders: @escaping @Sendable () async throws -> Void, telemetry: @escaping @Sendable () async throws -> Void, log: Logger
    ) async throws {
        try await withThrowingTaskGroup { group in
            group.addTask {
                do {
                    try await telemetry()
                } catch {
                    guard !Task.isCancelled else { return }
                    log.error("telemetry ended", metadata: ["why": "\(error)", "remedy": "restart meshgate-agent; orders are carried out"])
                }
            }
            group.addTask { try await orders() }
            // The first error ends the other; `waitForAll` would wait for it.
            for try await _ in group {}
        }
    }
}
