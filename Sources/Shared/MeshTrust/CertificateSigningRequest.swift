// SPDX-License-Identifier: Apache-2.0

import COpenSSL

/// A PKCS#10 request. It says one thing only: "I own this key". Names in it are for people who read it; nobody believes them.
package struct CertificateSigningRequest: Hashable, Sendable {
    /// The request as it travels; not believed before `judge`.
    package let der: [UInt8]
    /// In bytes.
    package static let longest = 16 << 10

    /// As `openssl req` reads it.
    package var pem: String { PEM.encode(der, label: PEM.requestLabel) }

    /// Takes the bytes as they are; `judge` reads them.
    package init(der: [UInt8]) { self.der = der }

    /// Exactly one request.
    package init(pem: String) throws(TrustError) { der = try PEM.decodeOne(pem, label: PEM.requestLabel) }

    /// Made by an agent for its own key; the common name is for people only.
    package static func make(key: PrivateKey, commonName: String) throws -> CertificateSigningRequest {
        let doing = "make a certificate request"
        let request = try Owned(X509_REQ_new(), doing, release: X509_REQ_free)
        try OpenSSL.check(X509_REQ_set_version(request.raw, 0), doing)
        try setCommonName(of: X509_REQ_get_subject_name(request.raw), to: commonName)
        try key.with { raw in
            try OpenSSL.check(X509_REQ_set_pubkey(request.raw, raw), doing)
            try OpenSSL.check(X509_REQ_sign(request.raw, raw, EVP_sha256()), doing)
        }
        return try CertificateSigningRequest(der: OpenSSL.encode(request.raw, doing, i2d_X509_REQ))
    }

    /// The key that signed the request, and nothing else of it: who gets which name is decided elsewhere (a Talos worker once asked
    /// for, and got, admin). The work is bounded: anything but a P-256 key is turned away before OpenSSL computes with it.
    package func judge() throws(TrustError) -> PublicKey {
        guard der.count <= Self.longest else { throw .notARequest(problem: "it has \(der.count) bytes, more than \(Self.longest)") }
        guard let spki = DERReader.publicKey(ofRequest: der) else { throw .notARequest(problem: "it is not a PKCS#10 request in DER") }
        let key = try PublicKey(spki: spki)
        let request: Owned
        do {
            request = try OpenSSL.decodeCanonical(
                der, "read a certificate request", d2i_X509_REQ, i2d_X509_REQ, release: X509_REQ_free)
        } catch {
            throw .notARequest(problem: "\(error)")
        }
        guard X509_REQ_get_version(request.raw) == 0 else { throw .notARequest(problem: "it is of another version") }
        guard X509_REQ_get_signature_nid(request.raw) == NID_ecdsa_with_SHA256 else {
            throw .notARequest(problem: "it is not signed with ECDSA and SHA-256")
        }
        guard let raw = X509_REQ_get0_pubkey(request.raw),
            let seen = try? OpenSSL.encode(raw, "read the key of a request", i2d_PUBKEY), seen == key.spki
        else { throw .notARequest(problem: "its key is not readable") }
        guard X509_REQ_verify(request.raw, raw) == 1 else {
            ERR_clear_error()
            throw .notARequest(problem: "its signature is not by its own key")
        }
        return key
    }
}

func setCommonName(of name: OpaquePointer?, to text: String) throws(TrustError) {
    guard (1...64).contains(text.utf8.count), text.utf8.allSatisfy({ $0 >= 0x20 && $0 < 0x7f }) else {
        throw .cannotIssue("\"\(text)\"", problem: "a common name is 1 to 64 printable ASCII characters")
    }
    let bytes = Array(text.utf8)
    try OpenSSL.check(
        X509_NAME_add_entry_by_NID(name, NID_commonName, MBSTRING_UTF8, bytes, Int32(bytes.count), -1, 0), "write a common name")
}
