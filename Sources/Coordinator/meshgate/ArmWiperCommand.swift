// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import MeshModel
import MeshSystem
import OperatorAPI

/// `meshgate wipe arm`: lets a wiper that lost its record of spent warrants begin a new one, under an approver's signature.
struct ArmWiperCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "arm", abstract: "Let a disarmed wiper begin a new record of spent warrants, with an approver's signature.",
        discussion: """
            A wiper whose record is missing, shortened or damaged wipes nothing. Find out why before you arm it: after that, nobody
            knows which warrants were spent there. Warrants signed before are void.

            Example:
              meshgate wipe arm wrk-e-1 --key ~/.ssh/id_ed25519
              meshgate wipe arm wrk-e-1 --print > a.txt           to sign elsewhere:
              ssh-keygen -Y sign -n meshgate-wipe -f KEY a.txt
              meshgate wipe arm wrk-e-1 --message a.txt --signature a.txt.sig
            """)
    @Argument(help: "The node whose wiper is disarmed.") var node: String
    @Option(help: "Your approver key (or its .pub, when an agent or a security key holds it).", completion: .file()) var key: String?
    @Flag(help: "Print the text to sign, and do nothing.") var print = false
    @Option(help: "The signed text.", completion: .file()) var message: String?
    @Option(help: "A signature over it; once per signer.", completion: .file()) var signature: [String] = []
    @Option(help: "The node's name once more, instead of being asked for it.") var confirm: String?
    @OptionGroup var connection: ConnectionOptions

    func validate() throws {
        guard [key != nil, print, message != nil].count(where: { $0 }) == 1 else {
            throw ValidationError("give one of --key, --print, or --message with --signature")
        }
        guard (message == nil) == signature.isEmpty else { throw ValidationError("--message and --signature go together") }
    }

    func run() async throws {
        try await asking(connection) { client in
            guard let node = NodeID(node) else { throw Failure(.badInput, "\"\(node)\" is not \(NodeID.grammar)") }
            if let message {
                let envelope = WarrantEnvelope(text: try readText(message), signatures: try signature.map(readText))
                return try await handIn(envelope, node, client)
            }
            let reply = try await client.arming(node)
            guard let why = reply.disarmed else { return Terminal.say("the wiper of \(node) is armed; there is nothing to do") }
            guard let text = reply.text else {
                throw Failure(.no, "the wiper of \(node) wipes nothing: \(why); \(reply.missing.joined(separator: "; "))")
            }
            let terms = try WarrantReading.arming(text, for: node)
            if print { return Terminal.raw(text) }
            Terminal.say("the wiper of \(node) wipes nothing: \(oneLine(why))")
            Terminal.say("Armed anew it begins the replay store \(terms.store), and every warrant signed before is void.")
            let approver = Approver(key: key ?? "")
            try approver.confirms(node.text, given: confirm, "Type the node's name to go on:")
            try await handIn(try await approver.sign(text), node, client)
        }
    }

    private func handIn(_ envelope: WarrantEnvelope, _ node: NodeID, _ client: OperatorClient) async throws {
        let reply = try await client.arm(node, ArmRequest(envelope: envelope))
        Terminal.say("the wiper of \(node) is armed" + (reply.store.map { ", replay store \($0.id)" } ?? ""))
    }
}
