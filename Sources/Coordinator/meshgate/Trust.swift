// SPDX-License-Identifier: Apache-2.0

import FleetGateway
import JournalSQLite
import MeshModel
import MeshSystem
import MeshTrust
import Running
import Synchronization
import TrustAuthority

/// The authority and everything that hangs on it: our own certificate, the judging of peers, enrolment.
struct Trust: Sendable {
    let authority: CertificateAuthority
    let tokens: JoinTokens
    let roll: AgentRoll
    private let identity: CoordinatorIdentity

    static func open(_ settings: Coordinator.Settings, files: LinuxFileStore, now: @escaping NowSource) throws -> Trust {
        let authority = try CertificateAuthority.open(
            directory: settings.state.authority, mesh: settings.mesh, files: files, now: now().wall)
        return Trust(
            authority: authority, tokens: try JoinTokens(directory: settings.state.authority, files: files),
            roll: try AgentRoll(directory: settings.state.authority, files: files),
            identity: CoordinatorIdentity(authority: authority, names: settings.names, now: now))
    }

    func serverIdentity() throws -> (chain: [Certificate], key: PrivateKey) { try identity.current() }

    func gatewayConfiguration(
        _ settings: Coordinator.Settings, controller: RunController, journal: SQLiteJournal, boot: BootID, now: @escaping NowSource
    ) -> FleetGatewayConfiguration {
        let authority = authority
        let identity = identity
        let isRevoked: @Sendable (String) -> Bool = { controller.snapshot.revokedSerials.contains($0) }
        let gate = PeerGate(
            judge: { chain in
                PeerJudge.judge(
                    chain, roots: [authority.root], as: .agent, mesh: authority.mesh, now: now().wall, isRevoked: isRevoked
                ).flatMap { identity in
                    guard let node = identity.node else { return .failure(.wrongName("it names no node")) }
                    return .success(SessionPeer(node: node, serial: identity.serial, key: identity.key, notAfter: identity.notAfter))
                }.mapError { GateRefusal("\($0)") }
            },
            judgeJoiner: { PeerJudge.judgeJoiner($0, now: now().wall).map(\.digest).mapError { GateRefusal("\($0)") } },
            keyOfRequest: { try? CertificateSigningRequest(der: $0).judge().digest }, isRevoked: isRevoked)
        return FleetGatewayConfiguration(
            host: settings.agentHost, port: settings.agentPort, bootID: boot,
            identity: {
                let (chain, key) = try identity.current()
                return ServerIdentity(chain: chain.map(\.der), privateKeyPEM: try key.pem)
            }, gate: gate, epoch: { controller.snapshot.epoch },
            headCheck: { head in
                do {
                    guard let hash = try await journal.hash(at: head.sequence) else {
                        return .forked("it ends at entry \(controller.head.sequence), before entry \(head.sequence)")
                    }
                    return hash == head.hash ? .agrees : .forked("entry \(head.sequence) has hash \(hash.short)")
                } catch {
                    return .unknown
                }
            }, now: now)
    }

    func enroller(controller: RunController, now: @escaping NowSource) -> AuthorityEnroller {
        AuthorityEnroller(
            enrolment: Enrolment(authority: authority, tokens: tokens), root: authority.root, roll: roll,
            revoked: { controller.snapshot.revokedSerials },
            record: { node, serial, by in _ = try await controller.submit(.enrolled(node: node, serial: serial, by: by)) }, now: now)
    }
}

extension CertificateAuthority {
    /// For machines that keep no record of spent warrants: the journal does, under the name of this mesh's authority.
    var ownStore: ReplayStoreMark? {
        ReplayStoreID(String(Digest.sha256(root.der).hex.prefix(32))).map { ReplayStoreMark(id: $0, records: 0) }
    }
}

/// Our own certificate: made in memory, renewed after two thirds of its life. Agents trust the authority, so a new one needs no telling.
final class CoordinatorIdentity: Sendable {
    private let authority: CertificateAuthority
    private let names: [String]
    private let now: NowSource
    private let kept = Mutex<(certificate: Certificate, key: PrivateKey)?>(nil)

    init(authority: CertificateAuthority, names: [String], now: @escaping NowSource) {
        self.authority = authority
        self.names = names
        self.now = now
    }

    /// Leaf and root: a joining agent looks for the root by its pin.
    func current() throws -> (chain: [Certificate], key: PrivateKey) {
        let moment = now().wall
        return try kept.withLock { kept in
            if let kept, moment + CertificateAuthority.coordinatorLife / 3 < kept.certificate.notAfter {
                return ([kept.certificate, authority.root], kept.key)
            }
            let key = try PrivateKey.generate()
            let certificate = try authority.issueCoordinator(
                dnsNames: names.filter { IPAddress($0) == nil }, addresses: names.compactMap(IPAddress.init), key: key.publicKey,
                now: moment)
            kept = (certificate, key)
            return ([certificate, authority.root], key)
        }
    }
}

/// Adapts the authority to the gateway's port, and records what it did before the certificate leaves.
struct AuthorityEnroller: Enroller {
    let enrolment: Enrolment
    let root: Certificate
    let roll: AgentRoll
    /// Serial numbers of certificates that were put out.
    let revoked: @Sendable () -> Set<String>
    /// Journals an enrolment; returns when it is durable.
    let record: @Sendable (_ node: NodeID, _ serial: String, _ by: String) async throws -> Void
    let now: NowSource

    func enrol(
        token: String, node: NodeID, csr: [UInt8], presentedKey: Digest, from: String
    ) async -> Result<IssuedIdentity, EnrolmentRefusal> {
        do {
            let moment = now().wall
            if roll.serials(of: presentedKey).contains(where: revoked().contains) { throw EnrolmentProblem.revokedKey }
            let known = roll.answer(to: presentedKey, as: node, at: moment)
            let certificate = try enrolment.enrol(
                token: token, node: node, request: csr, presentedKey: presentedKey, known: known, now: moment)
            if known == nil { try await take(certificate, token, node, from, moment) }
            return .success(IssuedIdentity(chain: [certificate.der], roots: [root.der]))
        } catch let problem as EnrolmentProblem {
            return .failure(EnrolmentRefusal(code: problem.code, words: "\(problem)"))
        } catch {
            return .failure(EnrolmentRefusal(code: "notRecorded", words: "the enrolment could not be recorded: \(error)"))
        }
    }

    /// A revocation voids the tokens and then revokes what is in the roll. Whoever got through before it and is in the roll only after it would
    /// be forgotten, so the token is looked at once more when the roll has the certificate.
    private func take(_ certificate: Certificate, _ token: String, _ node: NodeID, _ from: String, _ moment: Timestamp) async throws {
        let serial = certificate.serial
        try roll.add(
            AgentRoll.Entry(node: node, serial: serial, key: certificate.spkiDigest, issued: moment, ends: certificate.notAfter))
        do {
            try enrolment.confirm(token: token, node: node, key: certificate.spkiDigest, now: moment)
        } catch {
            try roll.forget(serial)
            throw error
        }
        try await record(node, serial, from)
        try roll.keepAnswer(certificate)
    }
}
