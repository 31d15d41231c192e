// SPDX-License-Identifier: Apache-2.0

import Foundation
import MeshModel
import Testing

@testable import MeshTrust

/// Thousands of damaged inputs, the same ones on every machine: nothing may crash, and nothing that differs from what was signed
/// may be accepted. Serialized, because two of them look at the memory of the whole process.
@Suite("Damaged input", .serialized)
struct MutationTests {
    private var generator = SeededGenerator(state: 20_261_123)

    private mutating func damaged(_ original: [UInt8]) -> [UInt8] {
        var bytes = original
        for _ in 0...Int.random(in: 0..<4, using: &generator) {
            let index = bytes.isEmpty ? 0 : Int.random(in: 0..<bytes.count, using: &generator)
            let interesting: [UInt8] = [0x00, 0x01, 0x7f, 0x80, 0x81, 0x82, 0x84, 0xff, 0x30, 0x02, 0x0a, 0x20, 0x22, 0x2c]
            switch Int.random(in: 0..<7, using: &generator) {
            case 0 where !bytes.isEmpty: bytes[index] ^= 1 << UInt8.random(in: 0..<8, using: &generator)
            case 1 where !bytes.isEmpty: bytes[index] = interesting.randomElement(using: &generator) ?? 0
            case 2 where !bytes.isEmpty: bytes.remove(at: index)
            case 3: bytes.insert(interesting.randomElement(using: &generator) ?? 0, at: index)
            case 4: bytes.removeSubrange(index..<min(bytes.count, index + Int.random(in: 0..<40, using: &generator)))
            case 5: bytes.insert(contentsOf: bytes[index..<min(bytes.count, index + 24)], at: index)
            default: bytes = Array(bytes[..<index]) + (Bool.random(using: &generator) ? [] : Array(original[min(index, original.count)...]))
            }
        }
        return bytes
    }

