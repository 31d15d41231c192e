// SPDX-License-Identifier: Apache-2.0

import COpenSSL
package import MeshModel

extension Certificate {
    /// A new authority: signs leaves only, and is trusted by being in a roots file.
    package static func makeRoot(key: PrivateKey, name: String, notBefore: Timestamp, notAfter: Timestamp) throws -> Certificate {
        let identifier = CertificateExtension.keyIdentifier(of: key.publicKey)
        return try Draft(
            subject: name, key: key.publicKey, serial: randomSerial(), notBefore: notBefore, notAfter: notAfter,
            extensions: [.rootConstraints, .rootUsage, .subjectKey(identifier), .authorityKey(identifier)]
        ).signed(by: key, issuer: nil)
    }

    /// A leaf of the one rigid profile. The key comes from a judged request; everything else comes from the profile.
    package static func issue(
        for subjectKey: PublicKey, profile: CertificateProfile, notBefore: Timestamp, notAfter: Timestamp, serial: [UInt8]? = nil,
        by root: Certificate, key: PrivateKey
    ) throws -> Certificate {
        let name = profile.name.description
        guard key.publicKey == root.publicKey else { throw TrustError.cannotIssue(name, problem: "the key is not that of the authority") }
        guard subjectKey != root.publicKey else { throw TrustError.cannotIssue(name, problem: "the key is the authority's own") }
        guard notAfter <= root.notAfter else {
            throw TrustError.cannotIssue(
                name, problem: "it would outlive its authority, which ends at \(root.notAfter); renew the authority")
        }
        let issuer = try Certificate.open(root.der)
        let authority = OpenSSL.bytes(of: X509_get0_subject_key_id(issuer.raw))
        return try Draft(
            subject: profile.commonName, key: subjectKey, serial: serial ?? randomSerial(), notBefore: notBefore, notAfter: notAfter,
            extensions: profile.extensions + [
                .subjectKey(CertificateExtension.keyIdentifier(of: subjectKey)), .authorityKey(authority),
            ]
        ).signed(by: key, issuer: issuer.raw)
    }

    /// What an agent shows while it has no certificate yet: the TLS handshake then proves its key, and nothing more is claimed.
    package static func makeSelfSigned(
        key: PrivateKey, commonName: String, notBefore: Timestamp, notAfter: Timestamp
    ) throws -> Certificate {
        let identifier = CertificateExtension.keyIdentifier(of: key.publicKey)
        return try Draft(
            subject: commonName, key: key.publicKey, serial: randomSerial(), notBefore: notBefore, notAfter: notAfter,
            extensions: [.leafConstraints, .leafUsage, .purpose(of: .agent), .subjectKey(identifier), .authorityKey(identifier)]
        ).signed(by: key, issuer: nil)
    }

    /// 128 random bits, positive and always 16 bytes long (RFC 5280 section 4.1.2.2 allows 20).
    private static func randomSerial() throws -> [UInt8] {
        var bytes = try SecureRandom.bytes(16)
        bytes[0] = bytes[0] & 0x7f | 0x40
        return bytes
    }
}

/// Everything of a certificate but its signature.
private struct Draft {
    let subject: String
    let key: PublicKey
    let serial: [UInt8]
    let notBefore: Timestamp
    let notAfter: Timestamp
    let extensions: [CertificateExtension]

    /// Signed by `signer` under the name of `issuer`, or under its own name when there is none.
    func signed(by signer: PrivateKey, issuer: OpaquePointer?) throws -> Certificate {
        let doing = "issue a certificate for \(subject)"
        // 9999-12-31T23:59:59Z is the last time that X.509 can write.
        guard notBefore < notAfter, notBefore.seconds >= 0, notAfter.seconds <= 253_402_300_799 else {
            throw TrustError.cannotIssue(subject, problem: "\(notBefore) to \(notAfter) is not a time it can be valid for")
        }
        guard (1...20).contains(serial.count), serial[0] & 0x80 == 0, serial[0] != 0 else {
            throw TrustError.cannotIssue(subject, problem: "the serial number is not positive, or longer than 20 bytes")
        }
        let draft = try Owned(X509_new(), doing, release: X509_free)
        try OpenSSL.check(X509_set_version(draft.raw, 2), doing)
        try setSerial(of: draft.raw, doing)
        try OpenSSL.check(ASN1_TIME_set(X509_getm_notBefore(draft.raw), Int(notBefore.seconds)) == nil ? 0 : 1, doing)
        try OpenSSL.check(ASN1_TIME_set(X509_getm_notAfter(draft.raw), Int(notAfter.seconds)) == nil ? 0 : 1, doing)
        try setCommonName(of: X509_get_subject_name(draft.raw), to: subject)
        try OpenSSL.check(X509_set_issuer_name(draft.raw, X509_get_subject_name(issuer ?? draft.raw)), doing)
        let subjectKey = try OpenSSL.decode(key.spki, doing, d2i_PUBKEY, release: EVP_PKEY_free)
        try OpenSSL.check(X509_set_pubkey(draft.raw, subjectKey.raw), doing)
        for item in extensions { try add(item, to: draft.raw, doing) }
        try signer.with { try OpenSSL.check(X509_sign(draft.raw, $0, EVP_sha256()), doing) }
        return try Certificate(der: OpenSSL.encode(draft.raw, doing, i2d_X509))
    }

    private func setSerial(of certificate: OpaquePointer, _ doing: String) throws {
        let number = try Owned(BN_bin2bn(serial, Int32(serial.count), nil), doing, release: BN_free)
        guard BN_to_ASN1_INTEGER(number.raw, X509_get_serialNumber(certificate)) != nil else { throw OpenSSL.failure(doing) }
    }

    private func add(_ item: CertificateExtension, to certificate: OpaquePointer, _ doing: String) throws {
        guard let octets = ASN1_OCTET_STRING_new() else { throw OpenSSL.failure(doing) }
        defer { ASN1_OCTET_STRING_free(octets) }
        try OpenSSL.check(ASN1_OCTET_STRING_set(octets, item.value, Int32(item.value.count)), doing)
        let made = try Owned(
            X509_EXTENSION_create_by_NID(nil, item.nid, item.critical ? 1 : 0, octets), doing, release: X509_EXTENSION_free)
        try OpenSSL.check(X509_add_ext(certificate, made.raw, -1), doing)
    }
}
