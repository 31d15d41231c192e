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
                try await withThrowingTaskGroup { group in
                    if let telemetry { group.addTask { try await telemetry.run() } }
                    group.addTask { try await link.run() }
                    try await group.waitForAll()
                }
            }
        } catch let error as AgentLinkError {
            throw AgentFailure(.inputOutput, "cannot \(error)")
        }
    }
}
