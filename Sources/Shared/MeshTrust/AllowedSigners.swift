// SPDX-License-Identifier: Apache-2.0

package import MeshModel

/// Who may sign warrants: OpenSSH's `allowed_signers` format (ssh-keygen(1)), read strictly, with one line of ours, `# meshgate:
/// signatures 2`, that says how many different keys a warrant needs (1 when it is absent).
package struct AllowedSigners: Hashable, Sendable {
    /// One line: a key, whose it is, and what it may sign when.
    package struct Entry: Hashable, Sendable {
        package let line: Int
        package let principals: [String]
        package let key: SSHPublicKey
        /// Nil when the line has no `namespaces=`: the key may sign anything.
        package let namespaces: [String]?
        package let validAfter: Timestamp?
        package let validBefore: Timestamp?

        func allows(namespace: String) -> Bool { namespaces?.contains(namespace) ?? true }
    }

    /// Everything that is wrong with a file, each with its line. A file with a fault permits nothing.
    package struct Faults: Error, Hashable, Sendable, CustomStringConvertible {
        /// One thing that is wrong, and where.
        package struct Fault: Hashable, Sendable, CustomStringConvertible {
            package let line: Int
            package let problem: String
            package var description: String { "line \(line): \(problem)" }
        }
        package let faults: [Fault]
        package var description: String {
            "cannot take this allowed_signers file: " + faults.map(\.description).joined(separator: "; ")
        }
    }

    package let entries: [Entry]
    /// How many different keys must sign.
    package let threshold: Int

    /// In bytes.
    package static let longestText = 256 << 10
    /// More keys than this nobody gathers within the hour that a warrant is valid.
    package static let largestThreshold = 8

    /// The line of a key, if it has one.
    package func entry(for key: SSHPublicKey) -> Entry? { entries.first { $0.key == key } }

    /// Reads the whole file, or reports everything that is wrong with it.
    package init(parsing text: String) throws(Faults) {
        guard text.utf8.count <= Self.longestText else {
            throw Faults(faults: [.init(line: 1, problem: "the file is longer than \(Self.longestText) bytes")])
        }
        var faults: [Faults.Fault] = []
        var entries: [Entry] = []
        var policy: (line: Int, threshold: Int)?
        for (index, bytes) in text.utf8.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).enumerated() {
            let line = index + 1
            do throws(SSHMalformed) {
                switch try SignerLine(Array(bytes), number: line) {
                case .nothing: continue
                case .threshold(let number):
                    if let policy { throw SSHMalformed("\"# meshgate: signatures\" already stands on line \(policy.line)") }
                    policy = (line, number)
                case .entry(let entry):
                    if let other = entries.first(where: { $0.key == entry.key }) {
                        throw SSHMalformed("the same key already stands on line \(other.line)")
                    }
                    entries.append(entry)
                }
            } catch {
                faults.append(.init(line: line, problem: error.problem))
            }
        }
        if let policy, !entries.isEmpty, policy.threshold > entries.count(where: { $0.allows(namespace: WarrantTerms.namespace) }) {
            faults.append(
                .init(
                    line: policy.line,
                    problem: "\(policy.threshold) signatures are wanted and fewer keys may make them"))
        }
        guard faults.isEmpty else { throw Faults(faults: faults) }
        self.entries = entries
        threshold = policy?.threshold ?? 1
    }
}
