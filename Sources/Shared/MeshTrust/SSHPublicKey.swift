// SPDX-License-Identifier: Apache-2.0

import COpenSSL
package import MeshModel

/// A person's SSH public key. Two keys are the same key exactly when their blobs are equal; every part of a blob has one spelling only.
package struct SSHPublicKey: Hashable, Sendable, CustomStringConvertible {
    /// The curves of RFC 5656 that OpenSSH writes.
    enum Curve: String, Hashable, Sendable {
        case p256 = "nistp256"
        case p384 = "nistp384"
        case p521 = "nistp521"
    }

    enum Kind: Hashable, Sendable {
        case ed25519(point: [UInt8])
        case ecdsa(Curve, point: [UInt8])
        case rsa(modulus: [UInt8], exponent: [UInt8])
        /// Kept in a FIDO token, which signs under the name of an application.
        case tokenEd25519(point: [UInt8], application: [UInt8])
        case tokenECDSA(point: [UInt8], application: [UInt8])
    }

    let kind: Kind
    /// The name OpenSSH gives to this type of key.
    package let type: String
    /// The key in OpenSSH's binary form.
    package let blob: [UInt8]

    /// A blob as it stands in a signature or, in base64, in an `allowed_signers` file.
    init(blob: [UInt8]) throws(SSHMalformed) {
        guard blob.count <= 2048 else { throw SSHMalformed("the key is longer than 2048 bytes") }
        var reader = SSHReader(blob)
        type = try reader.text()
        kind = try Self.kind(type, &reader)
        try reader.end()
        self.blob = blob
    }

    /// SHA-256 of the blob, as `ssh-keygen -l` computes it.
    package var digest: Digest { .sha256(blob) }
    /// `SHA256:` and base64 without padding, as `ssh-keygen -l` shows it.
    package var description: String { "SHA256:" + Base64.encode(digest.bytes).prefix { $0 != "=" } }

    private static func kind(_ type: String, _ reader: inout SSHReader) throws(SSHMalformed) -> Kind {
        switch type {
        case "ssh-ed25519": return .ed25519(point: try edwardsPoint(&reader))
        case "ecdsa-sha2-nistp256": return .ecdsa(.p256, point: try point(on: .p256, &reader))
        case "ecdsa-sha2-nistp384": return .ecdsa(.p384, point: try point(on: .p384, &reader))
        case "ecdsa-sha2-nistp521": return .ecdsa(.p521, point: try point(on: .p521, &reader))
        case "ssh-rsa":
            let exponent = try reader.magnitude()
            return .rsa(modulus: try modulus(&reader), exponent: try judged(exponent))
        case "sk-ssh-ed25519@openssh.com": return .tokenEd25519(point: try edwardsPoint(&reader), application: try application(&reader))
        case "sk-ecdsa-sha2-nistp256@openssh.com":
            return .tokenECDSA(point: try point(on: .p256, &reader), application: try application(&reader))
        default: throw SSHMalformed("keys of type \(type.prefix(64)) do not sign warrants")
        }
    }

    private static func edwardsPoint(_ reader: inout SSHReader) throws(SSHMalformed) -> [UInt8] {
        let point = try reader.string()
        guard point.count == 32 else { throw SSHMalformed("an Ed25519 key has 32 bytes and not \(point.count)") }
        return point
    }

    private static func point(on curve: Curve, _ reader: inout SSHReader) throws(SSHMalformed) -> [UInt8] {
        guard try reader.text() == curve.rawValue else { throw SSHMalformed("the curve is not that of the key's type") }
        let point = try reader.string()
        guard point.first == 4, point.count == 1 + 2 * curve.width else { throw SSHMalformed("the point is not in uncompressed form") }
        return point
    }

    private static func application(_ reader: inout SSHReader) throws(SSHMalformed) -> [UInt8] {
        let name = try reader.text()
        guard name.utf8.starts(with: "ssh:".utf8) else { throw SSHMalformed("the token's key is not made for SSH") }
        return Array(name.utf8)
    }

    private static func modulus(_ reader: inout SSHReader) throws(SSHMalformed) -> [UInt8] {
        let modulus = try reader.magnitude()
        let bits = modulus.count * 8 - (modulus.first?.leadingZeroBitCount ?? 0)
        guard (2048...8192).contains(bits) else { throw SSHMalformed("an RSA key has 2048 to 8192 bits and not \(bits)") }
        return modulus
    }

    /// A large exponent only costs time, and an even one is no key.
    private static func judged(_ exponent: [UInt8]) throws(SSHMalformed) -> [UInt8] {
        guard exponent.count <= 4, let last = exponent.last, last & 1 == 1, exponent != [1] else {
            throw SSHMalformed("the RSA exponent is not usable")
        }
        return exponent
    }
}

extension SSHPublicKey.Curve {
    /// Bytes of one coordinate.
    var width: Int {
        switch self {
        case .p256: 32
        case .p384: 48
        case .p521: 66
        }
    }

    var digest: OpaquePointer? {
        switch self {
        case .p256: EVP_sha256()
        case .p384: EVP_sha384()
        case .p521: EVP_sha512()
        }
    }

    private var identifier: [UInt8] {
        switch self {
        case .p256: [0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07]
        case .p384: [0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22]
        case .p521: [0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x23]
        }
    }

    func spki(_ point: [UInt8]) -> [UInt8] {
        let ecPublicKey: [UInt8] = [0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01]
        return DER.sequence(DER.sequence(ecPublicKey, identifier), DER.bits(point))
    }
}

extension SSHPublicKey {
    /// The same key as SubjectPublicKeyInfo, for OpenSSL.
    var spki: [UInt8] {
        switch kind {
        case .ed25519(let point), .tokenEd25519(let point, _):
            return DER.sequence(DER.sequence([0x06, 0x03, 0x2b, 0x65, 0x70]), DER.bits(point))
        case .ecdsa(let curve, let point): return curve.spki(point)
        case .tokenECDSA(let point, _): return Curve.p256.spki(point)
        case .rsa(let modulus, let exponent):
            let rsaEncryption: [UInt8] = [0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00]
            return DER.sequence(
                DER.sequence(rsaEncryption), DER.bits(DER.sequence(DER.integer(modulus), DER.integer(exponent))))
        }
    }
}
