// SPDX-License-Identifier: Apache-2.0

import MeshModel
import Testing

@testable import MeshTrust

@Suite("Keys and digests")
struct KeyTests {
    @Test("SHA-256 agrees with the published vectors, whole and in pieces")
    func digests() throws {
        #expect(Digest.sha256([]).hex == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
        #expect(sha256(Array("abc".utf8)).hex == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
        let bytes = (0..<100_000).map { UInt8(truncatingIfNeeded: $0 &* 31) }
        var hasher = SHA256Hasher()
        for start in stride(from: 0, to: bytes.count, by: 777) {
            bytes[start..<min(start + 777, bytes.count)].withUnsafeBytes { hasher.update($0) }
        }
        let early = hasher.finish()
        #expect(early == .sha256(bytes))
        hasher.update([1])
        #expect(hasher.finish() == .sha256(bytes + [1]))
        #expect(early == .sha256(bytes.lazy.map { $0 }))
    }

    @Test("random bytes differ")
    func random() throws {
        #expect(try SecureRandom.bytes(32) != SecureRandom.bytes(32))
        #expect(try SecureRandom.bytes(0).isEmpty)
    }

    @Test("a private key goes to PEM and back, and openssl reads it and agrees on the public half")
    func pem() throws {
        let directory = try TrustDirectory()
        let key = try PrivateKey.generate()
        try directory.write(key.pem, to: "key.pem")
        #expect(try PrivateKey(pem: directory.text(of: "key.pem")).publicKey == key.publicKey)
        try directory.must("openssl", "pkey", "-in", "key.pem", "-pubout", "-outform", "DER", "-out", "pub.der")
        #expect(try directory.bytes(of: "pub.der") == key.publicKeyDER)
        #expect(!"\(key)".contains("PRIVATE KEY"))
    }

    @Test("keys that openssl writes are read in both forms; other types are refused by name")
    func foreignKeys() throws {
        let directory = try TrustDirectory()
        try directory.must("openssl", "ecparam", "-name", "prime256v1", "-genkey", "-out", "sec1.pem")
        _ = try PrivateKey(pem: directory.text(of: "sec1.pem"))
        try directory.must("openssl", "pkcs8", "-topk8", "-in", "sec1.pem", "-passout", "pass:abc", "-out", "locked.pem")
        #expect(throws: TrustError.self) { try PrivateKey(pem: directory.text(of: "locked.pem")) }
        try directory.must("openssl", "genpkey", "-algorithm", "ed25519", "-out", "ed.pem")
        #expect(throws: TrustError.notAKey(problem: "it is of another type")) { try PrivateKey(pem: directory.text(of: "ed.pem")) }
        try directory.must("openssl", "ecparam", "-name", "secp384r1", "-genkey", "-noout", "-out", "p384.pem")
        #expect(throws: TrustError.self) { try PrivateKey(pem: directory.text(of: "p384.pem")) }
        #expect(throws: TrustError.self) { try PrivateKey(pem: "") }
    }

    @Test("a signature counts for its bytes, its key and its context only, and openssl verifies it too")
    func signatures() throws {
        let directory = try TrustDirectory()
        let key = try PrivateKey.generate()
        let message = Array("blank: vdb".utf8)
        let signature = try key.sign(message, for: .evidence)
        #expect(key.publicKey.verify(signature, over: message, for: .evidence))
        #expect(!key.publicKey.verify(signature, over: message, for: .session))
        #expect(!key.publicKey.verify(signature, over: message + [0], for: .evidence))
        #expect(!key.publicKey.verify(signature + [0], over: message, for: .evidence))
        #expect(!key.publicKey.verify([], over: message, for: .evidence))
        #expect(try !PrivateKey.generate().publicKey.verify(signature, over: message, for: .evidence))
        try directory.write(PEM.encode(key.publicKeyDER, label: "PUBLIC KEY"), to: "pub.pem")
        try directory.write(Array("meshgate/evidence/1\0".utf8) + message, to: "message")
        try directory.write(signature, to: "signature")
        #expect(try directory.must("openssl", "dgst", "-sha256", "-verify", "pub.pem", "-signature", "signature", "message").contains("OK"))
    }

    @Test("a point that is not on the curve is no key")
    func badPoint() throws {
        var spki = try PrivateKey.generate().publicKeyDER
        spki[90] ^= 1
        #expect(throws: TrustError.self) { try PublicKey(spki: spki) }
    }

    @Test("base64 has one spelling for each value")
    func base64() throws {
        for count in 0..<70 {
            let bytes = try SecureRandom.bytes(count)
            #expect(Base64.decode(Base64.encode(bytes).utf8) == bytes)
        }
        for text in ["A", "AA", "AAA", "AB==", "AAB=", "A===", "====", "AA=A", "AAAA=", "AA A", "AA\n="] {
            #expect(Base64.decode(text.utf8) == nil, "\(text)")
        }
    }
}
