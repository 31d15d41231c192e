// SPDX-License-Identifier: Apache-2.0

import COpenSSL
package import MeshModel

/// A P-256 private key. Shared, never changed after it is made, and never shown by `description`.
package struct PrivateKey: Sendable, CustomStringConvertible {
    private let box: Box
    /// The half that may be shown.
    package let publicKey: PublicKey

    /// `@unchecked` because OpenSSL counts references to an EVP_PKEY atomically and we only read it after creation.
    private final class Box: @unchecked Sendable {
        private let owned: Owned
        init(_ owned: consuming Owned) { self.owned = owned }
        func with<Value>(_ body: (OpaquePointer) throws -> Value) rethrows -> Value {
            try withExtendedLifetime(self) { try body(owned.raw) }
        }
    }

    private init(_ owned: consuming Owned) throws(TrustError) {
        publicKey = try PublicKey(spki: OpenSSL.encode(owned.raw, "write a public key", i2d_PUBKEY))
        box = Box(owned)
    }

    /// A new key from OpenSSL's generator.
    package static func generate() throws -> PrivateKey {
        try PrivateKey(Owned(meshgate_generate_p256(), "generate a P-256 key", release: EVP_PKEY_free))
    }

    /// Reads `PRIVATE KEY` (PKCS#8) or `EC PRIVATE KEY`, unencrypted.
    package init(pem: String) throws(TrustError) {
        let blocks = try PEM.decode(pem, label: "PRIVATE KEY") + PEM.decode(pem, label: "EC PRIVATE KEY")
        guard let der = blocks.first, blocks.count == 1 else {
            throw .notPEM(wanted: "PRIVATE KEY", problem: "there are \(blocks.count) such blocks and one is wanted")
        }
        guard der.count <= 512 else { throw .notAKey(problem: "it is too long") }
        let owned: Owned
        do {
            owned = try OpenSSL.decode(der, "read a private key", d2i_AutoPrivateKey, release: EVP_PKEY_free)
        } catch {
            throw .notAKey(problem: "\(error)")
        }
        guard EVP_PKEY_get_id(owned.raw) == EVP_PKEY_EC else { throw .notAKey(problem: "it is of another type") }
        try self.init(owned)
    }

    /// PKCS#8 without encryption; the file's mode is what protects it.
    package var pem: String {
        get throws {
            let der = try box.with { raw in
                let info = try Owned(EVP_PKEY2PKCS8(raw), "write a private key", release: PKCS8_PRIV_KEY_INFO_free)
                return try OpenSSL.encode(info.raw, "write a private key", i2d_PKCS8_PRIV_KEY_INFO)
            }
            return PEM.encode(der, label: "PRIVATE KEY")
        }
    }

    /// The SubjectPublicKeyInfo in DER.
    package var publicKeyDER: [UInt8] { publicKey.spki }
    /// How the key is named in warrants, pins and enrolments.
    package var spkiDigest: Digest { publicKey.digest }
    package var description: String { "private key of \(spkiDigest.short)" }

    /// ECDSA with SHA-256 over the context and the message; DER.
    package func sign(_ message: [UInt8], for context: SignatureContext) throws -> [UInt8] {
        let framed = context.framed(message)
        let signer = try Owned(EVP_MD_CTX_new(), "sign", release: EVP_MD_CTX_free)
        return try box.with { raw in
            try OpenSSL.check(EVP_DigestSignInit(signer.raw, nil, EVP_sha256(), nil, raw), "sign")
            var size = 0
            try OpenSSL.check(EVP_DigestSign(signer.raw, nil, &size, framed, framed.count), "sign")
            var signature = [UInt8](repeating: 0, count: size)
            try OpenSSL.check(EVP_DigestSign(signer.raw, &signature, &size, framed, framed.count), "sign")
            return Array(signature.prefix(size))
        }
    }

    /// For the parts of this room that let OpenSSL sign a whole structure.
    func with<Value>(_ body: (OpaquePointer) throws -> Value) rethrows -> Value { try box.with(body) }
}
