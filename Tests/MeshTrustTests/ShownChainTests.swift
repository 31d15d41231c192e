// SPDX-License-Identifier: Apache-2.0

import Foundation
import MeshModel
import MeshTrust
import Testing

/// Chains made by the real openssl, as Cilium's chart, its CronJob, and less tidy people make them.
@Suite("A shown chain")
struct ShownChainTests {
    private let directory: TrustDirectory
    private let ca: String
    private let other: String

    init() throws {
        directory = try TrustDirectory()
        for name in ["ca", "other"] {
            try directory.must(
                "openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "\(name).key", "-out", "\(name).crt", "-subj",
                "/CN=Cilium CA", "-days", "3650", "-addext", "keyUsage=critical,keyCertSign,cRLSign")
        }
        ca = try directory.text(of: "ca.crt")
        other = try directory.text(of: "other.crt")
    }

    /// A leaf of an authority, in DER.
    private func leaf(
        _ name: String = "leaf", by issuer: String = "ca",
        san: String = "DNS:clustermesh-apiserver.cilium.io,DNS:*.mesh.cilium.io,IP:127.0.0.1",
        extra: String = "extendedKeyUsage=serverAuth,clientAuth"
    ) throws -> [UInt8] {
        try directory.must("openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", "\(name).key")
        try directory.must(
            "openssl", "req", "-new", "-key", "\(name).key", "-subj", "/CN=clustermesh-apiserver.cilium.io", "-out", "\(name).csr")
        try directory.write("subjectAltName=\(san)\n\(extra)\n", to: "\(name).ext")
        try directory.must(
            "openssl", "x509", "-req", "-in", "\(name).csr", "-CA", "\(issuer).crt", "-CAkey", "\(issuer).key", "-CAcreateserial", "-days",
            "365", "-extfile", "\(name).ext", "-out", "\(name).crt")
        return try PEM.decodeOne(try directory.text(of: "\(name).crt"), label: PEM.certificateLabel)
    }

    @Test("leads to the authorities that it leads to, of those that were given, and to no other of the same name")
    func trusted() throws {
        let der = try leaf()
        let own = try TrustAnchor(pem: ca)
        let shown = try ShownChain([der], anchors: [other, ca], name: "west.mesh.cilium.io")
        #expect(shown.trusted == [own.fingerprint])
        #expect(shown.provesName && shown.leaf.servesServers)
        #expect(shown.leaf.names == ["clustermesh-apiserver.cilium.io", "*.mesh.cilium.io", "127.0.0.1"])
        #expect(shown.leaf.issuer == "/CN=Cilium CA" && shown.leaf.subject == "/CN=clustermesh-apiserver.cilium.io")
        let print = try directory.must("openssl", "x509", "-in", "ca.crt", "-noout", "-fingerprint", "-sha256")
        #expect(print.lowercased().filter(\.isHexDigit).hasSuffix(own.fingerprint.hex), "people find it with openssl")
        #expect(try ShownChain([der], anchors: [other], name: "west.mesh.cilium.io").trusted.isEmpty)
        #expect(try ShownChain([der], anchors: ["", "garbage", other], name: "x.y").trusted.isEmpty)
        // A leaf is nobody's authority.
        let pem = PEM.encode(try leaf("second"), label: PEM.certificateLabel)
        #expect(try ShownChain([der], anchors: [pem], name: "west.mesh.cilium.io").trusted.isEmpty)
    }

    @Test("a CA that was renewed over its key is as good as before")
    func renewed() throws {
        let der = try leaf()
        try directory.must("openssl", "req", "-x509", "-key", "ca.key", "-out", "renewed.crt", "-subj", "/CN=Cilium CA", "-days", "3650")
        let renewed = try TrustAnchor(pem: try directory.text(of: "renewed.crt"))
        #expect(try ShownChain([der], anchors: [ca, renewed.pem], name: "w.mesh.cilium.io").trusted.count == 2)
    }

