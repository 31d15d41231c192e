// SPDX-License-Identifier: Apache-2.0

import COpenSSL

/// One OpenSSL object with its free function. Not copyable, so it is freed exactly once, at the end of the scope that holds it.
struct Owned: ~Copyable {
    let raw: OpaquePointer
    private let release: (OpaquePointer?) -> Void

    init(_ raw: OpaquePointer?, _ doing: String, release: @escaping (OpaquePointer?) -> Void) throws(TrustError) {
        guard let raw else { throw OpenSSL.failure(doing) }
        self.raw = raw
        self.release = release
    }

    deinit { release(raw) }
}

/// The few ways in which this room talks to the library: decode, encode, check a return code.
enum OpenSSL {
    /// Empties the thread's error queue, so that no later call is blamed for this one.
    static func failure(_ doing: String) -> TrustError {
        let code = ERR_peek_error()
        ERR_clear_error()
        guard code != 0, let text = ERR_reason_error_string(code) else { return .openSSL(doing: doing, reason: "no reason") }
        return .openSSL(doing: doing, reason: String(cString: text))
    }

    static func check(_ result: Int32, _ doing: String) throws(TrustError) {
        guard result > 0 else { throw failure(doing) }
    }

    typealias Decoder = (UnsafeMutablePointer<OpaquePointer?>?, UnsafeMutablePointer<UnsafePointer<UInt8>?>?, Int) -> OpaquePointer?
    typealias Encoder = (OpaquePointer?, UnsafeMutablePointer<UnsafeMutablePointer<UInt8>?>?) -> Int32

    /// Reads one DER value that must fill `der` exactly.
    static func decode(
        _ der: [UInt8], _ doing: String, _ d2i: Decoder, release: @escaping (OpaquePointer?) -> Void
    ) throws(TrustError) -> Owned {
        var consumed = 0
        let raw = der.withUnsafeBufferPointer { bytes -> OpaquePointer? in
            var position = bytes.baseAddress
            let value = d2i(nil, &position, bytes.count)
            if let base = bytes.baseAddress, let position { consumed = position - base }
            return value
        }
        let owned = try Owned(raw, doing, release: release)
        guard consumed == der.count else { throw .openSSL(doing: doing, reason: "bytes follow the value") }
        return owned
    }

    static func encode(_ raw: OpaquePointer, _ doing: String, _ i2d: Encoder) throws(TrustError) -> [UInt8] {
        let size = i2d(raw, nil)
        guard size > 0 else { throw failure(doing) }
        var bytes = [UInt8](repeating: 0, count: Int(size))
        let written = bytes.withUnsafeMutableBufferPointer { buffer -> Int32 in
            var position = buffer.baseAddress
            return i2d(raw, &position)
        }
        guard written == size else { throw failure(doing) }
        return bytes
    }

    /// As `decode`, and the value written again must give the same bytes: what is signed then has one spelling.
    static func decodeCanonical(
        _ der: [UInt8], _ doing: String, _ d2i: Decoder, _ i2d: Encoder, release: @escaping (OpaquePointer?) -> Void
    ) throws(TrustError) -> Owned {
        let owned = try decode(der, doing, d2i, release: release)
        guard try encode(owned.raw, doing, i2d) == der else { throw .openSSL(doing: doing, reason: "it is not in canonical form") }
        return owned
    }

    /// The bytes of any ASN.1 string type.
    static func bytes(of string: UnsafePointer<ASN1_STRING>?) -> [UInt8] {
        guard let string, let data = ASN1_STRING_get0_data(string) else { return [] }
        return Array(UnsafeBufferPointer(start: data, count: Int(ASN1_STRING_length(string))))
    }

    /// One signature check with a key given as SubjectPublicKeyInfo. `digest` is nil for Ed25519, which takes the message whole.
    static func verify(spki: [UInt8], digest: OpaquePointer?, signature: [UInt8], message: [UInt8]) -> Bool {
        defer { ERR_clear_error() }
        guard let key = try? decode(spki, "read a public key", d2i_PUBKEY, release: EVP_PKEY_free),
            let context = try? Owned(EVP_MD_CTX_new(), "verify", release: EVP_MD_CTX_free),
            EVP_DigestVerifyInit(context.raw, nil, digest, nil, key.raw) == 1
        else { return false }
        return EVP_DigestVerify(context.raw, signature, signature.count, message, message.count) == 1
    }

    static func hash(_ message: [UInt8], with digest: OpaquePointer) throws(TrustError) -> [UInt8] {
        var output = [UInt8](repeating: 0, count: Int(EVP_MAX_MD_SIZE))
        var size: UInt32 = 0
        try check(EVP_Digest(message, message.count, &output, &size, digest, nil), "compute a digest")
        return Array(output.prefix(Int(size)))
    }
}
