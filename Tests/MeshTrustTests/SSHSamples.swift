// SPDX-License-Identifier: Apache-2.0

import MeshModel
import Testing

@testable import MeshTrust

/// Signatures of FIDO tokens, made without a token: the bytes of OpenSSH's PROTOCOL.u2f, signed by `openssl`.
struct FakeToken {
    enum Kind { case ed25519, ecdsa }

    let directory: TrustDirectory
    let kind: Kind
    let application: String
    let point: [UInt8]
    let name: String

    init(_ kind: Kind, in directory: TrustDirectory, application: String = "ssh:") throws {
        self.directory = directory
        self.kind = kind
        self.application = application
        name = kind == .ed25519 ? "token-ed25519" : "token-ecdsa"
        let algorithm = kind == .ed25519 ? ["ed25519"] : ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
        let (status, output) = try directory.run("openssl", ["genpkey", "-algorithm"] + algorithm + ["-out", name])
        #expect(status == 0, "\(output)")
        try directory.must("openssl", "pkey", "-in", name, "-pubout", "-outform", "DER", "-out", name + ".der")
        point = try directory.bytes(of: name + ".der").suffix(kind == .ed25519 ? 32 : 65)
    }

    var type: String { kind == .ed25519 ? "sk-ssh-ed25519@openssh.com" : "sk-ecdsa-sha2-nistp256@openssh.com" }

    var blob: [UInt8] {
        SSHWriter.string(type) + (kind == .ed25519 ? [] : SSHWriter.string("nistp256")) + SSHWriter.string(point)
            + SSHWriter.string(application)
    }

    var publicLine: String { "\(type) \(Base64.encode(blob)) token" }

    func sign(_ message: String, flags: UInt8 = 0x01, counter: UInt32 = 7, claimedCounter: UInt32? = nil) throws -> String {
        let body = SSHWriter.string(WarrantTerms.namespace) + SSHWriter.string("") + SSHWriter.string("sha256")
        let signed = Array("SSHSIG".utf8) + body + SSHWriter.string(Digest.sha256(message.utf8).bytes)
        let toSign =
            Digest.sha256(application.utf8).bytes + [flags] + SSHWriter.number(counter) + Digest.sha256(signed).bytes
        try directory.write(toSign, to: "to-sign")
        let inner: [UInt8]
        switch kind {
        case .ed25519:
            try directory.must("openssl", "pkeyutl", "-sign", "-rawin", "-inkey", name, "-in", "to-sign", "-out", "signed")
            inner = try directory.bytes(of: "signed")
        case .ecdsa:
            try directory.must("openssl", "dgst", "-sha256", "-sign", name, "-out", "signed", "to-sign")
            inner = try sshNumbers(directory.bytes(of: "signed"))
        }
        let signature =
            SSHWriter.string(type) + SSHWriter.string(inner) + [flags] + SSHWriter.number(claimedCounter ?? counter)
        return armored(
            Array("SSHSIG".utf8) + SSHWriter.number(1) + SSHWriter.string(blob) + body + SSHWriter.string(signature))
    }

    /// DER `SEQUENCE { r, s }` as two mpints; the contents of a DER INTEGER are those of an mpint.
    private func sshNumbers(_ der: [UInt8]) throws -> [UInt8] {
        var outer = DERReader(der[...])
        let content = outer.next(0x30)?.content
        var reader = DERReader(try #require(content))
        let numbers = [reader.next(0x02), reader.next(0x02)].compactMap { $0?.content }
        try #require(numbers.count == 2)
        return numbers.flatMap { SSHWriter.string(Array($0)) }
    }
}

func armored(_ blob: [UInt8]) -> String {
    PEM.encode(blob, label: "SSH SIGNATURE")
}

/// The binary content of an armored signature.
func unarmored(_ text: String) throws -> [UInt8] {
    try PEM.decodeOne(text, label: "SSH SIGNATURE")
}

/// Terms of a warrant that is valid around noon.
func sampleTerms() throws -> WarrantTerms {
    WarrantTerms(
        mesh: "east", id: try #require(WarrantID(String(repeating: "0a", count: 16))), plan: .sha256([1]),
        step: StepID("talos-east", "wrk-e-1", "wipe-vdb"), node: try node("wrk-e-1"), nodeKey: .sha256([2]),
        boot: try #require(BootID("7d7b6f3e-62b4-4c04-9d3a-111111111111")),
        store: ReplayStoreMark(id: try #require(ReplayStoreID(String(repeating: "5e", count: 16))), records: 3),
        disk: DiskIdentity(
            kind: .virtio, serial: "OSD-E-1", wwid: nil, sizeInBytes: 137_438_953_472, sectorSize: 512,
            path: "/devices/pci0000:00/0000:00:0b.0/virtio4", sequence: 14),
        holds: ["gpt at byte 512: GPT with 1 partition", "ext4 at byte 1049656: partition 1: ext4 'data01'"], fingerprint: .sha256([3]),
        method: .labels, notBefore: at(-60), notAfter: at(900))
}
