// SPDX-License-Identifier: Apache-2.0

import FleetGateway
import MeshModel
import MeshSystem
import MeshTesting
import MeshTrust
import OperatorAPI
import Synchronization
import Testing
import TrustAuthority

@testable import meshgate

/// Files in memory. `onWrite` is called before a write is seen, as a neighbour that comes in between.
private final class HookedFiles: FileStore {
    private let files = Mutex<[String: [UInt8]]>([:])
    let onWrite = Mutex<(@Sendable (String) -> Void)?>(nil)

    func read(_ path: String, limit: Int) throws -> [UInt8]? { files.withLock { $0[path] } }
    func write(_ bytes: [UInt8], to path: String, mode: UInt32) throws {
        onWrite.withLock { $0 }?(path)
        files.withLock { $0[path] = bytes }
    }
    func createDirectory(_ path: String) throws {}
    func list(_ directory: String) throws -> [String]? {
        files.withLock { files in
            files.keys.filter { $0.hasPrefix(directory + "/") }.map { String($0.dropFirst(directory.count + 1)) }.sorted()
        }
    }
    func remove(_ path: String) throws { files.withLock { _ = $0.removeValue(forKey: path) } }
}

/// The serial numbers of the enrolments that were journaled.
private final class Journal: Sendable { let serials = Mutex<[String]>([]) }

@Suite("An enrolment at the coordinator")
struct EnrolmentTests {
    private let node: NodeID
    private let files = HookedFiles()
    private let now = Moment(wall: Timestamp(seconds: 1_800_000_000), boot: 0)
    private let authority: CertificateAuthority
    private let tokens: JoinTokens
    private let roll: AgentRoll
    private let key: PrivateKey
    private let journal = Journal()

    init() throws {
        node = try SmallMesh.need(NodeID("wrk-e-1"))
        authority = try CertificateAuthority.open(directory: "/a", mesh: "home", files: files, now: now.wall)
        tokens = try JoinTokens(directory: "/a", files: files)
        roll = try AgentRoll(directory: "/a", files: files)
        key = try PrivateKey.generate()
    }

    private func invite() throws -> String {
        try tokens.invite(node, life: .seconds(600), by: "admin", pin: authority.pin, entropy: KernelEntropy(), now: now.wall)
    }

    private func join(_ token: String, revoked: Set<String> = []) async throws -> Result<Certificate, RefusalWords> {
        let (now, journal) = (now, journal)
        let enroller = AuthorityEnroller(
            enrolment: Enrolment(authority: authority, tokens: tokens), root: authority.root, roll: roll, revoked: { revoked },
            record: { _, serial, _ in journal.serials.withLock { $0.append(serial) } }, now: { now })
        let request = try CertificateSigningRequest.make(key: key, commonName: "x").der
        switch await enroller.enrol(token: token, node: node, csr: request, presentedKey: key.spkiDigest, from: "10.0.0.1") {
        case .success(let issued): return .success(try Certificate(der: issued.chain[0]))
        case .failure(let refusal): return .failure(RefusalWords(words: refusal.code))
        }
    }

    private struct RefusalWords: Error, Equatable { let words: String }

    @Test("that a revocation overtakes gets no certificate and leaves none in the roll")
    func revokedMeanwhile() async throws {
        let token = try invite()
        // The admin revokes after the token was spent and before the roll has the certificate: there is nothing to revoke in it yet.
        let seen = Mutex<[String]?>(nil)
        files.onWrite.withLock { hook in
            hook = { [tokens, node] path in
                guard path.hasSuffix("/agents.json"), seen.withLock({ $0 == nil }) else { return }
                seen.withLock { $0 = [] }
                try? tokens.void(node)
            }
        }
        guard case .failure(let refusal) = try await join(token) else { return #expect(Bool(false), "it got a certificate") }
        #expect(seen.withLock { $0 } == [] && refusal.words == "unknownToken")
        #expect(roll.serials(of: node) == [] && journal.serials.withLock { $0 } == [])
    }

    @Test("whose answer was lost gets the same certificate again, also after a restart, and is journaled once")
    func again() async throws {
        let token = try invite()
        let first = try await join(token).get()
        #expect(try await join(token).get() == first)
        #expect(roll.serials(of: node) == [first.serial] && journal.serials.withLock { $0 } == [first.serial])
        let reopened = try AgentRoll(directory: "/a", files: files)
        #expect(reopened.answer(to: key.spkiDigest, as: node, at: now.wall) == first)
        #expect(reopened.answer(to: key.spkiDigest, as: node, at: first.notAfter) == nil)
        #expect(reopened.answer(to: .zero, as: node, at: now.wall) == nil)
        // It is no way around a revocation, nor around the token.
        guard case .failure(let refusal) = try await join(token, revoked: [first.serial]) else { return #expect(Bool(false)) }
        #expect(refusal.words == "revokedKey")
        guard case .failure(let stranger) = try await join("mgj1.00.00") else { return #expect(Bool(false)) }
        #expect(stranger.words == "unknownToken")
    }

    @Test("begins with a text that keeps the token out of the command's arguments")
    func invitation() throws {
        let reply = InviteReply(
            node: try SmallMesh.need(NodeID("wrk-e-1")), token: "mgj1.secret.pin", until: Timestamp(seconds: 1), coordinator: "h:7443")
        let lines = InviteText(reply).text.split(separator: "\n")
        #expect(lines.contains("  mgj1.secret.pin"))
        let command = lines.filter { $0.contains("meshgate-agent join") }
        #expect(command == ["  meshgate-agent join --coordinator h:7443 --node wrk-e-1 --token-file /dev/stdin"])
    }
}
