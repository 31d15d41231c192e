// SPDX-License-Identifier: Apache-2.0

import COpenSSL
package import MeshModel

/// A leaf certificate that somebody else's authority has issued, of any key: what it may be used for, under which names, until when, and
/// whether it comes from an authority that is given. It proves nothing to us; we look at what others will judge.
package struct IssuedLeaf: Hashable, Sendable {
    package let notAfter: Timestamp
    /// As they are written, wildcards included.
    package let dnsNames: [String]
    /// May be shown by a server, and by a client.
    package let servesServers: Bool
    package let servesClients: Bool
    private let der: [UInt8]

    /// The first certificate of a PEM text, which is the leaf.
    package init(pem: String) throws(TrustError) {
        guard let der = try PEM.decode(pem, label: PEM.certificateLabel).first else {
            throw .notPEM(wanted: PEM.certificateLabel, problem: "there is no certificate in it")
        }
        let certificate = try OpenSSL.decode(der, "read a certificate", d2i_X509, release: X509_free)
        self.der = der
        notAfter = try Certificate.time(X509_get0_notAfter(certificate.raw))
        dnsNames = Self.dnsNames(of: certificate.raw)
        // Without the extension every use is allowed (RFC 5280 section 4.2.1.12).
        let flags = X509_get_extension_flags(certificate.raw)
        let usage = X509_get_extended_key_usage(certificate.raw)
        let isOpen = flags & UInt32(EXFLAG_XKUSAGE) == 0
        servesServers = isOpen || usage & UInt32(XKU_SSL_SERVER) != 0
        servesClients = isOpen || usage & UInt32(XKU_SSL_CLIENT) != 0
    }

    /// Whether one of the authorities of a PEM text has issued it. Dates are not looked at: `notAfter` is judged by itself.
    package func isIssued(byOneOf authorities: String) -> Bool {
        defer { ERR_clear_error() }
        guard let roots = try? PEM.decode(authorities, label: PEM.certificateLabel),
            let leaf = try? OpenSSL.decode(der, "read a certificate", d2i_X509, release: X509_free),
            let store = try? Owned(X509_STORE_new(), "keep roots", release: X509_STORE_free),
            let context = try? Owned(X509_STORE_CTX_new(), "verify a chain", release: X509_STORE_CTX_free)
        else { return false }
        for der in roots {
            guard let root = try? OpenSSL.decode(der, "read a certificate", d2i_X509, release: X509_free),
                X509_STORE_add_cert(store.raw, root.raw) == 1
            else { return false }
        }
        guard X509_STORE_CTX_init(context.raw, store.raw, leaf.raw, nil) == 1 else { return false }
        let parameters = X509_STORE_CTX_get0_param(context.raw)
        guard X509_VERIFY_PARAM_set_flags(parameters, UInt(X509_V_FLAG_NO_CHECK_TIME)) == 1 else { return false }
        return X509_verify_cert(context.raw) == 1
    }

    private static func dnsNames(of certificate: OpaquePointer) -> [String] {
        var critical: Int32 = 0
        guard let names = X509_get_ext_d2i(certificate, NID_subject_alt_name, &critical, nil).map(OpaquePointer.init) else {
            ERR_clear_error()
            return []
        }
        defer { GENERAL_NAMES_free(names) }
        return (0..<OPENSSL_sk_num(names)).compactMap { index in
            guard let entry = OPENSSL_sk_value(names, index)?.assumingMemoryBound(to: GENERAL_NAME.self), entry.pointee.type == GEN_DNS
            else { return nil }
            let bytes = OpenSSL.bytes(of: entry.pointee.d.dNSName)
            return bytes.allSatisfy { $0 > 0x20 && $0 < 0x7f } ? String(decoding: bytes, as: UTF8.self) : nil
        }
    }
}
