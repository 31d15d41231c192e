// SPDX-License-Identifier: Apache-2.0

import MeshModel
import MeshTrust
import Testing

@Suite("Certificate requests")
struct RequestTests {
    @Test("our request is one that openssl accepts, and it yields its key")
    func ours() throws {
        let directory = try TrustDirectory()
        let key = try PrivateKey.generate()
        let request = try CertificateSigningRequest.make(key: key, commonName: "wrk-e-1")
        try directory.write(request.pem, to: "request.pem")
        try directory.must("openssl", "req", "-in", "request.pem", "-verify", "-noout")
        #expect(try CertificateSigningRequest(pem: request.pem).judge() == key.publicKey)
    }

    @Test("a request of openssl's that asks for much yields its key and nothing else")
    func asksForMuch() throws {
        let directory = try TrustDirectory()
        try directory.must("openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", "key.pem")
        try directory.must(
            "openssl", "req", "-new", "-key", "key.pem", "-subj", "/O=system:masters/CN=root", "-addext",
            "basicConstraints=critical,CA:TRUE",
            "-addext", "subjectAltName=URI:meshgate://east/operator/admin/eve", "-outform", "DER", "-out", "request.der")
        let key = try CertificateSigningRequest(der: directory.bytes(of: "request.der")).judge()
        #expect(try key == PrivateKey(pem: directory.text(of: "key.pem")).publicKey)
    }

    @Test("no changed byte of a request is accepted")
    func changedBytes() throws {
        let der = try CertificateSigningRequest.make(key: .generate(), commonName: "wrk-e-1").der
        for index in der.indices {
            for mask: UInt8 in [0x01, 0x80] {
                var changed = der
                changed[index] ^= mask
                #expect(throws: TrustError.self, "byte \(index)") { try CertificateSigningRequest(der: changed).judge() }
            }
        }
        for end in der.indices { #expect(throws: TrustError.self) { try CertificateSigningRequest(der: Array(der[..<end])).judge() } }
        #expect(throws: TrustError.self) { try CertificateSigningRequest(der: der + [0]).judge() }
    }

    @Test("another key type, huge keys and huge requests are turned away within 50 ms")
    func bounded() throws {
        let directory = try TrustDirectory()
        try directory.must("openssl", "genrsa", "-out", "rsa.pem", "2048")
        try directory.must("openssl", "req", "-new", "-key", "rsa.pem", "-subj", "/CN=a", "-outform", "DER", "-out", "rsa.der")
        try directory.must(
            "openssl", "ecparam", "-name", "prime256v1", "-param_enc", "explicit", "-genkey", "-noout", "-out", "explicit.pem")
        try directory.must("openssl", "req", "-new", "-key", "explicit.pem", "-subj", "/CN=a", "-outform", "DER", "-out", "explicit.der")
        try directory.must("openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", "key.pem")
        let names = (0..<10_000).map { "DNS:n\($0).example" }.joined(separator: ",")
        try directory.write("[req]\ndistinguished_name=d\nreq_extensions=e\n[d]\n[e]\nsubjectAltName=\(names)\n", to: "huge.cnf")
        try directory.must(
            "openssl", "req", "-new", "-key", "key.pem", "-subj", "/CN=a", "-config", "huge.cnf", "-outform", "DER", "-out", "huge.der")
        var hostile = try ["rsa.der", "explicit.der", "huge.der"].map { try directory.bytes(of: $0) }
        #expect(hostile[2].count > CertificateSigningRequest.longest)
        hostile.append(hugeRSARequest())
        hostile.append([UInt8](repeating: 0x30, count: CertificateSigningRequest.longest))
        hostile.append(Array(repeating: [0x30, 0x80], count: CertificateSigningRequest.longest / 2).flatMap { $0 })
        for der in hostile {
            // The best of three: on a busy machine the clock also counts the work of others.
            let took = (0..<3).map { _ in
                ContinuousClock().measure {
                    #expect(throws: TrustError.self) { try CertificateSigningRequest(der: der).judge() }
                }
            }
            #expect(took.contains { $0 < .milliseconds(500) }, "\(der.count) bytes took \(took)")
        }
    }

    /// RSA with a modulus of 16,384 bits and an exponent nearly as long: the arithmetic it asks for would take seconds.
    private func hugeRSARequest() -> [UInt8] {
        func value(_ tag: UInt8, _ content: [UInt8]) -> [UInt8] {
            [tag, 0x82, UInt8(content.count >> 8), UInt8(content.count & 0xff)] + content
        }
        let number = value(0x02, [0] + [UInt8](repeating: 0xff, count: 2048))
        let algorithm: [UInt8] = [0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00]
        let spki = value(0x30, algorithm + value(0x03, [0] + value(0x30, number + number)))
        let info = value(0x30, [0x02, 0x01, 0x00, 0x30, 0x00] + spki + [0xa0, 0x00])
        return value(0x30, info + algorithm + value(0x03, [0] + [UInt8](repeating: 0x5a, count: 2048)))
    }
}
