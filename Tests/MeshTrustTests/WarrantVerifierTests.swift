// SPDX-License-Identifier: Apache-2.0

import MeshModel
import Testing

@testable import MeshTrust

@Suite("Verifying warrants")
struct WarrantVerifierTests {
    let directory: TrustDirectory
    let alice: String
    let bob: String
    let terms: WarrantTerms

    init() throws {
        directory = try TrustDirectory()
        alice = try directory.makeSSHKey("alice", "-t", "ed25519")
        bob = try directory.makeSSHKey("bob", "-t", "ecdsa")
        terms = try sampleTerms()
    }

    private func verify(
        _ signatures: [String], text: String? = nil, signers: String, now: Timestamp = noon
    ) throws -> Result<VerifiedWarrant, WarrantRefusal> {
        let allowed = try AllowedSigners(parsing: signers)
        let envelope = WarrantEnvelope(text: text ?? terms.text, signatures: signatures)
        do throws(WarrantRefusal) {
            return .success(try WarrantVerifier.verify(envelope, signers: allowed, now: now))
        } catch {
            return .failure(error)
        }
    }

    private func refusal(_ result: Result<VerifiedWarrant, WarrantRefusal>) -> WarrantRefusal? {
        if case .failure(let refusal) = result { refusal } else { nil }
    }

    @Test("a signed warrant is verified, and says what is permitted and who signed")
    func verified() throws {
        let warrant = try verify([directory.sign(terms.text, key: "alice")], signers: "alice \(alice)\nbob \(bob)\n").get()
        #expect(warrant.terms == terms && warrant.signers.map(\.principals) == [["alice"]])
        let token = try FakeToken(.ecdsa, in: directory)
        #expect(try verify([token.sign(terms.text)], signers: "carol \(token.publicLine)").get().signers.map(\.principals) == [["carol"]])
    }

    @Test("two different keys are wanted where the file says so; the same key twice is one")
    func threshold() throws {
        let signers = "# meshgate: signatures 2\nalice \(alice)\nbob \(bob)\n"
        let first = try directory.sign(terms.text, key: "alice")
        let second = try directory.sign(terms.text, key: "bob")
        let again = try directory.sign(terms.text, key: "bob")
        #expect(try verify([second, first], signers: signers).get().signers.map(\.principals) == [["alice"], ["bob"]])
        #expect(try refusal(verify([first], signers: signers)) == .tooFewSigners(found: 1, wanted: 2))
        #expect(try refusal(verify([first, first], signers: signers)) == .tooFewSigners(found: 1, wanted: 2))
        #expect(second != again)
        #expect(try refusal(verify([second, again], signers: signers)) == .tooFewSigners(found: 1, wanted: 2))
        #expect(try refusal(verify([], signers: signers)) == .tooFewSigners(found: 0, wanted: 2))
        #expect(try refusal(verify([], signers: "alice \(alice)")) == .tooFewSigners(found: 0, wanted: 1))
    }

    @Test("a signature for another namespace, by a stranger, or by a key for other things does not count")
    func doesNotCount() throws {
        let other = try directory.sign(terms.text, key: "alice", namespace: "git")
        let good = try directory.sign(terms.text, key: "alice")
        #expect(try refusal(verify([other], signers: "alice \(alice)")) == .wrongNamespace(signature: 1, found: "git"))
        let stranger = try SSHSignature(armored: good).key
        #expect(try refusal(verify([good], signers: "bob \(bob)")) == .unknownSigner(signature: 1, key: "\(stranger)"))
        #expect(
            try refusal(verify([good], signers: "alice namespaces=\"git\" \(alice)"))
                == .signerMayNot(signature: 1, principal: "alice", line: 1))
        #expect(try refusal(verify([good], signers: "")) == .nobodyMaySign)
        #expect(
            try refusal(verify([good, "junk"], signers: "alice \(alice)"))?.description.hasPrefix("signature 2 is not one that") == true)
    }

    @Test("a key counts only between its times")
    func signerTimes() throws {
        let signature = try directory.sign(terms.text, key: "alice")
        // Noon of the tests is 2027-01-15 08:00 UTC.
        for (option, good) in [
            ("valid-after=\"202701150800Z\"", true), ("valid-after=\"202701150801Z\"", false), ("valid-before=\"202701150801Z\"", true),
            ("valid-before=\"202701150800Z\"", false), ("valid-before=\"20260101Z\"", false),
        ] {
            let found = try refusal(verify([signature], signers: "alice \(option) \(alice)"))
            #expect(found == (good ? nil : .signerOutOfTime(signature: 1, principal: "alice", line: 1)), "\(option)")
        }
    }

    @Test("a warrant counts only between its times")
    func times() throws {
        let signature = try directory.sign(terms.text, key: "alice")
        let signers = "alice \(alice)"
        #expect(try refusal(verify([signature], signers: signers, now: at(-61))) == .notYetValid(at(-60)))
        #expect(try refusal(verify([signature], signers: signers, now: at(900))) == .expired(at(900)))
        #expect(try refusal(verify([signature], signers: signers, now: at(899))) == nil)
    }

    @Test("another text under a good signature is refused, and a text that is signed but no warrant is refused after it")
    func otherText() throws {
        let signature = try directory.sign(terms.text, key: "alice")
        let wrong = WarrantRefusal.signatureWrong(signature: 1, principal: "alice")
        let signers = "alice \(alice)"
        for text in [
            terms.text.replacing("\n", with: "\r\n"), terms.text + "\n", String(terms.text.dropLast()), "",
            terms.text.replacing("vdb", with: "vda"),
            terms.text.replacing("wrk-e-1", with: "wrk-e-2"),
        ] {
            #expect(try refusal(verify([signature], text: text, signers: signers)) == wrong)
        }
        for text in [
            terms.text.replacing("\n", with: "\r\n"), "hello\n", terms.text + "more: 1\n",
            terms.text.replacing("method: labels\n", with: ""),
        ] {
            let honest = try directory.sign(text, key: "alice")
            guard case .malformedTerms? = try refusal(verify([honest], text: text, signers: signers)) else {
                Issue.record("a signed text that is no warrant was taken: \(text)")
                continue
            }
        }
        let long = String(repeating: "a", count: WarrantTerms.longestText + 1)
        #expect(try refusal(verify([signature], text: long, signers: signers)) == .tooLarge)
        #expect(try refusal(verify(Array(repeating: signature, count: 9), signers: signers)) == .tooLarge)
    }
}
