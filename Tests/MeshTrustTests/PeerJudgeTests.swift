// SPDX-License-Identifier: Apache-2.0

import MeshModel
import Testing

@testable import MeshTrust

@Suite("Judging peers")
struct PeerJudgeTests {
    let authority: TestAuthority
    let key: PrivateKey
    let east1: NodeID

    init() throws {
        authority = try TestAuthority()
        key = try PrivateKey.generate()
        east1 = try node("wrk-e-1")
    }

    private func judge(
        _ chain: [Certificate], as kind: PeerKind = .agent, roots: [Certificate]? = nil, now: Timestamp = noon, revoked: Set<String> = []
    ) -> Result<PeerIdentity, PeerRefusal> {
        PeerJudge.judge(
            chain.map(\.der), roots: roots ?? [authority.root], as: kind, mesh: "east", now: now, isRevoked: { revoked.contains($0) })
    }

    private func refusal<Value>(_ result: Result<Value, PeerRefusal>) -> PeerRefusal? {
        if case .failure(let refusal) = result { refusal } else { nil }
    }

    private func agent(from: Timestamp = at(-60), to: Timestamp = at(3600)) throws -> Certificate {
        try authority.issue(.agent(mesh: "east", east1), for: key, from: from, to: to)
    }

    private func coordinator() throws -> Certificate {
        let address = try #require(IPAddress("192.168.15.2"))
        let six = try #require(IPAddress("fd00::2"))
        return try authority.issue(.coordinator(mesh: "east", dnsNames: ["gate.example"], addresses: [address, six]), for: key)
    }

    private func admin() throws -> Certificate {
        let alice = try #require(OperatorName("alice@example.com"))
        return try authority.issue(.operator(mesh: "east", alice, .admin), for: key)
    }

    @Test("each kind of peer is known by its certificate, with or without the root beside it")
    func accepted() throws {
        let agent = try agent()
        let identity = try judge([agent]).get()
        #expect(identity.name == .agent(east1) && identity.node == east1 && identity.mesh == "east")
        #expect(identity.key == key.spkiDigest && identity.serial == agent.serial && identity.notAfter == at(3600))
        #expect(try judge([agent, authority.root]).get() == identity)
        #expect(try judge([coordinator()], as: .coordinator).get().name == .coordinator)
        let alice = try #require(OperatorName("alice@example.com"))
        #expect(try judge([admin()], as: .operator).get().name == .operator(alice, .admin))
        let old = try TestAuthority(name: "old authority")
        #expect(try judge([agent], roots: [old.root, authority.root]).get() == identity)
    }

    @Test("openssl verify agrees, strictly and by purpose")
    func opensslAgrees() throws {
        let directory = try TrustDirectory()
        try directory.write(authority.root.pem, to: "root.pem")
        try directory.write(agent().pem, to: "agent.pem")
        try directory.write(coordinator().pem, to: "coordinator.pem")
        try directory.write(admin().pem, to: "admin.pem")
        let common = [
            "verify", "-x509_strict", "-check_ss_sig", "-no-CApath", "-no-CAstore", "-CAfile", "root.pem", "-attime", "\(noon.seconds)",
        ]
        for (file, purpose, good) in [
            ("agent.pem", "sslclient", true), ("admin.pem", "sslclient", true), ("coordinator.pem", "sslserver", true),
            ("agent.pem", "sslserver", false), ("coordinator.pem", "sslclient", false),
        ] {
            let (status, output) = try directory.run("openssl", common + ["-purpose", purpose, file])
            #expect((status == 0) == good, "\(file) as \(purpose): \(output)")
        }
        try directory.must(
            "openssl", "verify", "-CAfile", "root.pem", "-attime", "\(noon.seconds)", "-verify_hostname", "gate.example", "coordinator.pem")
        try directory.must(
            "openssl", "verify", "-CAfile", "root.pem", "-attime", "\(noon.seconds)", "-verify_ip", "fd00::2", "coordinator.pem")
        let text = try directory.must("openssl", "x509", "-in", "agent.pem", "-noout", "-text")
        #expect(text.contains("URI:meshgate://east/agent/wrk-e-1") && text.contains("ASN1 OID: prime256v1"))
        #expect(text.ranges(of: "critical").count == 3)
        let serial = try directory.must("openssl", "x509", "-in", "agent.pem", "-noout", "-serial")
        #expect(serial.lowercased().contains(try agent(serial: directory).serial))
    }

    private func agent(serial directory: TrustDirectory) throws -> Certificate { try Certificate(pem: directory.text(of: "agent.pem")) }

