// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import MeshModel
import MeshSystem
import OperatorAPI

/// `meshgate node`: who belongs to the mesh.
struct NodeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "node", abstract: "Machines with an agent: list, invite, revoke.",
        discussion: "Examples:\n  meshgate node list\n  meshgate node invite wrk-e-1", subcommands: [List.self, Invite.self, Revoke.self],
        defaultSubcommand: List.self)

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "List planned and connected machines.",
            discussion: "Example:\n  meshgate node list --output json | jq -r '.nodes[] | select(.connected) | .name'")
        @OptionGroup var connection: ConnectionOptions
        @OptionGroup var output: OutputOption
        func run() async throws {
            try await asking(connection) { client in
                let reply = try await client.nodes()
                Terminal.say(output.output == .json ? try CanonicalJSON.text(reply) : NodesText(reply.nodes).text)
            }
        }
    }

    struct Invite: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Make a one-time join token for one machine.",
            discussion: """
                The token is shown once, is good for one agent key, and names the authority, so that the agent knows its coordinator.
                Example:
                  meshgate node invite wrk-e-1
                  # then, on the machine:
                  meshgate-agent join --coordinator 192.168.88.5:7443 --node wrk-e-1 \\
                    --token-file token
                """)
        @Argument(help: "The node's name in mesh.yaml.") var node: String
        @Option(name: .customLong("for"), help: "How long it is good, at most 24h.") var life: String = "15m"
        @OptionGroup var connection: ConnectionOptions
        @OptionGroup var output: OutputOption
        func run() async throws {
            try await asking(connection) { client in
                guard let life = TimeSpan(life) else { throw Failure(.usage, "--for \"\(life)\" is not \(TimeSpan.form)") }
                let reply = try await client.invite(try nodeID(node), InviteRequest(life: life))
                if output.output == .json { return Terminal.say(try CanonicalJSON.text(reply)) }
                Terminal.say("token for \(reply.node), good until \(reply.until), for one agent:")
                Terminal.say("")
                Terminal.say("  meshgate-agent join --coordinator \(reply.coordinator) --node \(reply.node) --token \(reply.token)")
            }
        }
    }

    struct Revoke: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Put an agent out: its certificates are refused from now on, and its session ends.",
            discussion: "Example:\n  meshgate node revoke wrk-e-1 --reason 'disk and key sent in for repair'")
        @Argument(help: "The node.") var node: String
        @Option(help: "Why; it is journaled.") var reason: String
        @OptionGroup var connection: ConnectionOptions
        func run() async throws {
            try await asking(connection) { client in
                let reply = try await client.revoke(try nodeID(node), RevokeRequest(reason: reason))
                Terminal.say("\(reply.node) is out; certificates refused: \(reply.serials.joined(separator: ", "))")
            }
        }
    }
}

func nodeID(_ text: String) throws -> NodeID {
    guard let id = NodeID(text) else { throw Failure(.usage, "\"\(text)\" is not \(NodeID.grammar)") }
    return id
}
