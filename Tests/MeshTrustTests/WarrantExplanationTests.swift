// SPDX-License-Identifier: Apache-2.0

import MeshModel
import Testing

@testable import MeshTrust

/// A person reads the explanation and the host goes by the verifier: they must never say different things.
@Suite("The explanation of a warrant and the verdict about it")
struct WarrantExplanationTests {
    let directory: TrustDirectory
    let alice: String
    let bob: String
    let terms: WarrantTerms

    init() throws {
        directory = try TrustDirectory()
        alice = try directory.makeSSHKey("alice", "-t", "ed25519")
        bob = try directory.makeSSHKey("bob", "-t", "ed25519")
        terms = try sampleTerms()
    }

    private struct Judged {
        var explanation: WarrantExplanation
        var refusal: WarrantRefusal?
        var failing: [String] { explanation.findings.filter { !$0.holds }.map(\.words) }
    }

    /// Both, over the same; it is the point of this suite that they agree.
    private func judge(
        _ signatures: [String], over text: String? = nil, signers: String? = nil, now: Timestamp = noon,
        at location: SourceLocation = #_sourceLocation
    ) throws -> Judged {
        let allowed = try AllowedSigners(parsing: signers ?? "alice \(alice)\n")
        let envelope = WarrantEnvelope(text: text ?? terms.text, signatures: signatures)
        let explanation = WarrantExplanation(envelope, signers: allowed, now: now)
        var refusal: WarrantRefusal?
        do throws(WarrantRefusal) {
            let warrant = try WarrantVerifier.verify(envelope, signers: allowed, now: now)
            #expect(explanation.terms == warrant.terms, sourceLocation: location)
        } catch {
            refusal = error
        }
        #expect(
            explanation.holds == (refusal == nil), "\(explanation.findings) but \(String(describing: refusal))", sourceLocation: location)
        return Judged(explanation: explanation, refusal: refusal)
    }

    private func signed(_ key: String = "alice", _ text: String? = nil, namespace: String = WarrantTerms.namespace) throws -> String {
        try directory.sign(text ?? terms.text, key: key, namespace: namespace)
    }

    @Test("a good warrant: every rule holds, each signer is named with the line of the file")
    func good() throws {
        let one = try judge([try signed()])
        #expect(one.refusal == nil && one.failing.isEmpty)
        #expect(one.explanation.findings.contains { $0.words.hasPrefix("signature 1 is by alice (line 1, ssh-ed25519, ") })
        let two = try judge(
            [try signed("bob"), try signed()], signers: "# meshgate: signatures 2\nalice \(alice)\nbob \(bob)\n")
        #expect(two.refusal == nil && two.explanation.findings.contains { $0.words == "2 different keys signed, 2 must" })
    }

    @Test("a bad signature: the explanation fails in the verifier's own words, and goes on")
    func badSignatures() throws {
        let (good, git) = (try signed(), try signed(namespace: "git"))
        let damaged = good.replacing("A", with: "B", maxReplacements: 3)
        let cases: [(signatures: [String], signers: String)] = [
            (["junk"], "alice \(alice)"), ([""], "alice \(alice)"), ([damaged], "alice \(alice)"), ([git], "alice \(alice)"),
            ([good], "bob \(bob)"), ([good], "alice namespaces=\"git\" \(alice)"), ([good], "alice valid-before=\"20260101Z\" \(alice)"),
            ([good], "alice valid-after=\"20280101Z\" \(alice)"), ([try signed("alice", "other\n")], "alice \(alice)"),
            ([good, "junk"], "alice \(alice)"), ([good, git], "alice \(alice)"), ([good, try signed("bob")], "alice \(alice)"),
        ]
        for (signatures, signers) in cases {
            let judged = try judge(signatures, signers: signers)
            let refusal = try #require(judged.refusal)
            #expect(judged.failing.contains("\(refusal)"), "\(refusal) is not among \(judged.failing)")
            #expect(judged.explanation.terms == terms, "the terms are shown all the same")
        }
    }

    @Test("too few signers: nobody, one of two, and the same key twice")
    func tooFew() throws {
        let both = "# meshgate: signatures 2\nalice \(alice)\nbob \(bob)\n"
        let good = try signed()
        for (signatures, signers, words) in [
            ([], "alice \(alice)", "0 different keys signed, 1 must"), ([good], both, "1 different keys signed, 2 must"),
            ([good, good], both, "1 different keys signed, 2 must"),
            ([try signed(), try signed()], both, "1 different keys signed, 2 must"),
        ] {
            let judged = try judge(signatures, signers: signers)
            #expect(judged.failing == [words])
            guard case .tooFewSigners? = judged.refusal else { return #expect(Bool(false), "\(String(describing: judged.refusal))") }
        }
        let nobody = try judge([good], signers: "# no line\n")
        #expect(nobody.refusal == .nobodyMaySign && nobody.failing.contains("the allowed_signers file lists 0 keys"))
    }

    @Test("too early and too late, to the millisecond")
    func times() throws {
        let good = try signed()
        let early = Duration.milliseconds(-1)
        for (now, isGood) in [
            (terms.notBefore, true), (terms.notBefore + early, false), (terms.notAfter + early, true), (terms.notAfter, false),
            (Timestamp(seconds: 0), false),
        ] {
            let judged = try judge([good], now: now)
            #expect((judged.refusal == nil) == isGood, "\(now)")
            #expect(judged.failing.count == (isGood ? 0 : 1), "\(judged.failing)")
        }
    }

    @Test("a signed text that is no warrant has no terms, and fails for that alone")
    func noWarrant() throws {
        for text in [
            "hello\n", "", terms.text + "more: 1\n", terms.text.replacing("\n", with: "\r\n"),
            terms.text.replacing("method: labels\n", with: ""),
            String(terms.text.dropLast()),
        ] {
            let judged = try judge([try signed("alice", text)], over: text)
            #expect(judged.explanation.terms == nil && judged.failing.count == 1, "\(judged.failing)")
            guard case .malformedTerms(let why)? = judged.refusal else {
                return #expect(Bool(false), "\(String(describing: judged.refusal))")
            }
            #expect(judged.failing == ["the text is not a warrant: \(why)"])
        }
    }

    @Test("too long, and too many signatures")
    func tooLarge() throws {
        let good = try signed()
        let long = String(repeating: "a", count: WarrantTerms.longestText + 1)
        let longText = try judge([try signed("alice", long)], over: long)
        #expect(
            longText.refusal == .tooLarge && longText.failing.contains { $0.contains("the text has \(WarrantTerms.longestText + 1) bytes") }
        )
        let many = try judge(Array(repeating: good, count: WarrantVerifier.mostSignatures + 1))
        #expect(many.refusal == .tooLarge && many.failing == ["9 signatures, at most 8 are looked at"])
        #expect(try judge(Array(repeating: good, count: WarrantVerifier.mostSignatures)).refusal == nil)
    }

    @Test("any mixture of good and bad: they agree", arguments: 0..<8)
    func mixtures(seed: UInt64) throws {
        var random = SeededGenerator(state: seed)
        let texts = [terms.text, terms.text + "more: 1\n", terms.text.replacing("labels", with: "zero"), "hello\n"]
        let signatures = [
            try signed(), try signed("bob"), try signed(namespace: "git"), "junk", try signed("alice", texts[1]),
            try signed("bob", texts[3]),
        ]
        let files = [
            "alice \(alice)\n", "alice \(alice)\nbob \(bob)\n", "# meshgate: signatures 2\nalice \(alice)\nbob \(bob)\n", "#\n",
            "alice namespaces=\"git\" \(alice)\nbob \(bob)\n", "alice valid-before=\"20260101Z\" \(alice)\nbob \(bob)\n",
        ]
        for _ in 0..<150 {
            let chosen = (0..<Int.random(in: 0...3, using: &random)).map { _ in
                signatures[Int.random(in: 0..<signatures.count, using: &random)]
            }
            let seconds = [-61, -60, 0, 899, 900][Int.random(in: 0..<5, using: &random)] as Int64
            // Every second time all but the signatures is right, so that good ones are not too rare to matter.
            let isPlain = Bool.random(using: &random)
            let text = isPlain ? texts[0] : texts[Int.random(in: 0..<texts.count, using: &random)]
            let file = isPlain ? files[1] : files[Int.random(in: 0..<files.count, using: &random)]
            _ = try judge(chosen, over: text, signers: file, now: isPlain ? noon : at(seconds))
        }
    }
}
