// SPDX-License-Identifier: Apache-2.0

import Foundation
import MeshHTTP
import MeshModel
import MeshSystem
import MeshTrust
import OperatorAPI
import Testing

/// An authority, a coordinator and operators of the mesh "home".
private struct TrustSample {
    let rootKey: PrivateKey
    let root: Certificate
    let server: OperatorServerConfiguration.ServerIdentity
    let start: Timestamp
    let end: Timestamp

    init() throws {
        let now = Timestamp(seconds: SystemClock.now().wall.seconds)
        start = now + .seconds(-3600)
        end = now + .seconds(86_400)
        rootKey = try PrivateKey.generate()
        root = try Certificate.makeRoot(key: rootKey, name: "home authority", notBefore: start, notAfter: end)
        let key = try PrivateKey.generate()
        let profile = CertificateProfile.coordinator(mesh: "home", dnsNames: ["localhost"], addresses: [])
        let leaf = try Certificate.issue(for: key.publicKey, profile: profile, notBefore: start, notAfter: end, by: root, key: rootKey)
        server = .init(chain: [leaf.der], privateKeyPEM: try key.pem)
    }

    func identity(_ profile: CertificateProfile, until: Timestamp? = nil) throws -> (certificate: Certificate, key: PrivateKey) {
        let key = try PrivateKey.generate()
        let leaf = try Certificate.issue(
            for: key.publicKey, profile: profile, notBefore: start, notAfter: until ?? end, by: root, key: rootKey)
        return (leaf, key)
    }

