// SPDX-License-Identifier: Apache-2.0

package import MeshModel

/// A warrant whose signatures were checked. It can only be had from `WarrantVerifier`, so whoever takes one as an argument cannot
/// be called without a person's permission.
package struct VerifiedWarrant: Hashable, Sendable {
    /// What is permitted.
    package let terms: WarrantTerms
    /// The lines of the allowed signers whose keys signed, in the order of the file.
    package let signers: [AllowedSigners.Entry]

    fileprivate init(terms: WarrantTerms, signers: [AllowedSigners.Entry]) {
        self.terms = terms
        self.signers = signers
    }
}

/// Arming terms whose signatures were checked; only from `WarrantVerifier`, as a warrant is.
package struct VerifiedArming: Hashable, Sendable {
    /// What is permitted.
    package let terms: ArmingTerms
    fileprivate init(terms: ArmingTerms) { self.terms = terms }
}

/// Teardown terms whose signatures were checked; only from `WarrantVerifier`, as a warrant is.
package struct VerifiedTeardown: Hashable, Sendable {
    /// What is permitted.
    package let terms: TeardownTerms
    fileprivate init(terms: TeardownTerms) { self.terms = terms }
}

/// Why a warrant permits nothing. `signature` counts from 1.
package enum WarrantRefusal: Error, Hashable, Sendable, CustomStringConvertible {
    case nobodyMaySign
    case tooLarge
    case signatureMalformed(signature: Int, problem: String)
    case wrongNamespace(signature: Int, found: String)
    case unknownSigner(signature: Int, key: String)
    case signerMayNot(signature: Int, principal: String, line: Int)
    case signerOutOfTime(signature: Int, principal: String, line: Int)
    case signatureWrong(signature: Int, principal: String)
    case tooFewSigners(found: Int, wanted: Int)
    case malformedTerms(WarrantTerms.Malformed)
    case notYetValid(Timestamp)
    case expired(Timestamp)

    package var description: String {
        switch self {
        case .nobodyMaySign: "the allowed_signers file of this host lists no key; add one through the host's own configuration"
        case .tooLarge:
            "the signed text is longer than \(WarrantTerms.longestText) bytes or has more than \(WarrantVerifier.mostSignatures) signatures"
        case .signatureMalformed(let signature, let problem): "signature \(signature) is not one that ssh-keygen -Y sign writes: \(problem)"
        case .wrongNamespace(let signature, let found):
            "signature \(signature) was made for the namespace \(found); sign with -n \(WarrantTerms.namespace)"
        case .unknownSigner(let signature, let key):
            "signature \(signature) is by \(key), which is not in the allowed_signers file of this host"
        case .signerMayNot(let signature, let principal, let line):
            "signature \(signature) is by \(principal), whom line \(line) of the allowed_signers file does not let sign warrants"
        case .signerOutOfTime(let signature, let principal, let line):
            "signature \(signature) is by \(principal), whose line \(line) of the allowed_signers file is not valid now"
        case .signatureWrong(let signature, let principal): "signature \(signature) by \(principal) is not over this text"
        case .tooFewSigners(let found, let wanted): "\(wanted) different keys must sign and \(found) did"
        case .malformedTerms(let malformed): "the signed text is not a warrant: \(malformed)"
        case .notYetValid(let time): "the warrant is not valid before \(time)"
        case .expired(let time): "the warrant expired at \(time); make and sign a new one"
        }
    }
}

