// SPDX-License-Identifier: Apache-2.0

package import MeshModel

/// An enrolled agent, as its verified certificate says.
package struct SessionPeer: Hashable, Sendable {
    package var node: NodeID
    /// Of the certificate, as the revocation list names it.
    package var serial: String
    /// SHA-256 of the public key.
    package var key: Digest
    package var notAfter: Timestamp
    package init(node: NodeID, serial: String, key: Digest, notAfter: Timestamp) {
        self.node = node
        self.serial = serial
        self.key = key
        self.notAfter = notAfter
    }
}

/// The decisions about peers, made by MeshTrust and handed in by main. All are called on event loops, so they must not wait.
package struct PeerGate: Sendable {
    /// Judges the chain (DER, leaf first) of an enrolled agent: in the handshake and again when the session opens. The refusal is a sentence.
    package var judge: @Sendable (_ chain: [[UInt8]]) -> Result<SessionPeer, GateRefusal>
    /// Judges the self-signed certificate of a joining agent and returns the SHA-256 of its public key.
    package var judgeJoiner: @Sendable (_ chain: [[UInt8]]) -> Result<Digest, GateRefusal>
    /// The SHA-256 of the public key in a certificate request whose own signature is good, or `nil`.
    package var keyOfRequest: @Sendable (_ request: [UInt8]) -> Digest?
    /// Whether the certificate with this serial is revoked by now. Asked for every live session every few seconds.
    package var isRevoked: @Sendable (_ serial: String) -> Bool

    package init(
        judge: @escaping @Sendable (_ chain: [[UInt8]]) -> Result<SessionPeer, GateRefusal>,
        judgeJoiner: @escaping @Sendable (_ chain: [[UInt8]]) -> Result<Digest, GateRefusal>,
        keyOfRequest: @escaping @Sendable (_ request: [UInt8]) -> Digest?,
        isRevoked: @escaping @Sendable (_ serial: String) -> Bool
    ) {
        self.judge = judge
        self.judgeJoiner = judgeJoiner
        self.keyOfRequest = keyOfRequest
        self.isRevoked = isRevoked
    }
}

/// Why a peer is not let in, as a sentence.
package struct GateRefusal: Error, Hashable, Sendable, CustomStringConvertible {
    package var words: String
    package init(_ words: String) { self.words = words }
    package var description: String { words }
}

/// The coordinator's own certificate and key. A new value from the provider is used by the next connection.
package struct ServerIdentity: Hashable, Sendable {
    /// DER, leaf first.
    package var chain: [[UInt8]]
    package var privateKeyPEM: String
    package init(chain: [[UInt8]], privateKeyPEM: String) {
        self.chain = chain
        self.privateKeyPEM = privateKeyPEM
    }
}
