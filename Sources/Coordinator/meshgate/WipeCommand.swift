// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import MeshModel
import MeshSystem
import MeshTrust
import OperatorAPI

/// `meshgate wipe`: what would be lost, the warrant to sign, and handing it in.
struct WipeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "wipe", abstract: "Warrants for the plan's wipes: plan, request, submit, verify.",
        discussion: """
            Example, with the key of an approver whom the hosts' allowed_signers file names:
              meshgate wipe plan
              meshgate wipe request talos-east/wrk-e-1/wipe-vdb > w.txt
              ssh-keygen -Y sign -n meshgate-wipe -f ~/.ssh/id_ed25519 w.txt
              meshgate wipe submit talos-east/wrk-e-1/wipe-vdb --warrant w.txt --signature w.txt.sig
            """,
        subcommands: [PlanWipes.self, Request.self, Submit.self, Verify.self], defaultSubcommand: PlanWipes.self)

    struct PlanWipes: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "plan", abstract: "Show each disk: identity, contents, method, and what would be lost.",
            discussion: "Example:\n  meshgate wipe plan")
        @OptionGroup var connection: ConnectionOptions
        @OptionGroup var output: OutputOption
        func run() async throws {
            try await asking(connection) { client in
                let reply = try await client.wipes()
                Terminal.say(
                    output.output == .json ? try CanonicalJSON.text(reply) : reply.wipes.map { WipeText($0).text }.joined(separator: "\n"))
            }
        }
    }

    struct Request: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Print the canonical text of the warrant for one wipe step, to be signed.",
            discussion: "Example:\n  meshgate wipe request talos-east/wrk-e-1/wipe-vdb > w.txt")
        @Argument(help: "The wipe step.") var step: String
        @OptionGroup var connection: ConnectionOptions
        func run() async throws {
            try await asking(connection) { client in Terminal.raw(try await warrantText(step, client)) }
        }
    }

    struct Submit: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Hand in a signed warrant.",
            discussion: "Example:\n  meshgate wipe submit talos-east/wrk-e-1/wipe-vdb --warrant w.txt --signature w.txt.sig")
        @Argument(help: "The wipe step.") var step: String
        @Option(help: "The signed text, unchanged.", completion: .file()) var warrant: String
        @Option(help: "An SSH signature over it; once per signer.", completion: .file()) var signature: [String]
        @OptionGroup var connection: ConnectionOptions
        func run() async throws {
            try await asking(connection) { client in
                let envelope = WarrantEnvelope(text: try readText(warrant), signatures: try signature.map(readText))
                _ = try await client.submit(WarrantRequest(step: try stepID(step), envelope: envelope))
                Terminal.say("the warrant for \(step) is handed in; the agent judges it before it touches the disk")
            }
        }
    }

    struct Verify: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Judge a signed warrant here, as an agent would.",
            discussion: "Example:\n  meshgate wipe verify --warrant w.txt --signature w.txt.sig --allowed-signers allowed_signers --explain"
        )
        @Option(help: "The signed text.", completion: .file()) var warrant: String
        @Option(help: "A signature over it; once per signer.", completion: .file()) var signature: [String]
        @Option(help: "The file that the hosts have.", completion: .file()) var allowedSigners: String
        @Flag(help: "Say line by line what it permits.") var explain = false
        func run() async throws {
            try await reporting {
                let envelope = WarrantEnvelope(text: try readText(warrant), signatures: try signature.map(readText))
                let signers: AllowedSigners
                do {
                    signers = try AllowedSigners(parsing: try readText(allowedSigners))
                } catch {
                    throw Failure(.badInput, "\(allowedSigners): \(error)")
                }
                do {
                    let verified = try WarrantVerifier.verify(envelope, signers: signers, now: SystemClock.now().wall)
                    Terminal.say(
                        Terminal.paint("valid", .green)
                            + ", signed by \(verified.signers.map { $0.principals.joined(separator: ",") }.joined(separator: " and "))")
                    if explain { Terminal.raw(verified.terms.text) }
                } catch {
                    throw Failure(.no, "not valid: \(error)")
                }
            }
        }
    }
}

