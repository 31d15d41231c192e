// SPDX-License-Identifier: Apache-2.0

import COpenSSL
package import MeshModel

/// Decides who a peer is from the certificates it showed in the TLS handshake. OpenSSL judges the chain against our roots alone
/// (never the system's), at the given time; the name is then read from the leaf that was judged, by the same parser.
package enum PeerJudge {
    /// A leaf, its authority, and one old authority while authorities are being exchanged.
    package static let longestChain = 3

    /// The peer at this door, or why it stays outside. `isRevoked` is asked only about a certificate that is good otherwise.
    package static func judge(
        _ chain: [[UInt8]], roots: [Certificate], as kind: PeerKind, mesh: String, now: Timestamp, isRevoked: (_ serial: String) -> Bool
    ) -> Result<PeerIdentity, PeerRefusal> {
        do throws(PeerRefusal) {
            let identity = try verify(chain, roots: roots, as: kind, now: now)
            guard identity.mesh == mesh else { throw .wrongMesh(identity.mesh) }
            guard !isRevoked(identity.serial) else { throw .revoked(serial: identity.serial) }
            return .success(identity)
        } catch {
            return .failure(error)
        }
    }

    /// Chain, dates, usage and name; the caller asks about mesh and revocation.
    static func verify(_ chain: [[UInt8]], roots: [Certificate], as kind: PeerKind, now: Timestamp) throws(PeerRefusal) -> PeerIdentity {
        guard let first = chain.first else { throw .noCertificate }
        guard chain.count <= longestChain else { throw .malformed("\(chain.count) certificates were shown, more than \(longestChain)") }
        defer { ERR_clear_error() }
        do {
            let shown = try stack(of: chain)
            guard let leaf = OPENSSL_sk_value(shown.raw, 0).map(OpaquePointer.init) else { throw PeerRefusal.noCertificate }
            let certificate = try Certificate(der: first, raw: leaf)
            let store = try Owned(X509_STORE_new(), "keep roots", release: X509_STORE_free)
            for root in roots {
                let opened = try Certificate.open(root.der)
                try OpenSSL.check(X509_STORE_add_cert(store.raw, opened.raw), "keep a root")
            }
            let context = try Owned(X509_STORE_CTX_new(), "verify a chain", release: X509_STORE_CTX_free)
            try OpenSSL.check(X509_STORE_CTX_init(context.raw, store.raw, leaf, shown.raw), "verify a chain")
            try configure(X509_STORE_CTX_get0_param(context.raw), kind: kind, now: now)
            guard X509_verify_cert(context.raw) == 1 else { throw refusal(context.raw, leaf: certificate, kind: kind) }
            try checkProfile(leaf, kind: kind)
            let (mesh, name) = try name(of: leaf, kind: kind)
            guard name.kind == kind else { throw PeerRefusal.wrongKind(found: name, wanted: kind) }
            return PeerIdentity(name: name, mesh: mesh, certificate: certificate)
        } catch let refusal as PeerRefusal {
            throw refusal
        } catch {
            throw .malformed("\(error)")
        }
    }

    private static func stack(of chain: [[UInt8]]) throws -> Owned {
        let stack = try Owned(OPENSSL_sk_new_null(), "read a chain") { OPENSSL_sk_pop_free($0) { X509_free(OpaquePointer($0)) } }
        for der in chain {
            let opened = try Certificate.open(der)
            try OpenSSL.check(X509_up_ref(opened.raw), "read a chain")
            guard OPENSSL_sk_push(stack.raw, UnsafeRawPointer(opened.raw)) > 0 else {
                X509_free(opened.raw)
                throw OpenSSL.failure("read a chain")
            }
        }
        return stack
    }

    private static func configure(_ parameters: OpaquePointer?, kind: PeerKind, now: Timestamp) throws(TrustError) {
        X509_VERIFY_PARAM_set_time(parameters, Int(now.seconds))
        X509_VERIFY_PARAM_set_depth(parameters, 1)
        X509_VERIFY_PARAM_set_auth_level(parameters, 2)
        try OpenSSL.check(X509_VERIFY_PARAM_set_flags(parameters, UInt(X509_V_FLAG_X509_STRICT)), "verify a chain")
        let purpose = kind == .coordinator ? X509_PURPOSE_SSL_SERVER : X509_PURPOSE_SSL_CLIENT
        try OpenSSL.check(X509_VERIFY_PARAM_set_purpose(parameters, purpose), "verify a chain")
    }

    private static func refusal(_ context: OpaquePointer, leaf: Certificate, kind: PeerKind) -> PeerRefusal {
        let code = X509_STORE_CTX_get_error(context)
        switch code {
        case X509_V_ERR_CERT_HAS_EXPIRED: return .expired(culprit(context)?.notAfter ?? leaf.notAfter)
        case X509_V_ERR_CERT_NOT_YET_VALID: return .notYetValid(culprit(context)?.notBefore ?? leaf.notBefore)
        case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT: return .selfSigned(key: leaf.spkiDigest)
        case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT, X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN,
            X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE, X509_V_ERR_CERT_SIGNATURE_FAILURE, X509_V_ERR_CERT_CHAIN_TOO_LONG,
            X509_V_ERR_AKID_SKID_MISMATCH, X509_V_ERR_SUBJECT_ISSUER_MISMATCH:
            return .unknownIssuer
        case X509_V_ERR_INVALID_PURPOSE, X509_V_ERR_INVALID_CA: return .wrongPurpose(wanted: kind)
        default: return .malformed(String(cString: X509_verify_cert_error_string(Int(code))))
        }
    }

    /// The certificate that the verification stopped at; it may be an authority.
    private static func culprit(_ context: OpaquePointer) -> Certificate? {
        guard let current = X509_STORE_CTX_get_current_cert(context),
            let der = try? OpenSSL.encode(current, "read a certificate", i2d_X509)
        else { return nil }
        return try? Certificate(der: der)
    }

    /// A certificate without usage extensions would pass OpenSSL's purpose check; ours always has them, and exactly these.
    static func checkProfile(_ leaf: OpaquePointer, kind: PeerKind) throws(PeerRefusal) {
        let flags = X509_get_extension_flags(leaf)
        let wanted = kind == .coordinator ? XKU_SSL_SERVER : XKU_SSL_CLIENT
        guard flags & UInt32(EXFLAG_INVALID | EXFLAG_CRITICAL) == 0 else { throw .malformed("an extension is not readable or not known") }
        guard flags & UInt32(EXFLAG_CA) == 0, flags & UInt32(EXFLAG_KUSAGE) != 0, flags & UInt32(EXFLAG_XKUSAGE) != 0,
            X509_get_extended_key_usage(leaf) == UInt32(wanted), X509_get_key_usage(leaf) == UInt32(KU_DIGITAL_SIGNATURE)
        else { throw .wrongPurpose(wanted: kind) }
    }

    private static func name(of leaf: OpaquePointer, kind: PeerKind) throws(PeerRefusal) -> (mesh: String, name: PeerName) {
        var critical: Int32 = 0
        guard let names = X509_get_ext_d2i(leaf, NID_subject_alt_name, &critical, nil).map(OpaquePointer.init) else {
            throw .wrongName("it has no subject alternative name, or several")
        }
        defer { GENERAL_NAMES_free(names) }
        var uris: [[UInt8]] = []
        for index in 0..<OPENSSL_sk_num(names) {
            guard let entry = OPENSSL_sk_value(names, index)?.assumingMemoryBound(to: GENERAL_NAME.self) else { continue }
            switch entry.pointee.type {
            case GEN_URI: uris.append(OpenSSL.bytes(of: entry.pointee.d.uniformResourceIdentifier))
            case GEN_DNS where kind == .coordinator, GEN_IPADD where kind == .coordinator: continue
            default: throw .wrongName("it has a name of a kind that \(kind.rawValue) does not have")
            }
        }
        guard uris.count == 1 else { throw .wrongName("it has \(uris.count) URI names") }
        guard uris[0].allSatisfy({ $0 > 0x20 && $0 < 0x7f }) else { throw .wrongName("its URI is not printable ASCII") }
        let text = String(decoding: uris[0], as: UTF8.self)
        guard let found = PeerName.parse(text) else { throw .wrongName(text) }
        return found
    }
}
