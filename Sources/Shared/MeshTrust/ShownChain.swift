// SPDX-License-Identifier: Apache-2.0

import COpenSSL
package import MeshModel

/// What a server has shown, judged for a client that trusts certain authorities. Dates are told and not judged: whose clock counts is not known
/// here.
package struct ShownChain: Hashable, Sendable {
    package let leaf: ShownCertificate
    /// Fingerprints of the authorities that it leads to, each tried by itself.
    package let trusted: [Digest]
    package let provesName: Bool

    /// - Parameters:
    ///   - chain: DER, the server's own first.
    ///   - anchors: each one certificate in PEM; one that cannot be read trusts nobody.
    package init(_ chain: [[UInt8]], anchors: [String], name: String) throws(TrustError) {
        guard let first = chain.first else { throw .notACertificate(problem: "none was shown") }
        defer { ERR_clear_error() }
        leaf = try ShownCertificate(der: first)
        let certificate = try OpenSSL.decode(first, "read a certificate", d2i_X509, release: X509_free)
        // As Go judges, which Cilium is written in: by subject alternative names alone, and a wildcard is a whole label.
        let flags = UInt32(X509_CHECK_FLAG_NEVER_CHECK_SUBJECT | X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS)
        provesName =
            X509_check_host(certificate.raw, name, name.utf8.count, flags, nil) == 1
            || IPAddress(name) != nil && X509_check_ip_asc(certificate.raw, name, 0) == 1
        let others = try Self.stack(of: chain.dropFirst())
        var trusted: [Digest] = []
        for pem in anchors.prefix(HandshakeFact.mostAnchors) {
            guard let der = (try? PEM.decode(pem, label: PEM.certificateLabel))?.first,
                Self.leads(certificate.raw, through: others.raw, to: der)
            else { continue }
            trusted.append(.sha256(der))
        }
        self.trusted = trusted
    }

    private static func stack(of chain: ArraySlice<[UInt8]>) throws(TrustError) -> Owned {
        let stack = try Owned(OPENSSL_sk_new_null(), "read a chain") { OPENSSL_sk_pop_free($0) { X509_free(OpaquePointer($0)) } }
        for der in chain {
            // What cannot be read leads nowhere.
            guard let opened = try? OpenSSL.decode(der, "read a certificate", d2i_X509, release: X509_free) else { continue }
            try OpenSSL.check(X509_up_ref(opened.raw), "read a chain")
            guard OPENSSL_sk_push(stack.raw, UnsafeRawPointer(opened.raw)) > 0 else {
                X509_free(opened.raw)
                throw OpenSSL.failure("read a chain")
            }
        }
        return stack
    }

    /// Any certificate that is trusted may end the way, as with Go's pools, and not only one that has signed itself.
    private static func leads(_ leaf: OpaquePointer, through others: OpaquePointer, to anchor: [UInt8]) -> Bool {
        guard let root = try? OpenSSL.decode(anchor, "read a certificate", d2i_X509, release: X509_free),
            let store = try? Owned(X509_STORE_new(), "keep roots", release: X509_STORE_free),
            let context = try? Owned(X509_STORE_CTX_new(), "verify a chain", release: X509_STORE_CTX_free),
            X509_STORE_add_cert(store.raw, root.raw) == 1, X509_STORE_CTX_init(context.raw, store.raw, leaf, others) == 1
        else { return false }
        let parameters = X509_STORE_CTX_get0_param(context.raw)
        X509_VERIFY_PARAM_set_depth(parameters, Int32(HandshakeClient.mostCertificates))
        let flags = UInt(X509_V_FLAG_NO_CHECK_TIME) | UInt(X509_V_FLAG_PARTIAL_CHAIN)
        guard X509_VERIFY_PARAM_set_flags(parameters, flags) == 1 else { return false }
        return X509_verify_cert(context.raw) == 1
    }
}

extension TrustAnchor {
    /// Reads the certificate of an authority, of any kind of key; the first of the text counts.
    package init(pem: String) throws(TrustError) {
        guard let der = try PEM.decode(pem, label: PEM.certificateLabel).first else {
            throw .notPEM(wanted: PEM.certificateLabel, problem: "there is no certificate in it")
        }
        let shown = try ShownCertificate(der: der)
        let text = PEM.encode(der, label: PEM.certificateLabel)
        guard text.utf8.count <= Self.longestText else {
            throw .notACertificate(problem: "it is longer than \(Self.longestText >> 10) KiB")
        }
        self.init(pem: text, fingerprint: shown.fingerprint, subject: shown.subject, notAfter: shown.notAfter)
    }

    /// Every certificate of a text, each once; those that cannot be read are left out.
    package static func all(in pem: String) -> [TrustAnchor] {
        let blocks = (try? PEM.decode(pem, label: PEM.certificateLabel)) ?? []
        var seen: Set<Digest> = []
        return blocks.compactMap { try? TrustAnchor(pem: PEM.encode($0, label: PEM.certificateLabel)) }.filter {
            seen.insert($0.fingerprint).inserted
        }
    }
}
