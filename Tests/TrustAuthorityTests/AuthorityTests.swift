// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import MeshModel
import MeshSystem
import MeshTesting
import MeshTrust
import Synchronization
import Testing
import TrustAuthority

@Suite("The authority")
struct AuthorityTests {
    private let directory: String
    private let files = LinuxFileStore()
    private let now = Timestamp(seconds: 1_800_000_000)
    private let node: NodeID

    init() throws {
        directory = FileManager.default.temporaryDirectory.path() + "meshgate-authority-\(try KernelEntropy().hexID())"
        node = try SmallMesh.need(NodeID("wrk-e-1"))
        try files.createDirectory(directory)
    }

    private func open(_ mesh: String = "home") throws -> CertificateAuthority {
        try CertificateAuthority.open(directory: directory, mesh: mesh, files: files, now: now)
    }

    private func invite(_ tokens: JoinTokens, life: Duration = .seconds(900)) throws -> String {
        try tokens.invite(node, life: life, by: "test", pin: try open().pin, entropy: KernelEntropy(), now: now)
    }

    @Test("is made once and found again")
    func reopened() throws {
        let first = try open()
        #expect(try open().root == first.root)
    }

    @Test("keeps its key readable for its owner alone")
    func modes() throws {
        _ = try open()
        let attributes = try FileManager.default.attributesOfItem(atPath: directory + "/ca.key")
        #expect((attributes[.posixPermissions] as? Int) == 0o600)
    }

    @Test("refuses to serve another mesh than the one it was made for")
    func otherMesh() throws {
        _ = try open()
        let error = #expect(throws: AuthorityError.self) { _ = try open("away") }
        #expect(error.map { "\($0)" }?.contains("belongs to mesh \"home\"") == true)
    }

    @Test("names the damaged file instead of making another authority", arguments: ["ca.key", "ca.crt"])
    func damaged(name: String) throws {
        _ = try open()
        try files.write(Array("not a PEM".utf8), to: directory + "/" + name)
        #expect(throws: AuthorityError.self) { _ = try open() }
        try files.remove(directory + "/ca.key")
        let error = #expect(throws: AuthorityError.self) { _ = try open() }
        #expect(error.map { "\($0)" }?.contains("key is missing") == true)
    }

    @Test("issues agents that the judge lets in, and for the time it says")
    func issues() throws {
        let authority = try open()
        let key = try PrivateKey.generate()
        let certificate = try authority.issueAgent(node, key: key.publicKey, now: now)
        let identity = try PeerJudge.judge([certificate.der], roots: [authority.root], as: .agent, mesh: "home", now: now) { _ in false }
            .get()
        #expect(identity.node == node)
        let late = now + CertificateAuthority.agentLife + .seconds(1)
        #expect(throws: PeerRefusal.self) {
            _ = try PeerJudge.judge([certificate.der], roots: [authority.root], as: .agent, mesh: "home", now: late) { _ in false }.get()
        }
    }

    @Test("a token is good once, for its node, until its time, and survives a restart")
    func tokens() throws {
        let tokens = try JoinTokens(directory: directory, files: files)
        let token = try invite(tokens)
        let key = try PrivateKey.generate().spkiDigest
        let other = try SmallMesh.need(NodeID("cp-e-1"))
        #expect(throws: EnrolmentProblem.otherNode(other)) { try tokens.spend(token, node: other, key: key, now: now) }
        #expect(throws: EnrolmentProblem.unknownToken) { try tokens.spend("mgj1.00.00", node: node, key: key, now: now) }
        let expired = try invite(tokens, life: .seconds(60))
        #expect(throws: EnrolmentProblem.self) { try tokens.spend(expired, node: node, key: key, now: now + .seconds(60)) }
        try tokens.spend(token, node: node, key: key, now: now)
        let reopened = try JoinTokens(directory: directory, files: files)
        #expect(throws: EnrolmentProblem.spentToken) { try reopened.spend(token, node: node, key: .zero, now: now) }
        // The answer may have been lost on the way: the same key may ask again.
        try reopened.spend(token, node: node, key: key, now: now)
    }

    @Test("tokens are stored as hashes")
    func hashed() throws {
        let tokens = try JoinTokens(directory: directory, files: files)
        let secret = try invite(tokens).split(separator: ".")[1]
        let stored = try SmallMesh.need(try files.read(directory + "/join-tokens.json", limit: 1 << 20))
        #expect(!String(decoding: stored, as: UTF8.self).contains(secret))
    }

    @Test("of 64 keys that race for one token, exactly one gets through, round after round")
    func race() async throws {
        let tokens = try JoinTokens(directory: directory, files: files)
        let keys = try (0..<64).map { _ in try PrivateKey.generate().spkiDigest }
        for _ in 0..<10 {
            let token = try invite(tokens)
            let winners = await withTaskGroup(of: Bool.self) { group in
                for key in keys {
                    group.addTask {
                        do {
                            try tokens.spend(token, node: node, key: key, now: now)
                            return true
                        } catch {
                            return false
                        }
                    }
                }
                return await group.reduce(0) { $0 + ($1 ? 1 : 0) }
            }
            #expect(winners == 1)
        }
    }

    @Test("enrols only the key that the connection proved, and looks at nothing else of the request")
    func enrolment() throws {
        let authority = try open()
        let tokens = try JoinTokens(directory: directory, files: files)
        let enrolment = Enrolment(authority: authority, tokens: tokens)
        let key = try PrivateKey.generate()
        let request = try CertificateSigningRequest.make(key: key, commonName: "coordinator").der
        let token = try invite(tokens)
        #expect(throws: EnrolmentProblem.keyMismatch) {
            _ = try enrolment.enrol(token: token, node: node, request: request, presentedKey: .zero, now: now)
        }
        #expect(throws: EnrolmentProblem.self) {
            _ = try enrolment.enrol(token: token, node: node, request: [1, 2, 3], presentedKey: key.spkiDigest, now: now)
        }
        let certificate = try enrolment.enrol(token: token, node: node, request: request, presentedKey: key.spkiDigest, now: now)
        let identity = try PeerJudge.judge([certificate.der], roots: [authority.root], as: .agent, mesh: "home", now: now) { _ in false }
            .get()
        #expect(identity.node == node)
    }

    @Test("the Cilium CA is made once")
    func ciliumAuthority() throws {
        #expect(try CiliumAuthority.certificate(directory: directory, files: files) == nil, "a look makes nothing")
        let first = try CiliumAuthority.open(directory: directory, files: files, now: now)
        let second = try CiliumAuthority.open(directory: directory, files: files, now: now)
        #expect(first.certificate == second.certificate && first.key == second.key)
        #expect(try CiliumAuthority.certificate(directory: directory, files: files) == first.certificate)
    }

    @Test("the Cilium CA is one also for those who ask for it at the same time")
    func ciliumAuthorityAtOnce() async throws {
        let certificates = try await withThrowingTaskGroup(of: String.self) { [directory, files, now] group in
            for _ in 0..<32 {
                group.addTask { try CiliumAuthority.open(directory: directory, files: files, now: now).certificate }
            }
            return try await group.reduce(into: Set<String>()) { $0.insert($1) }
        }
        #expect(certificates.count == 1)
    }
}
