// SPDX-License-Identifier: Apache-2.0

import MeshModel
import Testing

@testable import MeshTrust

@Suite("The allowed_signers file")
struct AllowedSignersTests {
    let alice: String
    let bob: String

    init() throws {
        let directory = try TrustDirectory()
        alice = try directory.makeSSHKey("alice", "-t", "ed25519")
        bob = try directory.makeSSHKey("bob", "-t", "ecdsa")
    }

    private func faults(_ text: String) -> [String] {
        do throws(AllowedSigners.Faults) {
            _ = try AllowedSigners(parsing: text)
            return []
        } catch {
            return error.faults.map(\.description)
        }
    }

    @Test("principals, options, comments and the threshold are read")
    func reads() throws {
        let signers = try AllowedSigners(
            parsing: """
                # who may wipe
                # meshgate: signatures 2

                alice@example.com,alice \(alice)
                \t"bob@example.com"  namespaces="git,meshgate-wipe",valid-after="20260101Z",valid-before="20281231235959Z"\t\(bob) with "a comment
                """)
        #expect(signers.threshold == 2 && signers.entries.count == 2)
        let first = signers.entries[0]
        #expect(
            first.principals == ["alice@example.com", "alice"] && first.line == 4 && first.namespaces == nil && first.validAfter == nil)
        let second = signers.entries[1]
        #expect(second.principals == ["bob@example.com"] && second.namespaces == ["git", "meshgate-wipe"])
        #expect(second.validAfter == Timestamp("2026-01-01T00:00:00Z") && second.validBefore == Timestamp("2028-12-31T23:59:59Z"))
        #expect(second.key.type == "ecdsa-sha2-nistp256")
    }

    @Test("a file of comments only is read and names nobody")
    func empty() throws {
        #expect(try AllowedSigners(parsing: "").entries.isEmpty)
        #expect(try AllowedSigners(parsing: "# meshgate: signatures 2\n").threshold == 2)
        #expect(try AllowedSigners(parsing: "").threshold == 1)
    }

    @Test("every fault is reported with its line")
    func allFaults() {
        let found = faults("alice \(alice)\nbob\nalice \(alice)\n*@example.com \(bob)\n")
        #expect(
            found == [
                "line 2: the type of the key is missing", "line 3: the same key already stands on line 1",
                "line 4: the principal *@example.com is a pattern; write the names out",
            ])
    }

    @Test(
        "what restricts or widens a key in a way we do not carry out is refused",
        arguments: [
            ("cert-authority", "cert-authority is not taken"), ("CERT-AUTHORITY,namespaces=\"a\"", "cert-authority is not taken"),
            ("namespaces=\"meshgate-*\"", "is a pattern"), ("namespaces=\"\"", "is empty"), ("namespaces=\"!git\"", "is a pattern"),
            ("namespaces=meshgate-wipe", "no quoted value"), ("namespaces=\"a\",namespaces=\"b\"", "stands twice"),
            ("verify-required=\"yes\"", "is not known"), ("valid-after=\"20260101\"", "the Z is needed"),
            ("valid-after=\"20260230Z\"", "is not a time"), ("valid-before=\"2026010125Z\"", "is not a time"),
            ("valid-after=\"20270101Z\",valid-before=\"20270101Z\"", "is not before"), ("namespaces=\"a", "is not closed"),
            ("namespaces=\"a\"b\"c\"", "out of place"), (",", "no quoted value"),
        ])
    func options(_ option: String, _ problem: String) {
        let found = faults("alice \(option) \(alice)\n")
        #expect(found.count == 1 && found[0].hasPrefix("line 1: ") && found[0].contains(problem), "\(found)")
    }

    @Test("lines that are not quite right are refused")
    func lines() throws {
        let words = bob.split(separator: " ").map(String.init)
        for (line, problem) in [
            ("alice \(words[0])", "the key in base64 is missing"), ("alice \(words[0]) AAAA", "ends too early"),
            ("alice ssh-ed25519 \(words[1])", "is of type ecdsa-sha2-nistp256 and the line says ssh-ed25519"),
            ("alice \(words[0]) \(words[1])=", "not base64"), ("alice,,bob \(bob)", "is empty"), ("\"alice \(bob)", "is not closed"),
            ("alicé \(bob)", "not printable ASCII"), ("alice \(bob)\r", "control character"), ("alice\u{0} \(bob)", "control character"),
            ("# meshgate: signatures 0", "is wanted"), ("# meshgate: signatures 9", "is wanted"), ("#meshgate: signatures 02", "is wanted"),
            ("# meshgate: threshold 2", "is wanted"), ("# Meshgate: signatures 2", "is wanted"), ("# meshgate signatures 2", "is wanted"),
            ("# meshgate: signatures 2 # both of us", "is wanted"),
            ("# meshgate: signatures 1\n# meshgate: signatures 2", "already stands"),
            ("# meshgate: signatures 2\nalice \(alice)", "fewer keys"),
            ("# meshgate: signatures 2\nalice \(alice)\nbob namespaces=\"git\" \(bob)", "fewer keys"),
            (String(repeating: "#", count: AllowedSigners.longestText + 1), "longer than"),
        ] {
            let found = faults(line)
            #expect(found.count == 1 && found[0].contains(problem), "\(line.prefix(80)): \(found)")
        }
    }
}
