// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import GRPCStream
import Glibc
import HostTrace
import LocalLink
import Logging
import MeshModel
import MeshSystem
import ServiceLifecycle

/// `meshgate-agent tracer`: the fourth role of this binary. It may bring eBPF programs into the kernel; it has no key, no disk, no network and
/// no coordinator.
struct TracerCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "tracer", abstract: "The part that watches this host with eBPF programs, for the feed.",
        discussion: """
            EXAMPLES
              meshgate-agent tracer serve
              meshgate-agent tracer serve --agent-user meshgate-agent --kind exec,drop,disk
              meshgate-agent tracer serve --tracer-scope netns
              meshgate-agent tracer status

            It keeps CAP_BPF and CAP_PERFMON and gives up every other capability. What it sees goes to `meshgate-agent run` alone; what waits
            for it is bounded, and losses are counted. Where Tetragon and Hubble run on this host it follows their streams, and fills with Tetragon's log what its stream missed. Without these capabilities, or on a kernel that refuses, it reads /proc instead.
            """,
        subcommands: [Serve.self, Status.self])

    struct Serve: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Watch, and hand what is seen to the agent on a Unix socket until SIGTERM.")
        @Option(help: ArgumentHelp("The socket that the agent connects to.", valueName: "path"))
        var tracerSocket: String?
        @Option(help: "The agent's user, by name or number; our own unless given.")
        var agentUser: String?
        @Option(help: ArgumentHelp("What to watch, separated by commas; everything unless given.", valueName: "kinds"))
        var kind: String?
        @Option(
            help: ArgumentHelp(
                "How far it looks: host for all that the kernel does, netns for its own network namespace alone (a container).",
                valueName: "scope"))
        var tracerScope: String?
        @Option(help: ArgumentHelp("Tetragon's log; looked for in the usual places unless given.", valueName: "file"))
        var tetragonLog: String?
        @Option(help: ArgumentHelp("Tetragon's socket, or none; found unless given.", valueName: "address"))
        var tetragon: String?
        @Option(help: ArgumentHelp("Hubble's socket, or none; the usual one unless given.", valueName: "address"))
        var hubble: String?
        @OptionGroup var common: SettingsOptions

        func run() async throws {
            let settings = try common.resolve([
                .tracerSocket: tracerSocket, .agentUser: agentUser, .tracerScope: tracerScope, .tetragonLog: tetragonLog,
                .tetragon: tetragon,
                .hubble: hubble,
            ])
            GRPCDialer.useOneThread()
            let logger = settings.logger("tracer")
            let user = try settings.agentUser.map(SystemUser.init)
            let another = user.map { $0.id != geteuid() } ?? false
            let server: TracerServer
            do {
                server = try TracerServer(
                    .init(
                        socketPath: settings.tracerSocket, socketGroup: another ? user?.group : nil,
                        allowedUsers: [geteuid(), user?.id ?? geteuid()], topics: try TraceCommand.topics(kind),
                        scope: settings.tracerScope,
                        version: MeshgateAgent.version)
                ) { event, details in logger.info("\(event)", metadata: details.mapValues { .string($0) }) }
            } catch let error as ValidationError {
                throw error
            } catch {
                throw AgentFailure(.inputOutput, "cannot start the tracer: \(error)")
            }
            logger.info("tracer serving", metadata: ["socket": "\(settings.tracerSocket)"])
            try await runUntilSignal(TracerService(server: server, settings: settings, logger: logger))
            logger.info("tracer stopped")
        }
    }

    struct Status: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Ask the running tracer what it watches, what it cannot, and what it lost.")
        @Option(help: ArgumentHelp("The tracer's socket.", valueName: "path"))
        var tracerSocket: String?
        @OptionGroup var common: SettingsOptions

        func run() async throws {
            let settings = try common.resolve([.tracerSocket: tracerSocket])
            do {
                print(Self.text(try await TracerClient(socketPath: settings.tracerSocket).status()), terminator: "")
            } catch {
                throw AgentFailure(.unavailable, "\(error)")
            }
        }

        static func text(_ status: TracerStatus) -> String {
            var text =
                "version \(printable(status.version)); \(status.isFollowed ? "the agent takes what is seen" : "NO AGENT takes what is seen")\n"
            if let why = status.withoutPrograms {
                text += "no eBPF, /proc is read instead: \(printable(why))\n"
            } else {
                text += "watches \(status.running.map(printable).joined(separator: ", "))\n"
            }
            for refusal in status.refused { text += "NOT WATCHED \(refusal.program.tracepoint): \(printable(refusal.why))\n" }
            text += "\(status.events) events, \(status.waiting) bytes wait\n"
            for source in status.sources ?? [] { text += source.text }
            for (reason, count) in status.lost.sorted(by: { $0.key < $1.key }) { text += "LOST \(count): \(printable(reason))\n" }
            return text
        }
    }
}
