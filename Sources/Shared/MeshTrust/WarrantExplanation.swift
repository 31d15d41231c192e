// SPDX-License-Identifier: Apache-2.0

package import MeshModel

/// A warrant judged rule by rule, for a person: each rule with what was found, whether or not an earlier one failed. The verdict itself is
/// `WarrantVerifier`'s, and a test holds the two together.
package struct WarrantExplanation: Hashable, Sendable {
    /// One rule and what was found.
    package struct Finding: Hashable, Sendable, Codable {
        package var holds: Bool
        package var words: String
    }

    package let findings: [Finding]
    /// Absent when the text is not a warrant.
    package let terms: WarrantTerms?
    package var holds: Bool { findings.allSatisfy(\.holds) }

    package init(_ envelope: WarrantEnvelope, signers: AllowedSigners, now: Timestamp) {
        var findings: [Finding] = []
        func find(_ holds: Bool, _ words: String) { findings.append(Finding(holds: holds, words: words)) }
        let size = envelope.text.utf8.count
        find(size <= WarrantTerms.longestText, "the text has \(size) bytes, at most \(WarrantTerms.longestText) are taken")
        find(
            envelope.signatures.count <= WarrantVerifier.mostSignatures,
            "\(envelope.signatures.count) signatures, at most \(WarrantVerifier.mostSignatures) are looked at")
        find(!signers.entries.isEmpty, "the allowed_signers file lists \(signers.entries.count) keys")
        var lines: Set<Int> = []
        for (index, text) in envelope.signatures.enumerated() {
            do throws(WarrantRefusal) {
                let entry = try WarrantVerifier.verify(text, number: index + 1, over: Array(envelope.text.utf8), signers: signers, now: now)
                lines.insert(entry.line)
                find(
                    true,
                    "signature \(index + 1) is by \(entry.principals.joined(separator: ",")) (line \(entry.line), \(entry.key.type), \(entry.key))"
                )
            } catch {
                find(false, "\(error)")
            }
        }
        find(lines.count >= signers.threshold, "\(lines.count) different keys signed, \(signers.threshold) must")
        do throws(WarrantTerms.Malformed) {
            let terms = try WarrantTerms(parsing: envelope.text)
            find(true, "the text is a warrant of form \(WarrantTerms.magic)")
            find(now >= terms.notBefore, "it is valid from \(terms.notBefore); it is \(now) here")
            find(now < terms.notAfter, "it is valid until \(terms.notAfter)")
            self.terms = terms
        } catch {
            find(false, "the text is not a warrant: \(error)")
            terms = nil
        }
        self.findings = findings
    }

    /// What only the host can judge, in words.
    package static let leftToTheHost = [
        "whether node, agent key and boot are this host's own",
        "whether its replay store is the one that is named, and knows the warrant as unspent",
        "whether the disk is there under this identity, is used by nobody, and holds what the warrant lists",
    ]
}
