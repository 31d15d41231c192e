// SPDX-License-Identifier: Apache-2.0

package import MeshModel
package import MeshTrust

/// The first meeting with an agent: token, request and connection must all speak of one key and one node.
package struct Enrolment: Sendable {
    private let authority: CertificateAuthority
    private let tokens: JoinTokens

    package init(authority: CertificateAuthority, tokens: JoinTokens) {
        self.authority = authority
        self.tokens = tokens
    }

    /// - Parameters:
    ///   - request: the CSR, DER. Nothing of it counts but its key.
    ///   - presentedKey: the key that the TLS handshake proved.
    ///   - known: the certificate that this key has already. The first answer may have been lost; another certificate is not made.
    package func enrol(
        token: String, node: NodeID, request: [UInt8], presentedKey: Digest, known: Certificate? = nil, now: Timestamp
    ) throws(EnrolmentProblem) -> Certificate {
        let key: PublicKey
        do {
            key = try CertificateSigningRequest(der: request).judge()
        } catch {
            throw .badRequest("\(error)")
        }
        guard key.digest == presentedKey else { throw .keyMismatch }
        try tokens.spend(token, node: node, key: key.digest, now: now)
        if let known, known.spkiDigest == key.digest { return known }
        do {
            return try authority.issueAgent(node, key: key, now: now)
        } catch {
            throw .badRequest("\(error)")
        }
    }

    /// Throws when the token that `key` has spent is void by now.
    package func confirm(token: String, node: NodeID, key: Digest, now: Timestamp) throws(EnrolmentProblem) {
        try tokens.spend(token, node: node, key: key, now: now)
    }
}
