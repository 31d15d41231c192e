// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Gating
import MeshModel
import MeshSystem
import MeshTrust
import OperatorAPI

/// `meshgate approve`: request, sign and submit in one go, with each loss shown and its name typed.
struct ApproveCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "approve",
        abstract: "Show what would be lost, ask for each disk's serial or step's name, sign with ssh-keygen and hand the warrants in.",
        discussion: """
            Example:
              meshgate approve talos-east/wrk-e-1/wipe-vdb --key ~/.ssh/id_ed25519
              meshgate approve --all --key ~/.ssh/id_ed25519_sk.pub          all that need a warrant; touch the key for each

              meshgate approve talos-east/service-rook-ceph/undo --key ~/.ssh/id_ed25519       a step of a teardown
              meshgate approve mesh/provision/undo --key ~/.ssh/id_ed25519                     the machines, one by one in the list
              meshgate approve mesh/provision --key ~/.ssh/id_ed25519                          what Terraform would replace in a build

            Where two people must sign, use `meshgate wipe request` or `meshgate destroy request`, and `meshgate wipe submit`.
            """)
    @OptionGroup var selection: WipeSelection
    @Option(help: "Your approver key (or its .pub, when an agent or a security key holds it).", completion: .file()) var key: String
    @Option(help: "The disk's serial, instead of being asked for it; with one step only.") var serial: String?
    @Option(help: "The step's name, instead of being asked for it; for one step of a teardown.") var confirm: String?
    @OptionGroup var connection: ConnectionOptions

    func validate() throws {
        try selection.check()
        guard serial == nil || (selection.steps.count == 1 && !selection.all) else {
            throw ValidationError("--serial answers for one disk; with several you are asked for each")
        }
        guard confirm == nil || (selection.steps.count == 1 && !selection.all) else {
            throw ValidationError("--confirm answers for one step; with several you are asked for each")
        }
    }

    func run() async throws {
        try await asking(connection) { client in
            let losses = selection.choose(from: try await client.losses().losses)
            let wipes = losses.isEmpty || !selection.all ? try await chosenWipes(client, besides: losses) : []
            let approver = Approver(key: key)
            // Nothing is signed before everything was confirmed.
            var texts = try losses.map { ($0.step, try confirmed($0, approver)) }
            for (index, wipe) in wipes.enumerated() {
                if wipes.count > 1 { Terminal.say(Terminal.paint("disk \(index + 1) of \(wipes.count)", .bold)) }
                texts.append((wipe.step, try confirmed(wipe, approver)))
            }
            for (index, (step, text)) in texts.enumerated() {
                if texts.count > 1 { Terminal.say("signing \(index + 1) of \(texts.count): \(step)") }
                _ = try await client.submit(WarrantRequest(step: step, envelope: try await approver.sign(text)))
            }
            Terminal.say("signed and handed in; follow it with `meshgate status`")
        }
    }

    private func chosenWipes(_ client: OperatorClient, besides losses: [LossReply]) async throws -> [WipeReply] {
        var rest = selection
        rest.steps.removeAll { step in losses.contains { $0.step.text == step } }
        if rest.steps.isEmpty && !rest.all { return [] }
        return try rest.choose(from: try await client.wipes().wipes)
    }

    /// The text that the person has agreed to sign.
    private func confirmed(_ wipe: WipeReply, _ approver: Approver) throws -> String {
        Terminal.say(WipeText(wipe).text)
        let text = try WarrantReading.text(of: wipe)
        let terms = try WarrantReading.terms(text, shownAs: wipe)
        let wanted = terms.disk.serial ?? terms.disk.path
        Terminal.say(
            "the warrant: wipe the disk with serial \(oneLine(wanted)), \(ByteCount(bytes: terms.disk.sizeInBytes)), on \(terms.node), until \(terms.notAfter)"
        )
        // From the signed text itself: that is what the host compares with the disk, whatever the coordinator shows.
        for line in terms.holds.isEmpty ? ["nothing that is known"] : terms.holds { Terminal.say("  it holds  \(oneLine(line))") }
        try approver.confirms(wanted, given: serial, "Everything on it will be lost. Type the disk's serial to go on:")
        return text
    }

    /// The same for a step of a teardown. What is shown comes from the text itself, and must be what the coordinator showed.
    private func confirmed(_ loss: LossReply, _ approver: Approver) throws -> String {
        let text = try WarrantReading.text(of: loss)
        let terms = try WarrantReading.terms(text, shownAs: loss)
        Terminal.say(TeardownText(terms, loss).text)
        try approver.confirms(terms.step.text, given: confirm, "All of this will be lost. Type the step's name to go on:")
        return text
    }
}

/// What a teardown's warrant says, for people. Its own lines; and where it names objects by their digest, the list that has this digest.
struct TeardownText {
    let terms: TeardownTerms
    let loss: LossReply
    init(_ terms: TeardownTerms, _ loss: LossReply) {
        self.terms = terms
        self.loss = loss
    }

    var text: String {
        let lines = terms.objects == nil ? terms.destroys : loss.destroys
        var said = ["the warrant: \(terms.step) of mesh \(terms.mesh), until \(terms.notAfter)"]
        said += lines.map { "  " + Terminal.paint("DESTROYS \(oneLine($0))", .red) }
        if let objects = terms.objects { said.append("  these \(lines.count) objects and no others, by digest \(objects.short)") }
        return said.joined(separator: "\n")
    }
}
