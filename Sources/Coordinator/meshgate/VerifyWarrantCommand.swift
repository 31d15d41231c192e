// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import MeshModel
import MeshSystem
import MeshTrust

/// `meshgate wipe verify`: judges a signed warrant here, without coordinator and host.
struct VerifyWarrantCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify", abstract: "Judge a signed warrant here, as an agent would, with no coordinator.",
        discussion: """
            Example:
              meshgate wipe verify --warrant w.txt --signature w.txt.sig --allowed-signers allowed_signers --explain

            Exit code 0 when it is valid, 1 when it is not.
            """)
    @Option(help: "The signed text.", completion: .file()) var warrant: String
    @Option(help: "A signature over it; once per signer.", completion: .file()) var signature: [String] = []
    @Option(help: "The file that the hosts have.", completion: .file()) var allowedSigners: String
    @Option(help: "Judge as of this time (such as 2027-01-15T08:00:00.000Z) instead of now.") var at: String?
    @Flag(help: "Say rule by rule what was found, what it permits, and what only the host can judge.") var explain = false
    @OptionGroup var output: OutputOption

    private struct Report: Encodable {
        var valid: Bool
        var findings: [WarrantExplanation.Finding]
        var leftToTheHost: [String]
    }

    func run() async throws {
        try await reporting {
            let envelope = WarrantEnvelope(text: try readText(warrant), signatures: try signature.map(readText))
            let explanation = WarrantExplanation(envelope, signers: try signers(), now: try time())
            let verdict = Result { try WarrantVerifier.verify(envelope, signers: try signers(), now: try time()) }
            if output.output == .json {
                let report = Report(
                    valid: (try? verdict.get()) != nil, findings: explanation.findings, leftToTheHost: WarrantExplanation.leftToTheHost)
                Terminal.say(try CanonicalJSON.text(report))
            } else if explain {
                say(explanation)
            }
            do {
                let names = try verdict.get().signers.map { $0.principals.joined(separator: ",") }.joined(separator: " and ")
                if output.output == .text { Terminal.say(Terminal.paint("valid", .green) + ", signed by \(names)") }
            } catch {
                throw Failure(.no, "not valid: \(error)")
            }
        }
    }

    private func say(_ explanation: WarrantExplanation) {
        for finding in explanation.findings {
            Terminal.say((finding.holds ? Terminal.paint("ok", .green) : Terminal.paint("NO", .red)) + "  \(finding.words)")
        }
        if let terms = explanation.terms {
            Terminal.say("")
            Terminal.say("it permits:")
            for line in terms.text.split(separator: "\n").dropFirst() { Terminal.say("    \(line)") }
        }
        Terminal.say("")
        Terminal.say("left to the host:")
        for words in WarrantExplanation.leftToTheHost { Terminal.say("    \(words)") }
        Terminal.say("")
    }

    private func signers() throws -> AllowedSigners {
        do {
            return try AllowedSigners(parsing: try readText(allowedSigners))
        } catch let faults as AllowedSigners.Faults {
            throw Failure(.badInput, "\(allowedSigners): \(faults)")
        }
    }

    private func time() throws -> Timestamp {
        guard let at else { return SystemClock.now().wall }
        guard let time = Timestamp(at) else { throw Failure(.badInput, "--at \"\(at)\" is no time such as 2027-01-15T08:00:00.000Z") }
        return time
    }
}
