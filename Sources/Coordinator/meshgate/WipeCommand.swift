// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Glibc
import MeshModel
import MeshSystem
import OperatorAPI

/// `meshgate wipe`: what would be lost, the warrant to sign, and handing it in.
struct WipeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "wipe", abstract: "Warrants for the plan's wipes: plan, request, submit, verify, arm.",
        discussion: """
            Example, with the key of an approver whom the hosts' allowed_signers file names:
              meshgate wipe plan
              meshgate wipe request talos-east/wrk-e-1/wipe-vdb > w.txt
              ssh-keygen -Y sign -n meshgate-wipe -f ~/.ssh/id_ed25519 w.txt
              meshgate wipe submit talos-east/wrk-e-1/wipe-vdb --warrant w.txt --signature w.txt.sig

            Several at once, signed on another machine:
              meshgate wipe request --all --out warrants
              for text in warrants/*.txt; do ssh-keygen -Y sign -n meshgate-wipe -f KEY "$text"; done
              meshgate wipe submit --from warrants

            `meshgate approve` does it all in one go.
            """,
        subcommands: [PlanWipes.self, Request.self, Submit.self, VerifyWarrantCommand.self, ArmWiperCommand.self],
        defaultSubcommand: PlanWipes.self)

    struct PlanWipes: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "plan", abstract: "Show each disk: identity, contents, witnesses, method, and what would be lost.",
            discussion: "Example:\n  meshgate wipe plan\n  meshgate wipe plan --output json")
        @OptionGroup var connection: ConnectionOptions
        @OptionGroup var output: OutputOption
        func run() async throws {
            try await asking(connection) { client in
                let reply = try await client.wipes()
                switch output.output {
                case .json: Terminal.say(try CanonicalJSON.text(reply))
                case .text where reply.wipes.isEmpty: Terminal.say("the plan wipes no disk")
                case .text: Terminal.say(reply.wipes.map { WipeText($0).text }.joined(separator: "\n"))
                }
            }
        }
    }

    struct Request: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Write the canonical text of the warrant for a wipe step, to be signed; one text for each disk.",
            discussion: """
                Example:
                  meshgate wipe request talos-east/wrk-e-1/wipe-vdb > w.txt
                  meshgate wipe request --all --out warrants       one file for each disk that is to be wiped

                A warrant is good for half an hour from now.
                """)
        @OptionGroup var selection: WipeSelection
        @Option(help: "Write one file for each step into this directory, instead of one text to standard output.", completion: .directory)
        var out: String?
        @OptionGroup var connection: ConnectionOptions

        func validate() throws {
            try selection.check()
            guard out != nil || (selection.steps.count == 1 && !selection.all) else {
                throw ValidationError("several warrants need --out DIRECTORY: each disk has a text of its own")
            }
        }

        func run() async throws {
            try await asking(connection) { client in
                let wipes = try selection.choose(from: try await client.wipes().wipes)
                let texts = try wipes.map { ($0.step, try WarrantReading.text(of: $0)) }
                guard let out else { return Terminal.raw(texts[0].1) }
                let directory = absolute(out)
                try LinuxFileStore().createDirectory(directory)
                for (step, text) in texts {
                    let path = directory + "/" + step.text.map { $0 == "/" ? "_" : String($0) }.joined() + ".txt"
                    try LinuxFileStore().write(Array(text.utf8), to: path)
                    Terminal.say(path)
                }
            }
        }
    }

    struct Submit: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Hand in a signed warrant, or a directory of them.",
            discussion: """
                Example:
                  meshgate wipe submit talos-east/wrk-e-1/wipe-vdb --warrant w.txt --signature w.txt.sig
                  meshgate wipe submit --from warrants     NAME.txt with NAME.txt.sig, and NAME.txt.OTHER.sig of a second signer
                """)
        @Argument(help: "The wipe step.") var step: String?
        @Option(help: "The signed text, unchanged.", completion: .file()) var warrant: String?
        @Option(help: "An SSH signature over it; once per signer.", completion: .file()) var signature: [String] = []
        @Option(help: "Hand in every signed text of this directory.", completion: .directory) var from: String?
        @OptionGroup var connection: ConnectionOptions

        func validate() throws {
            if from != nil {
                guard step == nil, warrant == nil, signature.isEmpty else {
                    throw ValidationError("--from takes no step and no other file")
                }
            } else {
                guard step != nil, warrant != nil, !signature.isEmpty else {
                    throw ValidationError("name the step, --warrant and --signature; or a directory with --from")
                }
            }
        }

        func run() async throws {
            try await asking(connection) { client in
                for (step, envelope) in try envelopes() {
                    _ = try await client.submit(WarrantRequest(step: step, envelope: envelope))
                    Terminal.say("the warrant for \(step) is handed in; whoever carries the step out judges it before anything is touched")
                }
            }
        }

        private func envelopes() throws -> [(StepID, WarrantEnvelope)] {
            if let step, let warrant {
                return [(try stepID(step), WarrantEnvelope(text: try readText(warrant), signatures: try signature.map(readText)))]
            }
            let directory = absolute(from ?? ".")
            let names = try LinuxFileStore().list(directory) ?? []
            let texts = names.filter { $0.hasSuffix(".txt") }
            guard !texts.isEmpty else { throw Failure(.badInput, "there is no .txt file in \(directory)") }
            return try texts.map { name in
                let signatures = names.filter { $0.hasPrefix(name + ".") && $0.hasSuffix(".sig") }
                guard !signatures.isEmpty else {
                    throw Failure(.badInput, "\(directory)/\(name) has no signature beside it (\(name).sig); nothing was handed in")
                }
                let text = try readText("\(directory)/\(name)")
                do {
                    let step =
                        TeardownTerms.isMeant(by: text) ? try TeardownTerms(parsing: text).step : try WarrantTerms(parsing: text).step
                    return (step, WarrantEnvelope(text: text, signatures: try signatures.map { try readText("\(directory)/\($0)") }))
                } catch let malformed as WarrantTerms.Malformed {
                    throw Failure(.badInput, "\(directory)/\(name) is not a warrant: \(malformed); nothing was handed in")
                }
            }
        }
    }
}

