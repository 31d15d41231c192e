// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import MeshModel
import MeshSystem
import OperatorAPI
import Planning

/// `meshgate node`: who belongs to the mesh.
struct NodeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "node", abstract: "Machines of the mesh: list, invite, let leave, revoke.",
        discussion: "Examples:\n  meshgate node list\n  meshgate node invite wrk-e-1\n  meshgate node leave wrk-e-1 --dry-run",
        subcommands: [List.self, Invite.self, Leave.self, Revoke.self], defaultSubcommand: List.self)

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
                Terminal.raw(InviteText(reply).text)
            }
        }
    }

    struct Leave: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Take a worker out of its cluster, so that its machine can be replaced.",
            discussion: """
                A teardown of one node: it waits until Ceph keeps nothing on it (and says how), cordons it, evicts its pods as far as
                PodDisruptionBudgets allow, and deletes its Node object. The machine and its disks stay as they are. What pods keep in
                emptyDir volumes is lost, as whenever they move.

                Examples:
                  meshgate node leave wrk-e-1 -f mesh.yaml --dry-run
                  meshgate node leave wrk-e-1 -f mesh.yaml

                Afterwards: `meshgate node revoke` when the machine goes for good, replace it, `meshgate node invite`, and apply.
                Exit codes as for `meshgate destroy`.
                """)
        @Argument(help: "The node's name in mesh.yaml.") var node: String
        @OptionGroup var mesh: MeshOption
        @OptionGroup var teardown: TeardownOptions
        @OptionGroup var connection: ConnectionOptions
        @OptionGroup var output: OutputOption
        func run() async throws {
            try await reporting {
                let spec = try mesh.lintedSpec()
                let name = try nodeID(node)
                guard let member = spec.members.first(where: { $0.node.name == name }) else {
                    let near = nearest(node, of: spec.members.map(\.node.name.text)).map { "; did you mean \($0)?" } ?? ""
                    throw Failure(.usage, "\(mesh.mesh) has no node \"\(node)\" in a cluster\(near)")
                }
                guard member.node.role == .worker else {
                    throw Failure(
                        .no,
                        "\(node) is a control plane: take it out of etcd first (`talosctl --nodes \(member.node.address) reset`, or "
                            + "`talosctl etcd remove-member` through another one when it is dead)")
                }
                try await teardown.run(spec, .node(name), word: node, connection, output.output)
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

/// An invitation for people. The token is no argument of the command: those are in the process list, the shell's history and audit logs.
struct InviteText {
    let reply: InviteReply
    init(_ reply: InviteReply) { self.reply = reply }

    var text: String {
        """
        token for \(reply.node), good until \(reply.until), for one agent:

          \(printable(reply.token))

        On the machine run this, paste the token, and end with Ctrl-D:

          meshgate-agent join --coordinator \(printable(reply.coordinator)) --node \(reply.node) --token-file /dev/stdin

        """
    }
}

func nodeID(_ text: String) throws -> NodeID {
    guard let id = NodeID(text) else { throw Failure(.usage, "\"\(text)\" is not \(NodeID.grammar)") }
    return id
}