    func admin(_ role: OperatorRole = .admin) throws -> (certificate: Certificate, key: PrivateKey) {
        try identity(.operator(mesh: "home", try #require(OperatorName("ada")), role))
    }

    func judge(revoked: Mutex2<Set<String>>) -> @Sendable ([[UInt8]]) -> Result<Caller, CallerRefusal> {
        { [root] chain in
            let verdict = PeerJudge.judge(chain, roots: [root], as: .operator, mesh: "home", now: SystemClock.now().wall) {
                revoked.value.contains($0)
            }
            return verdict.mapError { CallerRefusal($0.description) }.flatMap { peer in
                guard case .operator(let name, let role) = peer.name else { return .failure(CallerRefusal("not an operator")) }
                return .success(Caller(name: name.text, role: role == .admin ? .admin : .viewer))
            }
        }
    }

    func tls(_ identity: (certificate: Certificate, key: PrivateKey)?) throws -> HTTPTLS {
        let identity = try identity.map { shown in
            HTTPTLS.Identity(certificate: Array(shown.certificate.pem.utf8), key: Array(try shown.key.pem.utf8))
        }
        return HTTPTLS(roots: .pem(Array(root.pem.utf8)), identity: identity, minimum: .v13)
    }
}

@Suite("The admin surface over mTLS")
struct MutualTLSTests {
    private let trust: TrustSample
    private let revoked = Mutex2<Set<String>>([])

    init() throws { trust = try TrustSample() }

    private func serve(_ body: @Sendable (SurfaceLab, Int) async throws -> Void) async throws {
        let trust = trust
        let judge = trust.judge(revoked: revoked)
        try await SurfaceLab().serve({
            $0.unixSocket = nil
            $0.mutualTLS = .init(host: "127.0.0.1", port: 0, identity: { trust.server }, judge: judge)
        }) { lab, listeners in
            guard case .mutualTLS(_, let port) = listeners.first else { throw NoListener() }
            try await body(lab, port)
        }
    }

    private func client(_ port: Int, _ identity: (certificate: Certificate, key: PrivateKey)?) throws -> OperatorClient {
        OperatorClient(http: try CurlHTTPClient(), server: "https://localhost:\(port)", tls: try trust.tls(identity))
    }

    /// No answer at all: the handshake was refused.
    private func isTurnedAway(_ client: OperatorClient) async throws -> Bool {
        do {
            _ = try await client.status()
            return false
        } catch OperatorClientError.failed {
            return true
        }
    }

    @Test("an admin's certificate opens the door, and the name in it is who asked")
    func admin() async throws {
        try await serve { (lab, port) async throws in
            let client = try client(port, try trust.admin())
            #expect(try await client.status().mesh == "home")
            _ = try await client.apply(ApplyRequest(plan: try PlanSample.plan()))
            #expect(lab.backend.asked == ["apply by ada"])
        }
    }

    @Test("a viewer's certificate lets look only")
    func viewer() async throws {
        try await serve { (lab, port) async throws in
            let client = try client(port, try trust.admin(.viewer))
            #expect(try await client.status().mesh == "home")
            do {
                _ = try await client.stop()
                Issue.record("a viewer stopped the run")
            } catch OperatorClientError.refused(let status, let reply) {
                #expect(status == 403 && reply.error.code == "viewerOnly")
            }
        }
    }

    @Test("no certificate, an agent's, one of another authority: none gets an answer")
    func strangers() async throws {
        let foreign = try TrustSample()
        try await serve { (lab, port) async throws in
            #expect(try await isTurnedAway(try client(port, nil)))
            let agent = try trust.identity(.agent(mesh: "home", try #require(NodeID("wrk-e-1"))))
            #expect(try await isTurnedAway(try client(port, agent)))
            #expect(try await isTurnedAway(try client(port, try foreign.admin())))
            let other = try trust.identity(.operator(mesh: "work", try #require(OperatorName("ada")), .admin))
            #expect(try await isTurnedAway(try client(port, other)))
            #expect(lab.backend.asked.isEmpty)
        }
    }

    @Test("a revoked admin is out at once, on the open connection and on a new one")
    func revocation() async throws {
        try await serve { (lab, port) async throws in
            let identity = try trust.admin()
            let open = try client(port, identity)
            #expect(try await open.status().mesh == "home")
            revoked.change { $0.insert(identity.certificate.serial) }
            do {
                _ = try await open.status()
                Issue.record("a revoked admin got an answer")
            } catch OperatorClientError.refused(let status, let reply) {
                #expect(status == 403 && reply.error.message.contains("revoked"))
            } catch OperatorClientError.failed {
                // libcurl had opened a new connection, which was refused as well.
            }
            #expect(try await isTurnedAway(try client(port, identity)))
        }
    }

    @Test("a saved TLS session opens nothing: the handshake starts anew, and a revoked admin is refused in it")
    func resumption() async throws {
        try await serve { (lab, port) async throws in
            let identity = try trust.admin()
            let files = LinuxFileStore()
            try files.write(Array(identity.certificate.pem.utf8), to: lab.directory + "/c.pem")
            try files.write(Array(identity.key.pem.utf8), to: lab.directory + "/k.pem")
            let session = lab.directory + "/session.pem"
            let base = ["s_client", "-connect", "127.0.0.1:\(port)", "-tls1_3", "-ign_eof"]
            let credentials = ["-cert", lab.directory + "/c.pem", "-key", lab.directory + "/k.pem"]
            let first = try await openssl(base + credentials + ["-sess_out", session])
            #expect(first.contains("HTTP/1.1 200"))
            #expect(FileManager.default.fileExists(atPath: session))
            // The same ticket, without showing the certificate again.
            let bare = try await openssl(base + ["-sess_in", session])
            #expect(!bare.contains("HTTP/1.1 200") && !bare.contains("Reused, TLSv1.3"))
            revoked.change { $0.insert(identity.certificate.serial) }
            let again = try await openssl(base + credentials + ["-sess_in", session])
            #expect(!again.contains("HTTP/1.1 200") && !again.contains("Reused, TLSv1.3"))
        }
    }

    private func openssl(_ arguments: [String]) async throws -> String {
        let request = "GET /v1/status HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        let result = try await ProcessCommandRunner().run(
            Invocation(
                "openssl", arguments, environment: ["PATH": "/usr/bin:/bin"], standardInput: Array(request.utf8), deadline: .seconds(20)))
        return result.outputText + result.errorText
    }
}
