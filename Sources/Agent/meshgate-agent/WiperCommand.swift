// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import DiskWipe
import Glibc
import LocalLink
import Logging
import MeshModel
import MeshSystem
import ServiceLifecycle

/// `meshgate-agent wiper`: the other role of this binary. It opens disks and has no network; the agent has the network and opens no disk.
struct WiperCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "wiper", abstract: "The part that reads and, under a signed warrant, wipes disks.",
        discussion: """
            EXAMPLES
              meshgate-agent wiper arm                          (once, at install)
              meshgate-agent wiper serve --node wrk-e-1
              meshgate-agent wiper serve --node wrk-e-1 --wipe-rate 200MiB --wipe-priority idle --wipes-at-once 2
              meshgate-agent wiper status

            Who may sign is in \(AgentSettings().signers), OpenSSH's allowed_signers format. It comes with the host's own configuration,
            never from the coordinator.
            """,
        subcommands: [Serve.self, Arm.self, Status.self])

    struct Serve: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Answer the agent on a Unix socket until SIGTERM.")
        @Option(help: "This node's name: a warrant for another node is refused.")
        var node: String?
        @Option(help: ArgumentHelp("The socket that the agent connects to.", valueName: "path"))
        var wiperSocket: String?
        @Option(help: ArgumentHelp("Where spent warrants are remembered.", valueName: "directory"), completion: .directory)
        var wiperState: String?
        @Option(help: ArgumentHelp("Who may sign warrants (allowed_signers).", valueName: "file"), completion: .file())
        var signers: String?
        @Option(help: ArgumentHelp("Where the agent writes the digest of its key.", valueName: "file"))
        var nodeKey: String?
        @Option(help: "The agent's user, by name or number; our own unless given.")
        var agentUser: String?
        @Option(
            help: ArgumentHelp(
                "The most that one wipe writes and reads in a second, such as 200MiB; no limit unless given.", valueName: "bytes"))
        var wipeRate: String?
        @Option(help: "How a wipe competes for the disk: normal, low (the default) or idle.")
        var wipePriority: String?
        @Option(help: "Wipes at the same time, 1 to 16; further ones wait. 4 unless given.")
        var wipesAtOnce: String?
        @Option(help: ArgumentHelp("Refuse disks above this size.", valueName: "size"))
        var largestWipe: String?
        @Option(help: ArgumentHelp("For labs: where Proxmox keeps its configuration.", valueName: "directory"))
        var hypervisorRoot = "/etc/pve"
        @Flag(help: "For labs: loop devices count as disks.")
        var allowLoopDisks = false
        @Option(help: ArgumentHelp("For labs: where the devices are.", valueName: "directory"))
        var devroot = "/dev"
        @OptionGroup var common: SettingsOptions

        func run() async throws {
            let settings = try common.resolve([
                .node: node, .wiperSocket: wiperSocket, .wiperState: wiperState, .signers: signers, .nodeKey: nodeKey,
                .agentUser: agentUser, .wipeRate: wipeRate, .wipePriority: wipePriority, .wipesAtOnce: wipesAtOnce,
                .largestWipe: largestWipe,
            ])
            let logger = settings.logger("wiper")
            let configuration = try configuration(settings)
            let server: WiperServer
            do {
                let log: WiperServer.Log = { event, details in logger.info("\(event)", metadata: details.mapValues { .string($0) }) }
                server = try WiperServer(configuration: configuration, boot: try SystemClock.bootID(), log: log)
            } catch {
                throw AgentFailure(.inputOutput, "cannot start the wiper: \(error)")
            }
            if let problem = configuration.unfitBecause { logger.error("wiper will not wipe", metadata: ["problem": "\(problem)"]) }
            logger.info("wiper serving", metadata: ["socket": "\(settings.wiperSocket)", "node": "\(settings.node?.text ?? "-")"])
            try await runUntilSignal(WiperService(server: server))
            logger.info("wiper stopped")
        }

        private func configuration(_ settings: AgentSettings) throws -> WiperConfiguration {
            guard let node = settings.node else {
                throw AgentFailure(.configuration, "the wiper must know its node: --node NAME, or `node = NAME` in the settings")
            }
            let user = try settings.agentUser.map(SystemUser.init)
            let another = user.map { $0.id != geteuid() } ?? false
            return WiperConfiguration(
                node: node, nodeKeyPath: settings.nodeKey, signersPath: settings.signers, storeDirectory: settings.wiperState,
                socketPath: settings.wiperSocket, allowedUsers: [geteuid(), user?.id ?? geteuid()],
                socketGroup: another ? user?.group : nil, devroot: devroot, hypervisorRoot: hypervisorRoot, allowLoop: allowLoopDisks,
                manners: settings.manners, unfitBecause: tooPrivileged)
        }

        /// Capabilities were given up at the start; a process that still has some is not what it was meant to be.
        private var tooPrivileged: String? {
            guard let capabilities = Hardening.effectiveCapabilities() else { return "the kernel does not tell which capabilities it has" }
            guard !capabilities.isEmpty else { return nil }
            return
                "the wiper still has capabilities (0x\(String(capabilities.rawValue, radix: 16))); run it as `wiper serve` and as a user of group disk"
        }
    }

    struct Arm: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Begin the record of spent warrants; needed once, when the wiper is installed.",
            discussion: """
                A sound record is left alone. Where there was one that is damaged now, only a message signed by an approver begins a new one:
                `meshgate wipe arm NODE` at the coordinator writes and hands it in.
                """)
        @Option(help: ArgumentHelp("Where spent warrants are remembered.", valueName: "directory"), completion: .directory)
        var wiperState: String?
        @OptionGroup var common: SettingsOptions

        func run() async throws {
            let settings = try common.resolve([.wiperState: wiperState])
            do {
                try ReplayStore.arm(directory: settings.wiperState)
            } catch {
                throw AgentFailure(
                    (error as? SystemError)?.isAboutPermission == true ? .notPermitted : .inputOutput, "cannot arm the wiper: \(error)")
            }
            print("armed: \(settings.wiperState)")
        }
    }

    struct Status: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Ask the running wiper whether it is armed and what became of warrants.")
        @Option(help: ArgumentHelp("The wiper's socket.", valueName: "path"))
        var wiperSocket: String?
        @OptionGroup var common: SettingsOptions

        func run() async throws {
            let settings = try common.resolve([.wiperSocket: wiperSocket])
            let status: WiperStatus
            do {
                status = try await WiperClient(socketPath: settings.wiperSocket).status()
            } catch {
                throw AgentFailure(.unavailable, "\(error)")
            }
            print(status.disarmedBecause.map { "DISARMED: \(printable($0))" } ?? "armed")
            if !status.claims.isEmpty {
                print(
                    TextTable("WARRANT", "FATE", rows: status.claims.map { [$0.warrant.text, $0.fate.description] }).text, terminator: "")
            }
        }
    }
}

/// The wiper as a service: SIGTERM lets a running wipe finish its chunk and record its end.
private struct WiperService: Service {
    let server: WiperServer
    func run() async throws {
        try await withGracefulShutdownHandler {
            try await server.run()
        } onGracefulShutdown: {
            server.stop()
        }
    }
}
