// SPDX-License-Identifier: Apache-2.0

import MeshModel
import Testing

@testable import MeshTrust

@Suite("SSH signatures")
struct SSHSignatureTests {
    let directory: TrustDirectory
    let text: String

    init() throws {
        directory = try TrustDirectory()
        text = try sampleTerms().text
    }

    @Test(
        "every type of key that ssh-keygen makes without hardware signs, with both hashes",
        arguments: [
            ["-t", "ed25519"], ["-t", "ecdsa", "-b", "256"], ["-t", "ecdsa", "-b", "384"], ["-t", "ecdsa", "-b", "521"],
            ["-t", "rsa", "-b", "2048"], ["-t", "rsa", "-b", "3072"], ["-t", "rsa", "-b", "4096"],
        ], ["sha256", "sha512"])
    func types(_ options: [String], _ hash: String) throws {
        let (status, output) = try directory.run("ssh-keygen", options + ["-q", "-N", "", "-C", "alice", "-f", "key"])
        try #require(status == 0, "\(output)")
        let signature = try SSHSignature(armored: directory.sign(text, key: "key", "-O", "hashalg=\(hash)"))
        #expect(signature.hash == hash && signature.namespace == WarrantTerms.namespace)
        #expect(signature.isValid(over: Array(text.utf8)))
        #expect(!signature.isValid(over: Array(text.utf8) + [0x0a]))
        #expect(!signature.isValid(over: []))
        let shown = try directory.must("ssh-keygen", "-l", "-f", "key.pub")
        #expect(shown.contains("\(signature.key)"))
    }

    @Test("ECDSA numbers of every length are read: many signatures, all good")
    func shortNumbers() throws {
        _ = try directory.makeSSHKey("key", "-t", "ecdsa", "-b", "521")
        for number in 0..<40 {
            let message = "message \(number)"
            #expect(try SSHSignature(armored: directory.sign(message, key: "key")).isValid(over: Array(message.utf8)))
        }
    }

    @Test(
        "keys in FIDO tokens sign, but only with the owner's touch and the counter that was signed",
        arguments: [FakeToken.Kind.ed25519, .ecdsa])
    func tokens(_ kind: FakeToken.Kind) throws {
        let token = try FakeToken(kind, in: directory)
        func valid(_ armored: String) throws -> Bool { try SSHSignature(armored: armored).isValid(over: Array(text.utf8)) }
        #expect(try valid(token.sign(text)))
        #expect(try valid(token.sign(text, flags: 0x05, counter: .max)))
        #expect(try !valid(token.sign(text, flags: 0x00)))
        #expect(try !valid(token.sign(text, flags: 0x04)))
        #expect(try !valid(token.sign(text, claimedCounter: 8)))
        #expect(try !valid(token.sign(text + " ")))
        #expect(throws: SSHMalformed.self) { try SSHSignature(armored: FakeToken(kind, in: directory, application: "web:").sign(text)) }
    }

    @Test(
        "ssh-keygen itself takes the synthesised token signatures, so they are in the real format",
        arguments: [FakeToken.Kind.ed25519, .ecdsa])
    func tokensAreReal(_ kind: FakeToken.Kind) throws {
        let token = try FakeToken(kind, in: directory)
        try directory.write("alice \(token.publicLine)\n", to: "allowed")
        try directory.write(token.sign(text), to: "text.sig")
        let script = "exec ssh-keygen -Y verify -f allowed -I alice -n meshgate-wipe -s text.sig < text"
        try directory.write(text, to: "text")
        let (status, output) = try directory.run("env", ["sh", "-c", script])
        #expect(status == 0, "\(output)")
    }

    @Test("keys that are too weak are refused")
    func weak() throws {
        try directory.must("ssh-keygen", "-t", "rsa", "-b", "1024", "-q", "-N", "", "-f", "key")
        let armored = try directory.sign(text, key: "key")
        #expect(throws: SSHMalformed("an RSA key has 2048 to 8192 bits and not 1024")) { try SSHSignature(armored: armored) }
    }

    @Test("an RSA signature relabelled as ssh-rsa, which means SHA-1, is refused")
    func sha1() throws {
        _ = try directory.makeSSHKey("key", "-t", "rsa", "-b", "2048")
        let blob = try unarmored(directory.sign(text, key: "key"))
        let at = try #require(blob.firstRange(of: SSHWriter.string("rsa-sha2-512")))
        var inner = SSHReader(Array(blob[at.upperBound...]))
        let raw = try inner.string()
        let start = at.lowerBound - 4
        let relabelled = blob[..<start] + SSHWriter.string(SSHWriter.string("ssh-rsa") + SSHWriter.string(raw))
        #expect(throws: SSHMalformed("a signature of format ssh-rsa does not count for a key of type ssh-rsa")) {
            try SSHSignature(blob: Array(relabelled))
        }
        let other = blob[..<start] + SSHWriter.string(SSHWriter.string("rsa-sha2-256") + SSHWriter.string(raw))
        #expect(try !SSHSignature(blob: Array(other)).isValid(over: Array(text.utf8)))
    }

    @Test("no single changed bit of the text or of the signature is accepted", arguments: [["-t", "ed25519"], ["-t", "ecdsa"]])
    func changedBits(_ options: [String]) throws {
        try #require(try directory.run("ssh-keygen", options + ["-q", "-N", "", "-f", "key"]).status == 0)
        let armored = try directory.sign(text, key: "key")
        let signature = try SSHSignature(armored: armored)
        let bytes = Array(text.utf8)
        #expect(signature.isValid(over: bytes))
        let masks: [UInt8] = options.contains("ed25519") ? (0..<8).map { 1 << $0 } : [0x01, 0x80]
        for index in bytes.indices {
            for mask in masks {
                var changed = bytes
                changed[index] ^= mask
                #expect(!signature.isValid(over: changed), "text byte \(index)")
            }
        }
        let blob = try unarmored(armored)
        for index in blob.indices {
            for mask in (0..<8).map({ UInt8(1) << $0 }) {
                var changed = blob
                changed[index] ^= mask
                guard let other = try? SSHSignature(blob: changed) else { continue }
                // A changed namespace or key makes another signature, and that one does not verify either.
                #expect(!other.isValid(over: bytes), "signature byte \(index)")
            }
        }
    }

    @Test("the armour has one form")
    func armour() throws {
        _ = try directory.makeSSHKey("key", "-t", "ed25519")
        let good = try directory.sign(text, key: "key")
        _ = try SSHSignature(armored: good)
        _ = try SSHSignature(armored: String(good.dropLast()))
        let blob = try unarmored(good)
        let bad = [
            "", good + good, good + "\n", "\n" + good, " " + good, good.replacing("\n", with: "\r\n"),
            good.replacing("SSH SIGNATURE", with: "PGP SIGNATURE"),
            good.replacing("-----END", with: "\n-----END"), String(good.dropLast(4)), good + String(repeating: "A", count: 9000),
            armored(blob + [0]), armored(Array(blob.dropLast())), armored([]), armored(Array("SSHSIG".utf8)),
        ]
        for text in bad { #expect(throws: SSHMalformed.self, "\(text.prefix(60))") { try SSHSignature(armored: text) } }
    }

    @Test("lengths that promise more than there is are refused at once")
    func lengths() throws {
        let preamble = Array("SSHSIG".utf8) + SSHWriter.number(1)
        for length: UInt32 in [1, 0x7fff_ffff, 0xffff_ffff] {
            #expect(throws: SSHMalformed("a length in it is larger than what follows")) {
                try SSHSignature(blob: preamble + SSHWriter.number(length))
            }
        }
    }
}