/// Which wipe steps are meant.
struct WipeSelection: ParsableArguments {
    @Argument(help: "The wipe steps.") var steps: [String] = []
    @Flag(help: "Every wipe that still needs a warrant.") var all = false

    func check() throws {
        guard all != !steps.isEmpty else { throw ValidationError("name wipe steps, or --all (see `meshgate wipe plan`)") }
    }

    /// Steps of a teardown among those that are meant; with --all, each that still needs a warrant.
    func choose(from losses: [LossReply]) -> [LossReply] {
        losses.filter { loss in
            all ? ["waiting", "held"].contains(loss.state) && loss.submitted == nil : steps.contains(loss.step.text)
        }
    }

    func choose(from wipes: [WipeReply]) throws -> [WipeReply] {
        guard !all else {
            let open = wipes.filter { ["waiting", "held"].contains($0.state) && $0.submitted == nil && $0.disk?.blank != true }
            guard !open.isEmpty else { throw Failure(.no, "no wipe needs a warrant now; `meshgate wipe plan` shows why") }
            return open
        }
        return try steps.map { step in
            let id = try stepID(step)
            guard let wipe = wipes.first(where: { $0.step == id }) else {
                let known = wipes.map(\.step.text).joined(separator: ", ")
                throw Failure(.no, "the run has no wipe step \(step); it has: \(known.isEmpty ? "none" : known)")
            }
            return wipe
        }
    }
}

func readText(_ path: String) throws -> String {
    guard let bytes = try readInput(path, limit: 1 << 20) else { throw Failure(.badInput, "there is no file \(path)") }
    return String(decoding: bytes, as: UTF8.self)
}