    @Test("goes through an intermediate where the server shows it, and only then")
    func intermediate() throws {
        try directory.must(
            "openssl", "req", "-newkey", "rsa:2048", "-nodes", "-keyout", "mid.key", "-out", "mid.csr", "-subj", "/CN=middle")
        try directory.write("basicConstraints=critical,CA:true\nkeyUsage=critical,keyCertSign\n", to: "mid.ext")
        try directory.must(
            "openssl", "x509", "-req", "-in", "mid.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-days", "300", "-extfile",
            "mid.ext", "-out", "mid.crt")
        let der = try leaf(by: "mid")
        let middle = try PEM.decodeOne(try directory.text(of: "mid.crt"), label: PEM.certificateLabel)
        #expect(try ShownChain([der, middle], anchors: [ca], name: "w.mesh.cilium.io").trusted.count == 1)
        #expect(try ShownChain([der], anchors: [ca], name: "w.mesh.cilium.io").trusted.isEmpty)
        // As Go does: whoever trusts the intermediate needs nothing above it.
        #expect(
            try ShownChain([der], anchors: [PEM.encode(middle, label: PEM.certificateLabel)], name: "w.mesh.cilium.io").trusted.count == 1)
    }

    @Test(
        "names count as Go counts them: alternative names only, a wildcard for one whole label",
        arguments: [
            ("DNS:west.mesh.cilium.io", "west.mesh.cilium.io", true), ("DNS:*.mesh.cilium.io", "west.mesh.cilium.io", true),
            ("DNS:*.mesh.cilium.io", "a.west.mesh.cilium.io", false), ("DNS:w*.mesh.cilium.io", "west.mesh.cilium.io", false),
            ("DNS:east.mesh.cilium.io", "west.mesh.cilium.io", false), ("DNS:x.y", "clustermesh-apiserver.cilium.io", false),
            ("IP:10.0.0.7", "10.0.0.7", true), ("DNS:10.0.0.7", "10.0.0.8", false),
        ])
    func names(_ san: String, _ name: String, _ fits: Bool) throws {
        #expect(try ShownChain([try leaf(san: san)], anchors: [ca], name: name).provesName == fits)
    }

    @Test("a certificate for clients only does not serve servers")
    func usage() throws {
        #expect(
            try !ShownChain([try leaf(extra: "extendedKeyUsage=clientAuth")], anchors: [ca], name: "w.mesh.cilium.io").leaf.servesServers)
    }

    @Test("thousands of names are counted and not kept, and texts stay short and printable")
    func bounds() throws {
        let names = (0..<1500).map { "DNS:n\($0).mesh.cilium.io" }.joined(separator: ",")
        let shown = try ShownChain([try leaf(san: names)], anchors: [ca], name: "n1499.mesh.cilium.io")
        #expect(shown.leaf.names.count == ShownCertificate.mostNames && shown.leaf.namesLeftOut == 1500 - ShownCertificate.mostNames)
        #expect(shown.provesName)
        try directory.must(
            "openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "odd.key", "-out", "odd.crt", "-utf8", "-subj",
            "/CN=\u{1b}[31m" + String(repeating: "ü", count: 20) + "/O=" + String(repeating: "x", count: 60), "-days", "30000")
        let odd = try ShownCertificate(der: PEM.decodeOne(try directory.text(of: "odd.crt"), label: PEM.certificateLabel))
        #expect(odd.subject.utf8.count <= ShownCertificate.longestText && odd.subject.utf8.allSatisfy { (0x20..<0x7f).contains($0) })
    }

    @Test("a certificate with any one byte changed is refused or read, and never trusted")
    func mutations() throws {
        let der = try leaf()
        var random = SeededGenerator(state: 7)
        for _ in 0..<600 {
            var broken = der
            let place = Int.random(in: 0..<broken.count, using: &random)
            broken[place] ^= UInt8.random(in: 1...255, using: &random)
            guard let shown = try? ShownChain([broken, der], anchors: [ca], name: "west.mesh.cilium.io") else { continue }
            #expect(shown.trusted.isEmpty, "byte \(place) was changed and it is trusted")
            #expect(shown.leaf.names.count <= ShownCertificate.mostNames)
        }
        #expect(throws: TrustError.self) { try ShownChain([], anchors: [ca], name: "x.y") }
        #expect(throws: TrustError.self) { try ShownChain([Array(der.prefix(40))], anchors: [ca], name: "x.y") }
    }

    @Test("a bundle is read one by one, each once, and what is none is left out")
    func bundles() throws {
        let text = ca + "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n" + other + ca
        #expect(TrustAnchor.all(in: text).map(\.pem) == [try TrustAnchor(pem: ca).pem, try TrustAnchor(pem: other).pem])
        #expect(TrustAnchor.all(in: "").isEmpty)
    }
}
