// SPDX-License-Identifier: Apache-2.0

import COpenSSL
package import MeshModel

/// A coordinator that a joining agent recognised by its pin, and the root to keep from now on.
package struct PinnedCoordinator: Hashable, Sendable {
    package let identity: PeerIdentity
    package let root: Certificate
}

/// First meetings: neither side has the other's certificate yet.
extension PeerJudge {
    /// An agent that joins would not keep such a certificate longer.
    package static let longestJoin = Duration.seconds(24 * 3600)

    /// The coordinator's side: the key of a joining agent, proven by the handshake. Whether it may join is up to its token; the
    /// certificate claims nothing.
    package static func judgeJoiner(_ chain: [[UInt8]], now: Timestamp) -> Result<PublicKey, PeerRefusal> {
        do throws(PeerRefusal) {
            guard let der = chain.first else { throw .noCertificate }
            guard chain.count == 1 else { throw .notAJoiner("it comes with \(chain.count - 1) others") }
            return .success(try joiner(der, now: now))
        } catch {
            return .failure(error)
        }
    }

    private static func joiner(_ der: [UInt8], now: Timestamp) throws(PeerRefusal) -> PublicKey {
        defer { ERR_clear_error() }
        do {
            let opened = try Certificate.open(der)
            let certificate = try Certificate(der: der, opened: opened)
            guard X509_check_issued(opened.raw, opened.raw) != X509_V_ERR_SUBJECT_ISSUER_MISMATCH,
                X509_get_signature_nid(opened.raw) == NID_ecdsa_with_SHA256,
                X509_verify(opened.raw, X509_get0_pubkey(opened.raw)) == 1
            else { throw PeerRefusal.unknownIssuer }
            try checkProfile(opened.raw, kind: .agent)
            try checkClaims(opened.raw)
            guard certificate.notAfter - certificate.notBefore <= longestJoin else {
                throw PeerRefusal.notAJoiner("it is valid for more than a day")
            }
            guard now >= certificate.notBefore else { throw PeerRefusal.notYetValid(certificate.notBefore) }
            guard now < certificate.notAfter else { throw PeerRefusal.expired(certificate.notAfter) }
            return certificate.publicKey
        } catch let refusal as PeerRefusal {
            throw refusal
        } catch {
            throw .malformed("\(error)")
        }
    }

    /// Only what `makeSelfSigned` writes; above all no alternative name.
    private static func checkClaims(_ certificate: OpaquePointer) throws(PeerRefusal) {
        let known = [NID_basic_constraints, NID_key_usage, NID_ext_key_usage, NID_subject_key_identifier, NID_authority_key_identifier]
        for index in 0..<X509_get_ext_count(certificate) {
            let nid = OBJ_obj2nid(X509_EXTENSION_get_object(X509_get_ext(certificate, index)))
            guard known.contains(nid) else { throw .notAJoiner("it carries an extension that claims more than a key") }
        }
    }

    /// The joining agent's side: it knows the SHA-256 of the mesh's root (of its DER or of its key) from the join command, and
    /// nothing else. `mesh` is compared when the agent was told it.
    package static func judgePinned(
        _ chain: [[UInt8]], pin: Digest, mesh: String?, now: Timestamp
    ) -> Result<PinnedCoordinator, PeerRefusal> {
        do throws(PeerRefusal) {
            guard !chain.isEmpty else { throw .noCertificate }
            guard chain.count <= longestChain else { throw .malformed("\(chain.count) certificates were shown, more than \(longestChain)") }
            let authorities = chain.dropFirst().compactMap { try? Certificate(der: $0) }
            guard let root = authorities.first(where: { $0.fingerprint == pin || $0.spkiDigest == pin }) else { throw .pinNotFound(pin) }
            let identity = try verify(chain, roots: [root], as: .coordinator, now: now)
            if let mesh, identity.mesh != mesh { throw .wrongMesh(identity.mesh) }
            return .success(PinnedCoordinator(identity: identity, root: root))
        } catch {
            return .failure(error)
        }
    }
}
