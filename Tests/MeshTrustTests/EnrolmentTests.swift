// SPDX-License-Identifier: Apache-2.0

import MeshModel
import MeshTrust
import Testing

@Suite("First meetings")
struct EnrolmentTests {
    let authority: TestAuthority
    let key: PrivateKey

    init() throws {
        authority = try TestAuthority()
        key = try PrivateKey.generate()
    }

    private func refusal<Value>(_ result: Result<Value, PeerRefusal>) -> PeerRefusal? {
        if case .failure(let refusal) = result { refusal } else { nil }
    }

    private func joiner(from: Timestamp = at(-60), to: Timestamp = at(600)) throws -> Certificate {
        try Certificate.makeSelfSigned(key: key, commonName: "wrk-e-1", notBefore: from, notAfter: to)
    }

    @Test("a joining agent proves a key and nothing else")
    func joins() throws {
        #expect(try PeerJudge.judgeJoiner([joiner().der], now: noon).get() == key.publicKey)
        #expect(refusal(PeerJudge.judgeJoiner([try joiner().der], now: at(601))) == .expired(at(600)))
        #expect(refusal(PeerJudge.judgeJoiner([try joiner().der], now: at(-61))) == .notYetValid(at(-60)))
        #expect(refusal(PeerJudge.judgeJoiner([], now: noon)) == .noCertificate)
        #expect(
            refusal(PeerJudge.judgeJoiner([try joiner(to: at(86_401)).der], now: noon)) == .notAJoiner("it is valid for more than a day"))
        #expect(refusal(PeerJudge.judgeJoiner([try joiner().der, authority.root.der], now: noon)) == .notAJoiner("it comes with 1 others"))
    }

    @Test("what an authority signed is no joiner, nor is an authority, nor a self-signed certificate that claims a name")
    func claimsMore() throws {
        let issued = try authority.issue(.agent(mesh: "east", node("wrk-e-1")), for: key)
        #expect(refusal(PeerJudge.judgeJoiner([issued.der], now: noon)) == .unknownIssuer)
        let root = try Certificate.makeRoot(key: key, name: "x", notBefore: at(-60), notAfter: at(60))
        #expect(refusal(PeerJudge.judgeJoiner([root.der], now: noon)) == .wrongPurpose(wanted: .agent))
        let directory = try TrustDirectory()
        try directory.write(key.pem, to: "key.pem")
        try directory.must(
            "openssl", "req", "-x509", "-new", "-key", "key.pem", "-subj", "/CN=a", "-days", "1", "-addext",
            "keyUsage=critical,digitalSignature", "-addext", "extendedKeyUsage=clientAuth", "-addext", "basicConstraints=critical,CA:FALSE",
            "-addext", "subjectAltName=URI:meshgate://east/agent/wrk-e-1", "-outform", "DER", "-out", "named.der")
        let named = try Certificate(der: directory.bytes(of: "named.der"))
        #expect(
            refusal(PeerJudge.judgeJoiner([named.der], now: named.notBefore + .seconds(1)))
                == .notAJoiner("it carries an extension that claims more than a key"))
    }

    @Test("no changed byte of a joiner's certificate is accepted")
    func changedBytes() throws {
        let der = try joiner().der
        for index in der.indices {
            for mask: UInt8 in [0x01, 0x80] {
                var changed = der
                changed[index] ^= mask
                #expect(refusal(PeerJudge.judgeJoiner([changed], now: noon)) != nil, "byte \(index)")
            }
        }
    }

    @Test("a coordinator is recognised by the pin of its root, by certificate or by key")
    func pinned() throws {
        let leaf = try authority.issue(.coordinator(mesh: "east", dnsNames: [], addresses: []), for: key)
        let chain = [leaf.der, authority.root.der]
        for pin in [authority.root.fingerprint, authority.root.spkiDigest] {
            let found = try PeerJudge.judgePinned(chain, pin: pin, mesh: "east", now: noon).get()
            #expect(found.root == authority.root && found.identity.name == .coordinator)
        }
        #expect(try PeerJudge.judgePinned(chain, pin: authority.root.fingerprint, mesh: nil, now: noon).get().identity.mesh == "east")
        #expect(refusal(PeerJudge.judgePinned(chain, pin: authority.root.fingerprint, mesh: "west", now: noon)) == .wrongMesh("east"))
        #expect(refusal(PeerJudge.judgePinned(chain, pin: leaf.fingerprint, mesh: nil, now: noon)) == .pinNotFound(leaf.fingerprint))
        #expect(
            refusal(PeerJudge.judgePinned([leaf.der], pin: authority.root.fingerprint, mesh: nil, now: noon))
                == .pinNotFound(authority.root.fingerprint))
        #expect(refusal(PeerJudge.judgePinned(chain, pin: authority.root.fingerprint, mesh: nil, now: at(3601))) == .expired(at(3600)))
    }

    @Test("showing the pinned root beside another's leaf, or an agent's leaf, does not help")
    func pinnedRootBorrowed() throws {
        let evil = try TestAuthority()
        let forged = try evil.issue(.coordinator(mesh: "east", dnsNames: [], addresses: []), for: key)
        let pin = authority.root.fingerprint
        #expect(refusal(PeerJudge.judgePinned([forged.der, authority.root.der], pin: pin, mesh: nil, now: noon)) == .unknownIssuer)
        #expect(
            refusal(PeerJudge.judgePinned([forged.der, evil.root.der, authority.root.der], pin: pin, mesh: nil, now: noon))
                == .unknownIssuer)
        let agent = try authority.issue(.agent(mesh: "east", node("wrk-e-1")), for: key)
        #expect(
            refusal(PeerJudge.judgePinned([agent.der, authority.root.der], pin: pin, mesh: nil, now: noon))
                == .wrongPurpose(wanted: .coordinator))
        // A leaf as "root": its key was pinned by mistake or by trick.
        #expect(refusal(PeerJudge.judgePinned([agent.der, agent.der], pin: agent.fingerprint, mesh: nil, now: noon)) != nil)
    }
}
