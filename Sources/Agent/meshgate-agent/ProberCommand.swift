// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Glibc
import HostProbe
import LocalLink
import Logging
import MeshModel
import ServiceLifecycle

/// `meshgate-agent prober`: the third role of this binary. It may send raw packets; it has no key, no disk and no coordinator.
struct ProberCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "prober", abstract: "The part that measures the ways to other nodes, and answers their probes.",
        discussion: """
            EXAMPLES
              meshgate-agent prober serve
              meshgate-agent prober serve --agent-user meshgate-agent
              meshgate-agent prober status

            It keeps CAP_NET_RAW (and CAP_NET_ADMIN with --packet-filter) and gives up every other capability. Datagrams and frames of other nodes are answered only while the coordinator
            has a probe under way, and only with that probe's token.
            """,
        subcommands: [Serve.self, Status.self])

    struct Serve: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Answer the agent on a Unix socket until SIGTERM.")
        @Option(help: ArgumentHelp("The socket that the agent connects to.", valueName: "path"))
        var proberSocket: String?
        @Option(help: "The agent's user, by name or number; our own unless given.")
        var agentUser: String?
        /// Seen by `ProcessManners` before anything is parsed: rights are given up first.
        @Flag(help: "Keep CAP_NET_ADMIN too, which the kernel wants of whoever lists the packet filter.")
        var packetFilter = false
        @OptionGroup var common: SettingsOptions

        func run() async throws {
            let settings = try common.resolve([.proberSocket: proberSocket, .agentUser: agentUser])
            let logger = settings.logger("prober")
            let user = try settings.agentUser.map(SystemUser.init)
            let another = user.map { $0.id != geteuid() } ?? false
            let server: ProberServer
            do {
                server = try ProberServer(
                    .init(
                        socketPath: settings.proberSocket, socketGroup: another ? user?.group : nil,
                        allowedUsers: [geteuid(), user?.id ?? geteuid()], version: MeshgateAgent.version)
                ) { event, details in logger.info("\(event)", metadata: details.mapValues { .string($0) }) }
            } catch {
                throw AgentFailure(.inputOutput, "cannot start the prober: \(error)")
            }
            if Hardening.effectiveCapabilities()?.contains(.netRaw) != true {
                logger.warning("prober cannot send ICMP", metadata: ["remedy": "give it CAP_NET_RAW, as its unit does"])
            }
            if packetFilter, Hardening.effectiveCapabilities()?.contains(.netAdmin) != true {
                logger.warning("prober cannot list the packet filter", metadata: ["remedy": "give it CAP_NET_ADMIN as well"])
            }
            logger.info("prober serving", metadata: ["socket": "\(settings.proberSocket)"])
            try await runUntilSignal(ProberService(server: server))
            logger.info("prober stopped")
        }
    }

    struct Status: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Ask the running prober what it is able to do.")
        @Option(help: ArgumentHelp("The prober's socket.", valueName: "path"))
        var proberSocket: String?
        @OptionGroup var common: SettingsOptions

        func run() async throws {
            let settings = try common.resolve([.proberSocket: proberSocket])
            do {
                let status = try await ProberClient(socketPath: settings.proberSocket).status()
                print("version \(printable(status.version)); \(status.sendsRaw ? "may" : "MAY NOT") send raw packets")
            } catch {
                throw AgentFailure(.unavailable, "\(error)")
            }
        }
    }
}

/// The prober as a service.
private struct ProberService: Service {
    let server: ProberServer
    func run() async throws {
        try await withGracefulShutdownHandler {
            try await server.run()
        } onGracefulShutdown: {
            server.stop()
        }
    }
}
