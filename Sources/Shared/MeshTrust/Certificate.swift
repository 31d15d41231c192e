// SPDX-License-Identifier: Apache-2.0

import COpenSSL
import Glibc
package import MeshModel

/// An X.509 certificate with a P-256 key, read once. That it can be read says nothing about whom it names: `PeerJudge` says that.
package struct Certificate: Hashable, Sendable {
    package let der: [UInt8]
    /// Lower-case hex without leading zero bytes; the key of the revocation list.
    package let serial: String
    package let notBefore: Timestamp
    package let notAfter: Timestamp
    package let publicKey: PublicKey

    /// In bytes; ours have about 700.
    package static let longest = 8 << 10

    /// Refuses what is not X.509 v3 in canonical DER with a P-256 key.
    package init(der: [UInt8]) throws(TrustError) {
        let raw = try Self.open(der)
        try self.init(der: der, opened: raw)
    }

    /// Exactly one certificate.
    package init(pem: String) throws(TrustError) { try self.init(der: PEM.decodeOne(pem, label: PEM.certificateLabel)) }

    /// Every certificate of a PEM bundle.
    package static func bundle(pem: String) throws(TrustError) -> [Certificate] {
        var result: [Certificate] = []
        for der in try PEM.decode(pem, label: PEM.certificateLabel) { result.append(try Certificate(der: der)) }
        return result
    }

    /// As files and tools want it.
    package var pem: String { PEM.encode(der, label: PEM.certificateLabel) }
    /// SHA-256 of the SubjectPublicKeyInfo.
    package var spkiDigest: Digest { publicKey.digest }
    /// SHA-256 of the DER.
    package var fingerprint: Digest { .sha256(der) }

    /// Bounds and key type first, OpenSSL after.
    static func open(_ der: [UInt8]) throws(TrustError) -> Owned {
        guard der.count <= longest else { throw .notACertificate(problem: "it has \(der.count) bytes, more than \(longest)") }
        guard let spki = DERReader.publicKey(ofCertificate: der) else {
            throw .notACertificate(problem: "it is not X.509 version 3 in DER")
        }
        guard PublicKey.hasRightForm(spki) else { throw .notACertificate(problem: "its key is not on the curve P-256") }
        do {
            return try OpenSSL.decodeCanonical(der, "read a certificate", d2i_X509, i2d_X509, release: X509_free)
        } catch {
            throw .notACertificate(problem: "\(error)")
        }
    }

    /// Of the certificate that `open` made of `der`.
    init(der: [UInt8], opened: borrowing Owned) throws(TrustError) { try self.init(der: der, raw: opened.raw) }

    /// As above, with an owner elsewhere that outlives the call.
    init(der: [UInt8], raw opened: OpaquePointer) throws(TrustError) {
        guard let key = X509_get0_pubkey(opened) else {
            ERR_clear_error()
            throw .notACertificate(problem: "its key is not readable")
        }
        publicKey = try PublicKey(decoded: key)
        guard let number = X509_get0_serialNumber(opened), ASN1_STRING_type(number) == V_ASN1_INTEGER else {
            throw .notACertificate(problem: "its serial number is negative")
        }
        serial = encodeHex(OpenSSL.bytes(of: number))
        notBefore = try Self.time(X509_get0_notBefore(opened))
        notAfter = try Self.time(X509_get0_notAfter(opened))
        self.der = der
    }

    static func time(_ value: UnsafePointer<ASN1_TIME>?) throws(TrustError) -> Timestamp {
        var parts = tm()
        guard let value, ASN1_TIME_to_tm(value, &parts) == 1 else {
            ERR_clear_error()
            throw .notACertificate(problem: "a date in it is not readable")
        }
        return Timestamp(seconds: Int64(timegm(&parts)))
    }
}
