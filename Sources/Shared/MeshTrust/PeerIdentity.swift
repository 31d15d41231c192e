// SPDX-License-Identifier: Apache-2.0

package import MeshModel

/// Who is at the other end, as read from the very leaf that was verified. Only `PeerJudge` makes one.
package struct PeerIdentity: Hashable, Sendable {
    /// Whom the certificate names.
    package let name: PeerName
    /// The mesh in that name.
    package let mesh: String
    /// The verified leaf.
    package let certificate: Certificate

    init(name: PeerName, mesh: String, certificate: Certificate) {
        self.name = name
        self.mesh = mesh
        self.certificate = certificate
    }

    /// Its serial number; the key of the revocation list.
    package var serial: String { certificate.serial }
    /// SHA-256 of the SubjectPublicKeyInfo.
    package var key: Digest { certificate.spkiDigest }
    /// When the session must end at the latest.
    package var notAfter: Timestamp { certificate.notAfter }
    /// The node, when the peer is an agent.
    package var node: NodeID? { if case .agent(let node) = name { node } else { nil } }
}

/// Why a peer is not let in. Data first; the text is for logs and never contains what an unverified peer wrote, unless it is plain ASCII.
package enum PeerRefusal: Error, Hashable, Sendable, CustomStringConvertible {
    case noCertificate
    case malformed(String)
    case expired(Timestamp)
    case notYetValid(Timestamp)
    case revoked(serial: String)
    case unknownIssuer
    /// Signed by its own key: perhaps an agent that wants to join; see `judgeJoiner`.
    case selfSigned(key: Digest)
    case wrongPurpose(wanted: PeerKind)
    /// No name of ours, or more than one.
    case wrongName(String)
    case wrongMesh(String)
    case wrongKind(found: PeerName, wanted: PeerKind)
    /// A joining agent's certificate claims more than a key.
    case notAJoiner(String)
    /// No authority in the chain has the pinned digest.
    case pinNotFound(Digest)

    package var description: String {
        switch self {
        case .noCertificate: "the peer showed no certificate"
        case .malformed(let problem): "the peer's certificate is not well formed: \(problem)"
        case .expired(let time): "the peer's certificate expired at \(time); renew it, or check this machine's clock"
        case .notYetValid(let time): "the peer's certificate is not valid before \(time); check both clocks"
        case .revoked(let serial): "the peer's certificate \(serial) is revoked"
        case .unknownIssuer: "the peer's certificate is not from an authority of this mesh"
        case .selfSigned(let key): "the peer's certificate is signed by its own key \(key.short) and by no authority"
        case .wrongPurpose(let wanted): "the peer's certificate is not made for the use as \(wanted.rawValue)"
        case .wrongName(let found): "the peer's certificate does not carry exactly one name of a mesh: \(found)"
        case .wrongMesh(let found): "the peer belongs to the mesh \(found)"
        case .wrongKind(let found, let wanted): "the peer is \(found), and \(wanted.rawValue) is wanted here"
        case .notAJoiner(let problem): "the peer's self-signed certificate is not one of a joining agent: \(problem)"
        case .pinNotFound(let pin): "no authority shown by the peer has the pinned digest \(pin.short); is the join command for this mesh?"
        }
    }
}
