// SPDX-License-Identifier: Apache-2.0

import COpenSSL

/// A signature as `ssh-keygen -Y sign` writes it (OpenSSH PROTOCOL.sshsig, version 1). Parsing checks its form; `isValid` checks
/// the signature.
package struct SSHSignature: Hashable, Sendable {
    /// The key that claims to have signed.
    package let key: SSHPublicKey
    /// What the signature was made for.
    package let namespace: String
    /// How the message was hashed: `sha256` or `sha512`.
    let hash: String
    private let format: String
    private let signature: [UInt8]
    /// What a FIDO token adds; nil for keys in files.
    private let token: Token?

    private struct Token: Hashable {
        let flags: UInt8
        let counter: UInt32
    }

    /// In bytes of armoured text; RSA with 8192 bits needs about 3000.
    package static let longestText = 8192
    private static let preamble = Array("SSHSIG".utf8)

    init(armored text: String) throws(SSHMalformed) {
        try self.init(blob: Self.unarmored(text))
    }

    init(blob: [UInt8]) throws(SSHMalformed) {
        var reader = SSHReader(blob)
        try reader.fixed(Self.preamble)
        guard try reader.number() == 1 else { throw SSHMalformed("it is of another version than 1") }
        key = try SSHPublicKey(blob: reader.string())
        namespace = try reader.text()
        guard try reader.string().isEmpty else { throw SSHMalformed("its reserved part is not empty") }
        hash = try reader.text()
        guard hash == "sha256" || hash == "sha512" else { throw SSHMalformed("its message hash is neither sha256 nor sha512") }
        var inner = SSHReader(try reader.string())
        try reader.end()
        format = try inner.text()
        signature = try inner.string()
        token = key.isInToken ? Token(flags: try inner.byte(), counter: try inner.number()) : nil
        try inner.end()
        guard key.formats.contains(format) else {
            throw SSHMalformed("a signature of format \(format.prefix(64)) does not count for a key of type \(key.type)")
        }
    }

    /// Whether the key in it signed exactly `message` in this namespace. A FIDO token must say that its owner touched it.
    package func isValid(over message: [UInt8]) -> Bool {
        guard let digest = hash == "sha256" ? EVP_sha256() : EVP_sha512(), let hashed = try? OpenSSL.hash(message, with: digest) else {
            return false
        }
        let signed =
            Self.preamble + SSHWriter.string(namespace) + SSHWriter.string("") + SSHWriter.string(hash) + SSHWriter.string(hashed)
        switch key.kind {
        case .ed25519: return check(signature, nil, signed)
        case .ecdsa(let curve, _): return check(ecdsa, curve.digest, signed)
        case .rsa(let modulus, _):
            guard signature.count == modulus.count else { return false }
            return check(signature, format == "rsa-sha2-256" ? EVP_sha256() : EVP_sha512(), signed)
        case .tokenEd25519(_, let application): return check(signature, nil, tokenMessage(signed, application))
        case .tokenECDSA(_, let application): return check(ecdsa, EVP_sha256(), tokenMessage(signed, application))
        }
    }

    private func check(_ signature: [UInt8]?, _ digest: OpaquePointer?, _ message: [UInt8]?) -> Bool {
        guard let signature, let message else { return false }
        return OpenSSL.verify(spki: key.spki, digest: digest, signature: signature, message: message)
    }

    /// OpenSSH writes `mpint r, mpint s`, OpenSSL wants them as a DER sequence.
    private var ecdsa: [UInt8]? {
        var reader = SSHReader(signature)
        guard let r = try? reader.magnitude(), let s = try? reader.magnitude(), (try? reader.end()) != nil else { return nil }
        return DER.sequence(DER.integer(r), DER.integer(s))
    }

    /// OpenSSH PROTOCOL.u2f: the token signs the application's hash, its flags, its counter and the hash of the message. Nil
    /// without the touch.
    private func tokenMessage(_ message: [UInt8], _ application: [UInt8]) -> [UInt8]? {
        let userPresent: UInt8 = 0x01
        guard let token, token.flags & userPresent != 0, let digest = EVP_sha256(),
            let hashedName = try? OpenSSL.hash(application, with: digest), let hashedMessage = try? OpenSSL.hash(message, with: digest)
        else { return nil }
        return hashedName + [token.flags] + SSHWriter.number(token.counter) + hashedMessage
    }

    /// Between the two marks stand lines of base64, all but the last equally long. LF only; one newline at the end may be missing.
    private static func unarmored(_ text: String) throws(SSHMalformed) -> [UInt8] {
        guard text.utf8.count <= longestText else { throw SSHMalformed("it is longer than \(longestText) bytes") }
        var lines = text.utf8.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).map(Array.init)
        if lines.last == [] { lines.removeLast() }
        guard lines.count >= 3, lines.first == Array("-----BEGIN SSH SIGNATURE-----".utf8),
            lines.last == Array("-----END SSH SIGNATURE-----".utf8)
        else { throw SSHMalformed("it does not stand between the lines BEGIN SSH SIGNATURE and END SSH SIGNATURE") }
        let body = lines[1..<lines.count - 1]
        let width = body.first?.count ?? 0
        guard (1...76).contains(width), body.dropLast().allSatisfy({ $0.count == width }), (1...width).contains(body.last?.count ?? 0),
            let blob = Base64.decode(body.flatMap { $0 })
        else { throw SSHMalformed("its lines are not base64") }
        return blob
    }
}

extension SSHPublicKey {
    fileprivate var isInToken: Bool {
        switch kind {
        case .tokenEd25519, .tokenECDSA: true
        case .ed25519, .ecdsa, .rsa: false
        }
    }

    /// The signature formats that count for this key; `ssh-rsa` (SHA-1) is not among them.
    fileprivate var formats: [String] {
        if case .rsa = kind { ["rsa-sha2-256", "rsa-sha2-512"] } else { [type] }
    }
}