/// Checks a warrant on the host that would carry it out. Signatures first; then the very bytes that were signed are parsed, and
/// nothing else is.
package enum WarrantVerifier {
    /// More are not looked at.
    package static let mostSignatures = 8

    /// One bad signature refuses the whole: nobody has to ask which of them counted.
    package static func verify(
        _ envelope: WarrantEnvelope, signers: AllowedSigners, now: Timestamp
    ) throws(WarrantRefusal) -> VerifiedWarrant {
        let (text, entries) = try signed(envelope, signers: signers, now: now)
        let terms: WarrantTerms
        do {
            terms = try WarrantTerms(parsing: text)
        } catch {
            throw .malformedTerms(error)
        }
        try inTime(terms.notBefore, terms.notAfter, now)
        return VerifiedWarrant(terms: terms, signers: entries)
    }

    /// The same for terms that arm a wiper: the same signers, the same number of them.
    package static func verifyArming(
        _ envelope: WarrantEnvelope, signers: AllowedSigners, now: Timestamp
    ) throws(WarrantRefusal) -> VerifiedArming {
        let (text, _) = try signed(envelope, signers: signers, now: now)
        let terms: ArmingTerms
        do {
            terms = try ArmingTerms(parsing: text)
        } catch {
            throw .malformedTerms(error)
        }
        try inTime(terms.notBefore, terms.notAfter, now)
        return VerifiedArming(terms: terms)
    }

    /// The same for terms that let a step of a teardown destroy data.
    package static func verifyTeardown(
        _ envelope: WarrantEnvelope, signers: AllowedSigners, now: Timestamp
    ) throws(WarrantRefusal) -> VerifiedTeardown {
        let (text, _) = try signed(envelope, signers: signers, now: now)
        let terms: TeardownTerms
        do {
            terms = try TeardownTerms(parsing: text)
        } catch {
            throw .malformedTerms(error)
        }
        try inTime(terms.notBefore, terms.notAfter, now)
        return VerifiedTeardown(terms: terms)
    }

    /// The very text that enough signers have signed, and who they are.
    private static func signed(
        _ envelope: WarrantEnvelope, signers: AllowedSigners, now: Timestamp
    ) throws(WarrantRefusal) -> (text: String, [AllowedSigners.Entry]) {
        guard !signers.entries.isEmpty else { throw .nobodyMaySign }
        guard envelope.text.utf8.count <= WarrantTerms.longestText, envelope.signatures.count <= mostSignatures else { throw .tooLarge }
        let bytes = Array(envelope.text.utf8)
        var found: Set<Int> = []
        for (index, text) in envelope.signatures.enumerated() {
            found.insert(try verify(text, number: index + 1, over: bytes, signers: signers, now: now).line)
        }
        guard found.count >= signers.threshold else { throw .tooFewSigners(found: found.count, wanted: signers.threshold) }
        return (String(decoding: bytes, as: UTF8.self), signers.entries.filter { found.contains($0.line) })
    }

    private static func inTime(_ notBefore: Timestamp, _ notAfter: Timestamp, _ now: Timestamp) throws(WarrantRefusal) {
        guard now >= notBefore else { throw .notYetValid(notBefore) }
        guard now < notAfter else { throw .expired(notAfter) }
    }

    /// The line of the signer. A key stands on one line only, so counting lines counts keys.
    static func verify(
        _ text: String, number: Int, over bytes: [UInt8], signers: AllowedSigners, now: Timestamp
    ) throws(WarrantRefusal) -> AllowedSigners.Entry {
        let signature: SSHSignature
        do {
            signature = try SSHSignature(armored: text)
        } catch {
            throw .signatureMalformed(signature: number, problem: error.problem)
        }
        guard signature.namespace == WarrantTerms.namespace else { throw .wrongNamespace(signature: number, found: signature.namespace) }
        guard let entry = signers.entry(for: signature.key) else { throw .unknownSigner(signature: number, key: "\(signature.key)") }
        let principal = entry.principals.joined(separator: ",")
        guard entry.allows(namespace: WarrantTerms.namespace) else {
            throw .signerMayNot(signature: number, principal: principal, line: entry.line)
        }
        guard entry.validAfter.map({ now >= $0 }) ?? true, entry.validBefore.map({ now < $0 }) ?? true else {
            throw .signerOutOfTime(signature: number, principal: principal, line: entry.line)
        }
        guard signature.isValid(over: bytes) else { throw .signatureWrong(signature: number, principal: principal) }
        return entry
    }
}
