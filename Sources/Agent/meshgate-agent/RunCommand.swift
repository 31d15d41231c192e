// SPDX-License-Identifier: Apache-2.0

import AgentLink
import ArgumentParser
import DiskWipe
import GRPCStream
import Glibc
import HostProbe
import LocalLink
import Logging
import MeshModel
import MeshSystem
import MeshTrust
import ServiceLifecycle

/// `meshgate-agent run`: keeps the one connection to the coordinator and carries out its orders.
struct RunCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run", abstract: "Stay connected to the coordinator and carry out its typed orders.",
        discussion: """
            EXAMPLES
              meshgate-agent run
              meshgate-agent run --coordinator mesh.example.org:7443 --join-token-file ./token

            With a join token it joins first, when this host is no member yet; afterwards the token is not needed.
            """)

    @Option(help: ArgumentHelp("Where the coordinator listens; the one that was joined unless given.", valueName: "host:port"))
    var coordinator: String?
    @Option(help: "The node's name in the mesh; this host's name unless given. Once joined it must be the same.")
    var node: String?
    @Option(help: ArgumentHelp("The agent's state directory.", valueName: "directory"), completion: .directory)
    var state: String?
    @Option(help: ArgumentHelp("Join with the token in this file, when there is no identity yet.", valueName: "file"), completion: .file())
    var joinTokenFile: String?
    @Option(help: ArgumentHelp("The wiper's socket.", valueName: "path"))
    var wiperSocket: String?
    @Option(help: ArgumentHelp("The prober's socket.", valueName: "path"))
    var proberSocket: String?
    @Option(help: ArgumentHelp("The tracer's socket; events are taken from it where there is one.", valueName: "path"))
    var tracerSocket: String?
    @Option(help: ArgumentHelp("Where the digest of our key is written for the wiper.", valueName: "file"))
    var nodeKey: String?
    @Option(help: ArgumentHelp("How much telemetry is kept for a coordinator that is away; 0B for none.", valueName: "size"))
    var spoolSize: String?
    @OptionGroup var common: SettingsOptions

    func run() async throws {
        let settings = try common.resolve([
            .coordinator: coordinator, .node: node, .state: state, .joinTokenFile: joinTokenFile, .wiperSocket: wiperSocket,
            .proberSocket: proberSocket, .tracerSocket: tracerSocket, .nodeKey: nodeKey, .spoolSize: spoolSize,
        ])
        GRPCDialer.useOneThread()
        let logger = settings.logger("agent")
        let home = try AgentHome(settings.state)
        let lock = try home.lock()
        defer { lock.release() }
        let membership = try await member(settings, home, logger)
        try NodeKeyFile.write(membership.key.spkiDigest, to: settings.nodeKey)
        logger.info(
            "agent starting",
            metadata: [
                "mesh": "\(membership.mesh)", "node": "\(membership.node)", "key": "\(membership.key.spkiDigest.short)",
                "certificateEnds": "\(membership.chain.first?.notAfter.description ?? "-")", "version": "\(MeshgateAgent.version)",
            ])
        if !(Hardening.effectiveCapabilities() ?? []).isEmpty {
            logger.warning("agent has capabilities it does not need", metadata: ["remedy": "run it as a user of its own"])
        }
        if let end = membership.chain.first?.notAfter, end <= SystemClock.now().wall {
            logger.error("certificate expired", metadata: ["ended": "\(end)", "remedy": "meshgate-agent join --again, with a new token"])
        }
        try await runUntilSignal(try LinkService(membership, settings: settings, home: home, logger: logger))
        logger.info("agent stopped", metadata: ["node": "\(membership.node)"])
    }

    /// Who this host is; joins when it is nobody yet and a token is at hand.
    private func member(_ settings: AgentSettings, _ home: AgentHome, _ logger: Logger) async throws -> Membership {
        if let known = try home.membership() {
            if let wanted = settings.node, wanted != known.node {
                throw AgentFailure(
                    .configuration, "this host joined as node \(known.node), the settings say \(wanted); correct them, or join with --again"
                )
            }
            return known
        }
        guard settings.joinTokenFile != nil else {
            throw AgentFailure(
                .configuration, "this host has not joined a mesh; run `meshgate-agent join`, or give a token with --join-token-file")
        }
        let joined = try await FirstMeeting(settings: settings, home: home).join(try FirstMeeting.token(in: settings))
        logger.info("agent joined", metadata: ["mesh": "\(joined.mesh)", "node": "\(joined.node)"])
        return joined
    }
}

/// Tells the wiper which key this node's warrants must name. Public, and no secret; it is written anew at every start.
enum NodeKeyFile {
    static func write(_ digest: Digest, to path: String) throws {
        let directory = String(path[..<(path.lastIndex(of: "/") ?? path.startIndex)])
        // The wiper is another user: it must be able to read here, so not FileStore's private directory. EEXIST is the usual case.
        if !directory.isEmpty, mkdir(directory, 0o755) == 0 { chmod(directory, 0o755) }
        try AgentHome.reporting { try LinuxFileStore().write(Array("\(digest.hex)\n".utf8), to: path, mode: 0o644) }
    }
}
