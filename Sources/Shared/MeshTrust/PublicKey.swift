// SPDX-License-Identifier: Apache-2.0

import COpenSSL
package import MeshModel

/// What a signature is made for. It is part of the signed bytes, so a signature for one matter is nothing for another.
package struct SignatureContext: Hashable, Sendable {
    /// Ends with a version, so that the meaning of a signature can change.
    package let label: String
    /// A context of the caller's own; the label is part of what is signed.
    package init(_ label: String) { self.label = label }

    /// An agent vouches for its evidence.
    package static let evidence = SignatureContext("meshgate/evidence/1")
    /// An agent answers the coordinator's nonce when a session opens.
    package static let session = SignatureContext("meshgate/session/1")

    func framed(_ message: [UInt8]) -> [UInt8] { Array(label.utf8) + [0] + message }
}

/// A P-256 public key as SubjectPublicKeyInfo, in the only spelling we accept: named curve, uncompressed point, 91 bytes.
package struct PublicKey: Hashable, Sendable {
    /// The SubjectPublicKeyInfo in DER.
    package let spki: [UInt8]

    /// `SEQUENCE { SEQUENCE { ecPublicKey, prime256v1 }, BIT STRING 04 || X || Y }` up to the point.
    private static let prefix: [UInt8] = [
        0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01,
        0x07, 0x03, 0x42, 0x00, 0x04,
    ]

    /// Cheap and exact: any other key type or spelling ends here, before OpenSSL does arithmetic on it.
    static func hasRightForm(_ spki: [UInt8]) -> Bool { spki.count == prefix.count + 64 && spki.starts(with: prefix) }

    /// Refuses every other key type, curve and spelling.
    package init(spki: [UInt8]) throws(TrustError) {
        guard Self.hasRightForm(spki) else { throw .notAKey(problem: "it is of another type or in another form") }
        do {
            // Decoding checks that the point lies on the curve.
            _ = try OpenSSL.decode(spki, "read a public key", d2i_PUBKEY, release: EVP_PKEY_free)
        } catch {
            throw .notAKey(problem: "\(error)")
        }
        self.spki = spki
    }

    /// Of a key that OpenSSL has decoded already, which found its point on the curve; decoding is slow in OpenSSL 3.0.
    init(decoded key: OpaquePointer) throws(TrustError) {
        let spki = try OpenSSL.encode(key, "read a public key", i2d_PUBKEY)
        guard Self.hasRightForm(spki) else { throw .notAKey(problem: "it is of another type or in another form") }
        self.spki = spki
    }

    /// SHA-256 of the SubjectPublicKeyInfo: how a key is named in warrants, pins and enrolments.
    package var digest: Digest { .sha256(spki) }

    /// Whether `signature` (DER, ECDSA with SHA-256) was made by this key over `message` for this context.
    package func verify(_ signature: [UInt8], over message: [UInt8], for context: SignatureContext) -> Bool {
        OpenSSL.verify(spki: spki, digest: EVP_sha256(), signature: signature, message: context.framed(message))
    }
}
