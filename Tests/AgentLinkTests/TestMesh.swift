// SPDX-License-Identifier: Apache-2.0

import AgentLink
import FleetGateway
import MeshModel
import MeshSystem
import MeshTrust
import Synchronization
import Testing

/// A mesh with its own authority, clock and revocations. Certificates and judgements are the real ones.
final class TestMesh: Sendable {
    let name = "lab"
    let rootKey: PrivateKey
    let root: Certificate
    private let revoked = Mutex<Set<String>>([])
    private let shift = Mutex(Duration.zero)

    init() throws {
        let now = SystemClock.now().wall
        rootKey = try PrivateKey.generate()
        root = try Certificate.makeRoot(
            key: rootKey, name: "lab authority", notBefore: now + .seconds(-3600), notAfter: now + .seconds(86_400))
    }

    /// The real clocks, moved by `advance`.
    var now: Moment { SystemClock.now().advanced(by: shift.withLock { $0 }) }
    var clock: @Sendable () -> Moment { { [self] in now } }
    func advance(_ time: Duration) { shift.withLock { $0 += time } }
    func revoke(_ serial: String) { _ = revoked.withLock { $0.insert(serial) } }
    func isRevoked(_ serial: String) -> Bool { revoked.withLock { $0.contains(serial) } }

    func agent(_ node: NodeID, validFor: Duration = .seconds(3600)) throws -> (identity: AgentIdentity, certificate: Certificate) {
        let key = try PrivateKey.generate()
        let certificate = try Certificate.issue(
            for: key.publicKey, profile: .agent(mesh: name, node), notBefore: now.wall + .seconds(-60), notAfter: now.wall + validFor,
            by: root,
            key: rootKey)
        return (AgentIdentity(chain: [certificate.der, root.der], privateKeyPEM: try key.pem), certificate)
    }

    func coordinator() throws -> ServerIdentity {
        let key = try PrivateKey.generate()
        let certificate = try Certificate.issue(
            for: key.publicKey, profile: .coordinator(mesh: name, dnsNames: ["localhost"], addresses: []),
            notBefore: now.wall + .seconds(-60),
            notAfter: now.wall + .seconds(36_000), by: root, key: rootKey)
        return ServerIdentity(chain: [certificate.der, root.der], privateKeyPEM: try key.pem)
    }

    func selfSigned(_ key: PrivateKey) throws -> AgentIdentity {
        let certificate = try Certificate.makeSelfSigned(
            key: key, commonName: "new agent", notBefore: now.wall + .seconds(-60), notAfter: now.wall + .seconds(600))
        return AgentIdentity(chain: [certificate.der], privateKeyPEM: try key.pem)
    }

    /// The agent's judge of coordinators.
    var judge: CoordinatorJudge {
        { [self] chain in
            let verdict = PeerJudge.judge(chain, roots: [root], as: .coordinator, mesh: name, now: now.wall, isRevoked: isRevoked)
            if case .failure(let refusal) = verdict { return "\(refusal)" }
            return nil
        }
    }

    var gate: PeerGate {
        PeerGate(
            judge: { [self] chain in
                let verdict = PeerJudge.judge(chain, roots: [root], as: .agent, mesh: name, now: now.wall, isRevoked: isRevoked)
                switch verdict {
                case .failure(let refusal): return .failure(GateRefusal("\(refusal)"))
                case .success(let identity):
                    guard let node = identity.node else { return .failure(GateRefusal("not an agent")) }
                    return .success(SessionPeer(node: node, serial: identity.serial, key: identity.key, notAfter: identity.notAfter))
                }
            },
            judgeJoiner: { [self] chain in
                PeerJudge.judgeJoiner(chain, now: now.wall).map(\.digest).mapError { GateRefusal("\($0)") }
            },
            keyOfRequest: { try? CertificateSigningRequest(der: $0).judge().digest },
            isRevoked: { [self] in isRevoked($0) })
    }
}

func node(_ text: String) throws -> NodeID { try #require(NodeID(text)) }
func task(_ text: String) throws -> TaskID { try #require(TaskID(text)) }