    @Test("SSH signatures")
    mutating func signatures() throws {
        let directory = try TrustDirectory()
        let text = try sampleTerms().text
        for type in ["ed25519", "ecdsa", "rsa"] {
            let line = try directory.makeSSHKey(type, "-t", type)
            let signers = try AllowedSigners(parsing: "alice \(line)\n")
            let armor = try directory.sign(text, key: type)
            let blob = try unarmored(armor)
            _ = try WarrantVerifier.verify(WarrantEnvelope(text: text, signatures: [armor]), signers: signers, now: noon)
            for _ in 0..<3000 {
                let other = damaged(blob)
                if other == blob { continue }
                #expect(throws: WarrantRefusal.self) {
                    try WarrantVerifier.verify(WarrantEnvelope(text: text, signatures: [armored(other)]), signers: signers, now: noon)
                }
                let otherArmor = String(decoding: damaged(Array(armor.utf8)), as: UTF8.self)
                // Another width of lines or a lost last newline is the same signature.
                if let content = try? unarmored(otherArmor), content == blob { continue }
                #expect(throws: WarrantRefusal.self) {
                    try WarrantVerifier.verify(WarrantEnvelope(text: text, signatures: [otherArmor]), signers: signers, now: noon)
                }
            }
        }
    }

    @Test("allowed_signers files: what is still read is within bounds")
    mutating func signers() throws {
        let directory = try TrustDirectory()
        let alice = try directory.makeSSHKey("alice", "-t", "ed25519")
        let bob = try directory.makeSSHKey("bob", "-t", "ecdsa")
        let file = Array(
            """
            # meshgate: signatures 2
            "alice,al@example.com" namespaces="git,meshgate-wipe",valid-after="20260101Z",valid-before="20281231235959Z" \(alice)
            bob \(bob)

            """.utf8)
        let original = try AllowedSigners(parsing: String(decoding: file, as: UTF8.self))
        let points = original.entries.map(\.key.blob)
        var read = 0
        for _ in 0..<6000 {
            guard let other = try? AllowedSigners(parsing: String(decoding: damaged(file), as: UTF8.self)) else { continue }
            read += 1
            #expect((1...AllowedSigners.largestThreshold).contains(other.threshold))
            #expect(other.entries.count <= 4)
            // Damage inside the base64 may still spell some key, but then one of the same type and length.
            #expect(other.entries.allSatisfy { entry in points.contains { $0.count == entry.key.blob.count } })
        }
        #expect(read > 0)
    }

    @Test("certificate requests")
    mutating func requests() throws {
        let der = try CertificateSigningRequest.make(key: .generate(), commonName: "wrk-e-1").der
        for _ in 0..<6000 {
            let other = damaged(der)
            if other == der { continue }
            #expect(throws: TrustError.self) { try CertificateSigningRequest(der: other).judge() }
        }
    }

    @Test("peers' certificates")
    mutating func peers() throws {
        let authority = try TestAuthority()
        let key = try PrivateKey.generate()
        let agent = try authority.issue(.agent(mesh: "east", node("wrk-e-1")), for: key).der
        let joiner = try Certificate.makeSelfSigned(key: key, commonName: "a", notBefore: at(-60), notAfter: at(60)).der
        for round in 0..<6000 {
            let other = damaged(agent)
            if other != agent,
                case .success = PeerJudge.judge(
                    round.isMultiple(of: 2) ? [other] : [other, authority.root.der], roots: [authority.root], as: .agent, mesh: "east",
                    now: noon,
                    isRevoked: { _ in false })
            {
                Issue.record("a damaged certificate was accepted: \(encodeHex(other))")
            }
            let otherJoiner = damaged(joiner)
            if otherJoiner != joiner, case .success = PeerJudge.judgeJoiner([otherJoiner], now: noon) {
                Issue.record("a damaged joiner was accepted: \(encodeHex(otherJoiner))")
            }
        }
    }

    @Test("nothing is kept after a judgement, good or bad", .disabled(if: runsUnderSanitizer, "a sanitizer keeps freed memory"))
    mutating func keepsNothing() throws {
        let directory = try TrustDirectory()
        let text = try sampleTerms().text
        let signers = try AllowedSigners(parsing: "alice \(directory.makeSSHKey("alice", "-t", "ecdsa"))\n")
        let envelope = try WarrantEnvelope(text: text, signatures: [directory.sign(text, key: "alice")])
        let authority = try TestAuthority()
        let key = try PrivateKey.generate()
        let agent = try authority.issue(.agent(mesh: "east", node("wrk-e-1")), for: key).der
        func work(_ rounds: Int) throws {
            for round in 0..<rounds {
                let chain = [round.isMultiple(of: 2) ? agent : Array(agent.dropLast(round % 300)), authority.root.der]
                _ = PeerJudge.judge(chain, roots: [authority.root], as: .agent, mesh: "east", now: noon, isRevoked: { _ in false })
                _ = try WarrantVerifier.verify(envelope, signers: signers, now: noon)
                let request = try CertificateSigningRequest.make(key: .generate(), commonName: "a")
                _ = try authority.issue(.agent(mesh: "east", node("wrk-e-1")), for: key)
                _ = try PrivateKey(pem: key.pem).sign(request.der, for: .session)
                _ = try request.judge()
            }
        }
        try work(200)
        // 400 rounds that each lost one object of 1 KiB would cost 100 pages, every time; other tests, which run beside this one,
        // cost some once.
        var growth: [Int] = []
        repeat {
            let before = try residentPages()
            try work(400)
            growth.append(try residentPages() - before)
        } while growth.count < 5 && growth.allSatisfy { $0 >= 50 }
        #expect(growth.contains { $0 < 50 }, "grew by \(growth) pages")
    }

    private func residentPages() throws -> Int {
        let fields = try String(contentsOfFile: "/proc/self/statm", encoding: .utf8).split(separator: " ")
        return try #require(Int(fields[1]))
    }
}

/// AddressSanitizer reserves terabytes of address space for its shadow; nothing else here does.
private var runsUnderSanitizer: Bool {
    let pages = (try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8))?.split(separator: " ").first.flatMap { Int($0) }
    return (pages ?? 0) > 1 << 28
}
