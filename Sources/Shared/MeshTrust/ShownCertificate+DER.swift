// SPDX-License-Identifier: Apache-2.0

import COpenSSL
import Glibc
package import MeshModel

extension ShownCertificate {
    /// Reads a certificate of any kind and maker. It may come from anybody: texts are made printable and short, names are counted beyond the
    /// first ones, and dates are brought into what can be written.
    package init(der: [UInt8]) throws(TrustError) {
        let certificate = try OpenSSL.decode(der, "read a certificate", d2i_X509, release: X509_free)
        defer { ERR_clear_error() }
        let names = SubjectNames(of: certificate.raw)
        self.init(
            fingerprint: .sha256(der), subject: Self.line(X509_get_subject_name(certificate.raw)),
            issuer: Self.line(X509_get_issuer_name(certificate.raw)), issuerKey: Self.issuerKey(of: certificate.raw),
            names: names.first.map { String($0.prefix(Self.longestText)) }, namesLeftOut: names.count - names.first.count,
            notBefore: try Self.writable(X509_get0_notBefore(certificate.raw)),
            notAfter: try Self.writable(X509_get0_notAfter(certificate.raw)),
            servesServers: X509_check_purpose(certificate.raw, X509_PURPOSE_SSL_SERVER, 0) == 1)
    }

    /// `/CN=Cilium CA`; what is not printable ASCII is escaped, and what is too long is cut.
    static func line(_ name: OpaquePointer?) -> String {
        var text = [CChar](repeating: 0, count: longestText)
        guard let name, X509_NAME_oneline(name, &text, Int32(text.count)) != nil else { return "-" }
        let bytes = text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
        return bytes.isEmpty ? "-" : String(decoding: bytes.map { (0x20..<0x7f).contains($0) ? $0 : UInt8(ascii: "?") }, as: UTF8.self)
    }

    private static func issuerKey(of certificate: OpaquePointer) -> String? {
        let identifier = OpenSSL.bytes(of: X509_get0_authority_key_id(certificate))
        // SHA-1 of a key has 20 bytes, and whoever takes another sum has no need for more than 32.
        return identifier.isEmpty ? nil : encodeHex(identifier.prefix(32))
    }

    /// From 1970 to the end of the year 9999.
    private static func writable(_ time: UnsafePointer<ASN1_TIME>?) throws(TrustError) -> Timestamp {
        let found = try Certificate.time(time)
        return min(max(found, Timestamp(seconds: 0)), Timestamp(seconds: 253_402_300_799))
    }
}

/// The names and addresses that a certificate is for, of which the first are kept.
struct SubjectNames {
    private(set) var first: [String] = []
    private(set) var count = 0

    init(of certificate: OpaquePointer, keep: Int = ShownCertificate.mostNames) {
        var critical: Int32 = 0
        guard let names = X509_get_ext_d2i(certificate, NID_subject_alt_name, &critical, nil).map(OpaquePointer.init) else {
            ERR_clear_error()
            return
        }
        defer { GENERAL_NAMES_free(names) }
        for index in 0..<max(0, OPENSSL_sk_num(names)) {
            guard let entry = OPENSSL_sk_value(names, index)?.assumingMemoryBound(to: GENERAL_NAME.self),
                let name = Self.text(entry.pointee)
            else { continue }
            count += 1
            if first.count < keep { first.append(name) }
        }
    }

    private static func text(_ entry: GENERAL_NAME) -> String? {
        switch entry.type {
        case GEN_DNS:
            let bytes = OpenSSL.bytes(of: entry.d.dNSName)
            return bytes.allSatisfy { $0 > 0x20 && $0 < 0x7f } ? String(decoding: bytes, as: UTF8.self) : nil
        case GEN_IPADD:
            let bytes = OpenSSL.bytes(of: entry.d.iPAddress)
            guard bytes.count == 4 || bytes.count == 16 else { return nil }
            let value = bytes.reduce(UInt128(0)) { $0 << 8 | UInt128($1) }
            return IPAddress(family: bytes.count == 4 ? .v4 : .v6, value: value).description
        default: return nil
        }
    }
}
