// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import MeshModel
import MeshSystem
import OperatorAPI

/// `meshgate approve`: request, sign and submit in one go, with each disk shown and its serial typed.
struct ApproveCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "approve", abstract: "Show disks, ask for each serial, sign the warrants with ssh-keygen and hand them in.",
        discussion: """
            Example:
              meshgate approve talos-east/wrk-e-1/wipe-vdb --key ~/.ssh/id_ed25519
              meshgate approve --all --key ~/.ssh/id_ed25519_sk.pub          all that need a warrant; touch the key for each

            Where two people must sign, use `meshgate wipe request` and `meshgate wipe submit`.
            """)
    @OptionGroup var selection: WipeSelection
    @Option(help: "Your approver key (or its .pub, when an agent or a security key holds it).", completion: .file()) var key: String
    @Option(help: "The disk's serial, instead of being asked for it; with one step only.") var serial: String?
    @OptionGroup var connection: ConnectionOptions

    func validate() throws {
        try selection.check()
        guard serial == nil || (selection.steps.count == 1 && !selection.all) else {
            throw ValidationError("--serial answers for one disk; with several you are asked for each")
        }
    }

    func run() async throws {
        try await asking(connection) { client in
            let wipes = try selection.choose(from: try await client.wipes().wipes)
            let approver = Approver(key: key)
            var texts: [(WipeReply, String)] = []
            for (index, wipe) in wipes.enumerated() {
                if wipes.count > 1 { Terminal.say(Terminal.paint("disk \(index + 1) of \(wipes.count)", .bold)) }
                Terminal.say(WipeText(wipe).text)
                let text = try warrantText(wipe)
                let terms = try WarrantReading.terms(text, shownAs: wipe)
                let wanted = terms.disk.serial ?? terms.disk.path
                Terminal.say(
                    "the warrant: wipe the disk with serial \(wanted), \(ByteCount(bytes: terms.disk.sizeInBytes)), on \(terms.node), until \(terms.notAfter)"
                )
                // From the signed text itself: that is what the host compares with the disk, whatever the coordinator shows.
                for line in terms.holds.isEmpty ? ["nothing that is known"] : terms.holds { Terminal.say("  it holds  \(line)") }
                try approver.confirms(wanted, given: serial, "Everything on it will be lost. Type the disk's serial to go on:")
                texts.append((wipe, text))
            }
            // Nothing is signed before every disk was confirmed.
            for (index, (wipe, text)) in texts.enumerated() {
                if texts.count > 1 { Terminal.say("signing \(index + 1) of \(texts.count): \(wipe.step)") }
                _ = try await client.submit(WarrantRequest(step: wipe.step, envelope: try await approver.sign(text)))
            }
            Terminal.say("signed and handed in; follow it with `meshgate status`")
        }
    }
}
