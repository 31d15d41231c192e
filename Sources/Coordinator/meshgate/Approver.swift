// SPDX-License-Identifier: Apache-2.0

import MeshModel
import MeshSystem

/// The person at the terminal who may sign: what they type, and their key, which ssh-keygen alone touches.
struct Approver {
    /// A private key, or its .pub when an agent or a security key holds it.
    let key: String

    /// Asks for a word that shows that the person has read what stands above.
    func confirms(_ wanted: String, given: String?, _ question: String) throws {
        let typed: String
        if let given {
            typed = given
        } else {
            Terminal.raw(question + " ")
            typed = readLine(strippingNewline: true) ?? ""
        }
        guard typed == wanted else { throw Failure(.no, "\"\(typed)\" is not \(wanted); nothing was signed") }
    }

    /// The text goes to ssh-keygen by standard input, and the signature comes back the same way: no file of it is left.
    func sign(_ text: String) async throws -> WarrantEnvelope {
        var passed: [String: String] = [:]
        for name in ["HOME", "SSH_AUTH_SOCK", "SSH_ASKPASS", "SSH_ASKPASS_REQUIRE", "SSH_SK_PROVIDER", "DISPLAY", "PATH"] {
            passed[name] = environment(name)
        }
        let result = try await ProcessCommandRunner().run(
            Invocation(
                "ssh-keygen", ["-Y", "sign", "-n", WarrantTerms.namespace, "-f", absolute(key)], environment: passed,
                standardInput: Array(text.utf8), deadline: .seconds(120)))
        guard result.succeeded else {
            throw Failure(
                .no,
                "ssh-keygen did not sign: \(result.errorText.isEmpty ? "no reason given" : result.errorText)\n"
                    + "A key with a passphrase must be in ssh-agent (ssh-add); or write the text with `meshgate wipe request` and sign it yourself"
            )
        }
        return WarrantEnvelope(text: text, signatures: [result.outputText])
    }
}