    @Test("time is what the caller says: expired and not yet valid are told apart")
    func time() throws {
        let agent = try agent()
        #expect(refusal(judge([agent], now: at(3601))) == .expired(at(3600)))
        #expect(refusal(judge([agent], now: at(-61))) == .notYetValid(at(-60)))
        #expect(try judge([agent], now: at(3599)).get().name == .agent(east1))
        let far = at(86_400 * 3651)
        #expect(
            refusal(judge([agent], now: far)) == .expired(authority.root.notAfter)
                || refusal(judge([agent], now: far)) == .expired(at(3600)))
    }

    @Test("a revoked serial is refused, another's revocation is not")
    func revoked() throws {
        let agent = try agent()
        #expect(refusal(judge([agent], revoked: [agent.serial])) == .revoked(serial: agent.serial))
        #expect(refusal(judge([agent], revoked: ["00"])) == nil)
    }

    @Test("another authority is unknown, even with the same name, and even when it brings its own root")
    func otherAuthority() throws {
        let twin = try TestAuthority()
        let stranger = try twin.issue(.agent(mesh: "east", east1), for: key)
        #expect(refusal(judge([stranger])) == .unknownIssuer)
        #expect(refusal(judge([stranger, twin.root])) == .unknownIssuer)
        #expect(refusal(judge([try agent()], roots: [])) == .unknownIssuer)
        #expect(refusal(judge([])) == .noCertificate)
        #expect(refusal(judge([authority.root])) != nil)
    }

    @Test("a self-signed certificate is told apart from a stranger's, so that a joiner can be sent to enrolment")
    func selfSigned() throws {
        let joiner = try Certificate.makeSelfSigned(key: key, commonName: "wrk-e-1", notBefore: at(-60), notAfter: at(600))
        #expect(refusal(judge([joiner])) == .selfSigned(key: key.spkiDigest))
    }

    @Test("a certificate for one use is not taken for another")
    func purposes() throws {
        #expect(refusal(judge([try coordinator()], as: .agent)) == .wrongPurpose(wanted: .agent))
        #expect(refusal(judge([try agent()], as: .coordinator)) == .wrongPurpose(wanted: .coordinator))
        let alice = try #require(OperatorName("alice@example.com"))
        #expect(refusal(judge([try admin()], as: .agent)) == .wrongKind(found: .operator(alice, .admin), wanted: .agent))
        #expect(refusal(judge([try agent()], as: .operator)) == .wrongKind(found: .agent(east1), wanted: .operator))
    }

    @Test("another mesh under the same authority is refused by name")
    func otherMesh() throws {
        let west = try authority.issue(.agent(mesh: "west", east1), for: key)
        #expect(refusal(judge([west])) == .wrongMesh("west"))
    }

    @Test("certificates of the right authority with any other form are refused with the reason")
    func otherForms() throws {
        let directory = try TrustDirectory()
        try directory.write(authority.root.pem, to: "root.pem")
        try directory.write(authority.key.pem, to: "root.key")
        let usual =
            "basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=clientAuth\n"
            + "subjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n"
        let good = "subjectAltName=URI:meshgate://east/agent/wrk-e-1\n"
        func issue(_ extensions: String, algorithm: [String] = ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"]) throws -> [UInt8] {
            try directory.write(extensions, to: "ext.cnf")
            let made = try directory.run("openssl", ["genpkey", "-algorithm"] + algorithm + ["-out", "leaf.key"])
            #expect(made.status == 0)
            try directory.must("openssl", "req", "-new", "-key", "leaf.key", "-subj", "/CN=wrk-e-1", "-out", "leaf.csr")
            try directory.must(
                "openssl", "x509", "-req", "-in", "leaf.csr", "-CA", "root.pem", "-CAkey", "root.key", "-days", "3000", "-extfile",
                "ext.cnf",
                "-outform", "DER", "-out", "leaf.der")
            return try directory.bytes(of: "leaf.der")
        }
        func judged(_ der: [UInt8]) throws -> PeerRefusal? {
            let start = try Certificate.bundle(pem: PEM.encode(authority.root.der, label: PEM.certificateLabel))
            let today = try readsDate(der)
            return refusal(PeerJudge.judge([der], roots: start, as: .agent, mesh: "east", now: today, isRevoked: { _ in false }))
        }
        func readsDate(_ der: [UInt8]) throws -> Timestamp {
            // openssl stamps the real date; any time inside both validities serves.
            let leaf = try? Certificate(der: der)
            return max(leaf.map { Timestamp(seconds: $0.notBefore.seconds + 60) } ?? noon, authority.root.notBefore)
        }
        #expect(try judged(issue(usual + good)) == nil)
        #expect(
            try judged(issue(usual + "subjectAltName=URI:meshgate://east/agent/wrk-e-1,URI:meshgate://east/agent/wrk-e-2\n"))
                == .wrongName("it has 2 URI names"))
        #expect(
            try judged(issue(usual + "subjectAltName=DNS:wrk-e-1,URI:meshgate://east/agent/wrk-e-1\n"))
                == .wrongName("it has a name of a kind that agent does not have"))
        for uri in [
            "spiffe://east/agent/wrk-e-1", "meshgate://east/agent/wrk-e-1/", "meshgate://east/agent/WRK", "meshgate://east/agent/a/b",
            "meshgate://east//agent/a", "meshgate:///agent/a", "meshgate://east/agent/a?x=1", "meshgate://east/root",
        ] {
            #expect(try judged(issue(usual + "subjectAltName=URI:\(uri)\n")) == .wrongName(uri))
        }
        #expect(try judged(issue(usual)) == .wrongName("it has no subject alternative name, or several"))
        #expect(try judged(issue(usual.replacing("extendedKeyUsage=clientAuth\n", with: "") + good)) == .wrongPurpose(wanted: .agent))
        #expect(try judged(issue(usual.replacing("clientAuth", with: "clientAuth,serverAuth") + good)) == .wrongPurpose(wanted: .agent))
        #expect(try judged(issue(usual.replacing("clientAuth", with: "anyExtendedKeyUsage") + good)) == .wrongPurpose(wanted: .agent))
        #expect(try judged(issue(usual.replacing("digitalSignature", with: "digitalSignature,keyCertSign") + good)) != nil)
        #expect(try judged(issue(usual.replacing("CA:FALSE", with: "CA:TRUE") + good)) != nil)
        #expect(try judged(issue(usual + good + "1.2.3.4=critical,ASN1:NULL\n")) != nil)
        let foreign = PeerRefusal.malformed("cannot take this certificate: its key is not on the curve P-256")
        #expect(try judged(issue(usual + good, algorithm: ["rsa", "-pkeyopt", "rsa_keygen_bits:2048"])) == foreign)
        #expect(try judged(issue(usual + good, algorithm: ["ed25519"])) == foreign)
    }

    @Test("a leaf cannot issue a leaf")
    func leafAsAuthority() throws {
        let directory = try TrustDirectory()
        try directory.write(agent().pem, to: "agent.pem")
        try directory.write(key.pem, to: "agent.key")
        try directory.must("openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", "leaf.key")
        try directory.must("openssl", "req", "-new", "-key", "leaf.key", "-subj", "/CN=wrk-e-2", "-out", "leaf.csr")
        try directory.write(
            "keyUsage=critical,digitalSignature\nextendedKeyUsage=clientAuth\nsubjectAltName=URI:meshgate://east/agent/wrk-e-2\n",
            to: "ext.cnf")
        try directory.must(
            "openssl", "x509", "-req", "-in", "leaf.csr", "-CA", "agent.pem", "-CAkey", "agent.key", "-days", "3000", "-extfile", "ext.cnf",
            "-outform", "DER", "-out", "leaf.der")
        let leaf = try Certificate(der: directory.bytes(of: "leaf.der"))
        #expect(refusal(judge([leaf, try agent()], now: max(leaf.notBefore, noon))) == .wrongPurpose(wanted: .agent))
        #expect(refusal(judge([leaf], now: max(leaf.notBefore, noon))) == .unknownIssuer)
    }

    @Test("no changed byte of a certificate is accepted, and too many or too large ones are not looked at")
    func changedBytes() throws {
        let agent = try agent()
        func judged(_ chain: [[UInt8]]) -> PeerRefusal? {
            refusal(PeerJudge.judge(chain, roots: [authority.root], as: .agent, mesh: "east", now: noon, isRevoked: { _ in false }))
        }
        for index in agent.der.indices {
            for mask: UInt8 in [0x01, 0x20, 0x80] {
                var der = agent.der
                der[index] ^= mask
                #expect(judged([der]) != nil, "byte \(index)")
            }
        }
        #expect(judged([agent.der + [0]]) != nil)
        #expect(judged([[UInt8]](repeating: agent.der, count: 4)) == .malformed("4 certificates were shown, more than 3"))
        #expect(judged([[UInt8](repeating: 0x30, count: 9000)]) != nil)
        // The same content under a longer outer length: BER, not DER.
        #expect(judged([[0x30, 0x83, 0x00] + agent.der[2...]]) != nil)
    }

    @Test("what cannot be issued is refused with the reason")
    func issuing() throws {
        let other = try PrivateKey.generate()
        #expect(throws: TrustError.self) { try authority.issue(.agent(mesh: "East Mesh", east1), for: key) }
        #expect(throws: TrustError.self) { try authority.issue(.agent(mesh: "east", east1), for: key, to: at(86_400 * 3651)) }
        #expect(throws: TrustError.self) { try authority.issue(.agent(mesh: "east", east1), for: key, from: at(10), to: at(10)) }
        #expect(throws: TrustError.self) { try authority.issue(.agent(mesh: "east", east1), for: authority.key) }
        #expect(throws: TrustError.self) { try authority.issue(.coordinator(mesh: "east", dnsNames: ["a,DNS:b"], addresses: []), for: key) }
        #expect(throws: TrustError.self) {
            try Certificate.issue(
                for: key.publicKey, profile: .agent(mesh: "east", east1), notBefore: at(0), notAfter: at(60), by: authority.root, key: other
            )
        }
        let serials = try (0..<50).map { _ in try agent().serial }
        #expect(Set(serials).count == 50 && serials.allSatisfy { $0.count == 32 })
    }
}
