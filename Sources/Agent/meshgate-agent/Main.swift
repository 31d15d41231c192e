// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Glibc

/// The agent's main program: hardens itself, parses, runs one command, and turns its end into an exit code.
@main
struct MeshgateAgent: AsyncParsableCommand {
    static let version = "0.1.0"

    static let configuration = CommandConfiguration(
        commandName: "meshgate-agent",
        abstract: "The agent of Meshgate on one host: answers typed questions, and wipes a disk only under a signed warrant.",
        discussion: """
            It dials the coordinator and opens no port; its prober answers datagrams of other nodes' probes for a few seconds at a time.
            Nothing in it runs a command that the coordinator chose.

            EXAMPLES
              meshgate-agent join --coordinator mesh.example.org:7443 --token-file ./token
              meshgate-agent run
              meshgate-agent probe links
              meshgate-agent probe kernel --output json
              meshgate-agent wiper serve
              meshgate-agent prober serve
              meshgate-agent tracer serve

            SETTINGS
              A flag wins over MESHGATE_AGENT_... in the environment, and that over
              \(AgentSettings.defaultFile), which has lines of `key = value`.
              Keys: coordinator, node, state, join-token-file, log-level, spool-size, node-key,
              wiper-socket, prober-socket, tracer-socket, tracer-scope, agent-user; for what others tell tetragon,
              tetragon-log, tetragon-tls, tetragon-server-name, tetragon-leave-out, tetragon-metrics, hubble, hubble-tls,
              hubble-server-name, hubble-verdicts; and for the wiper also wiper-state, signers, wipe-rate, wipe-priority,
              wipes-at-once, largest-wipe.

            \(AgentFailure.table)

            COMPLETION
              meshgate-agent --generate-completion-script bash   (or zsh, fish)
            """,
        version: version,
        subcommands: [RunCommand.self, JoinCommand.self, WiperCommand.self, ProberCommand.self, TracerCommand.self, ProbeCommand.self])

    static func main() async {
        do {
            try ProcessManners.adopt(ProgramArguments.list)
            var command = try parseAsRoot(ProgramArguments.list)
            if var waiting = command as? any AsyncParsableCommand { try await waiting.run() } else { try command.run() }
        } catch let failure as AgentFailure {
            EventLog.toStandardError("meshgate-agent: \(failure)\n")
            Glibc.exit(failure.code.rawValue)
        } catch {
            exit(withError: error)
        }
    }
}