/// `meshgate approve`: request, sign and submit in one go, with the disk shown and its serial typed.
struct ApproveCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "approve", abstract: "Show a disk, ask for its serial, sign the warrant with ssh-keygen and hand it in.",
        discussion: "Example:\n  meshgate approve talos-east/wrk-e-1/wipe-vdb --key ~/.ssh/id_ed25519")
    @Argument(help: "The wipe step.") var step: String
    @Option(help: "Your approver key (or its .pub, when an agent or a security key holds it).", completion: .file()) var key: String
    @Option(help: "The disk's serial, instead of being asked for it.") var serial: String?
    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        try await asking(connection) { client in
            let wipe = try await findWipe(step, client)
            Terminal.say(WipeText(wipe).text)
            guard let text = wipe.warrant else {
                throw Failure(.no, "no warrant can be written yet: \(wipe.missing.joined(separator: "; "))")
            }
            let terms = try WarrantReading.terms(text, shownAs: wipe)
            let wanted = terms.disk.serial ?? terms.disk.path
            Terminal.say(
                "the warrant: wipe the disk with serial \(wanted), \(ByteCount(bytes: terms.disk.sizeInBytes)), on \(terms.node), until \(terms.notAfter)"
            )
            let typed: String
            if let serial {
                typed = serial
            } else {
                Terminal.raw("Everything on it will be lost. Type the disk's serial to go on: ")
                typed = readLine(strippingNewline: true) ?? ""
            }
            guard typed == wanted else { throw Failure(.no, "\"\(typed)\" is not the serial; nothing was signed") }
            let signature = try await sign(text)
            _ = try await client.submit(WarrantRequest(step: wipe.step, envelope: WarrantEnvelope(text: text, signatures: [signature])))
            Terminal.say("signed and handed in; follow it with `meshgate status`")
        }
    }

    /// The text goes to ssh-keygen by standard input, and the signature comes back the same way: no file of it is left.
    private func sign(_ text: String) async throws -> String {
        var passed: [String: String] = [:]
        for name in ["HOME", "SSH_AUTH_SOCK", "SSH_ASKPASS", "DISPLAY", "PATH"] { passed[name] = environment(name) }
        let result = try await ProcessCommandRunner().run(
            Invocation(
                "ssh-keygen", ["-Y", "sign", "-n", WarrantTerms.namespace, "-f", absolute(key)], environment: passed,
                standardInput: Array(text.utf8), deadline: .seconds(120)))
        guard result.succeeded else { throw Failure(.no, "ssh-keygen did not sign: \(result.errorText)") }
        return result.outputText
    }
}

private func findWipe(_ step: String, _ client: OperatorClient) async throws -> WipeReply {
    let id = try stepID(step)
    let wipes = try await client.wipes().wipes
    guard let wipe = wipes.first(where: { $0.step == id }) else {
        let known = wipes.map(\.step.text).joined(separator: ", ")
        throw Failure(.no, "the run has no wipe step \(step); it has: \(known.isEmpty ? "none" : known)")
    }
    return wipe
}

private func warrantText(_ step: String, _ client: OperatorClient) async throws -> String {
    let wipe = try await findWipe(step, client)
    guard let text = wipe.warrant else { throw Failure(.no, "no warrant can be written yet: \(wipe.missing.joined(separator: "; "))") }
    return text
}

func readText(_ path: String) throws -> String {
    guard let bytes = try readInput(path, limit: 1 << 20) else { throw Failure(.badInput, "there is no file \(path)") }
    return String(decoding: bytes, as: UTF8.self)
}

/// What is about to be signed, read by the signer's own program. A coordinator that shows one disk and asks a signature for another must not
/// get it: the text is what counts on the host.
enum WarrantReading {
    static func terms(_ text: String, shownAs wipe: WipeReply) throws -> WarrantTerms {
        let terms: WarrantTerms
        do {
            terms = try WarrantTerms(parsing: text)
        } catch {
            throw Failure(.no, "the coordinator's warrant text is not in the right form (\(error)); nothing was signed")
        }
        guard terms.step == wipe.step, terms.node == wipe.node, terms.method == wipe.method, terms.disk == wipe.disk?.identity,
            terms.fingerprint == wipe.disk?.fingerprint
        else {
            throw Failure(
                .no,
                "the warrant text names \(terms.step), disk \(terms.disk.serial ?? "without serial") of \(terms.node), and not the disk that is shown; "
                    + "nothing was signed. Do not trust this coordinator until you know why")
        }
        return terms
    }
}
