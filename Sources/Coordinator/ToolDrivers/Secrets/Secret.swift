// SPDX-License-Identifier: Apache-2.0

package import MeshModel
import MeshTrust

/// A value that must not be seen. It says nothing of itself in any description, dump, mirror or JSON; whoever needs it asks by name.
package struct Secret: Sendable, CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    private let value: String

    package init(_ value: String) { self.value = value }

    /// The value itself, for the one place that hands it on.
    package func revealed() -> String { value }
    /// What two places compare instead of the value.
    package var digest: Digest { Digest.sha256(Array(value.utf8)) }

    package var description: String { Redactor.mark }
    package var debugDescription: String { Redactor.mark }
    package var customMirror: Mirror { Mirror(self, children: []) }
}

/// A place for secrets. The port; `DopplerStore`, `FileSecretStore` and `EnvironmentSecretStore` are the real ones.
package protocol SecretStore: Sendable {
    /// What the store holds, by name only.
    func names() async throws -> Set<String>
    /// Those of `names` that it holds.
    func read(_ names: Set<String>) async throws -> [String: Secret]
    /// All of them or, after an error, nobody knows which: the caller reads back.
    func write(_ secrets: [String: Secret]) async throws
    /// One that is not there is no obstacle.
    func delete(_ names: Set<String>) async throws
}

extension SecretStore {
    /// The names whose value in the store is not the wanted one (G-SEC-01): an answer of "written" is not believed, digests are compared.
    package func differing(from wanted: [String: Secret]) async throws -> Set<String> {
        let have = try await read(Set(wanted.keys))
        return Set(wanted.filter { have[$0.key]?.digest != $0.value.digest }.keys)
    }

    /// Writes what differs and reads it back; the names that differ even then.
    package func settle(_ wanted: [String: Secret]) async throws -> Set<String> {
        let missing = try await differing(from: wanted)
        guard !missing.isEmpty else { return [] }
        try await write(wanted.filter { missing.contains($0.key) })
        return try await differing(from: wanted.filter { missing.contains($0.key) })
    }
}

/// What went wrong with a store. No case carries a value.
package enum SecretError: Error, Hashable, Sendable, CustomStringConvertible {
    case badName(String)
    case noToken(variable: String)
    case uselessToken(kind: String)
    case unauthorised(kind: String)
    case forbidden(kind: String, messages: String)
    case restricted(Set<String>, kind: String)
    case limited(tries: Int)
    case answered(status: Int, messages: String)
    case unreadable(String)
    case readOnly(String)

    package var description: String {
        switch self {
        case .badName(let name): "\"\(name)\" is no name for a secret; it wants A-Z, 0-9 and '_', beginning with a letter"
        case .noToken(let variable): "there is no Doppler token in \(variable)"
        case .uselessToken(let kind): "a \(kind) cannot reach secrets; use a service token (dp.st.) or a service account's (dp.sa.)"
        case .unauthorised(let kind): "Doppler does not know this \(kind) (any more); make a new one"
        case .forbidden(let kind, let messages): "Doppler does not let this \(kind) do that: \(messages)"
        case .restricted(let names, let kind):
            "\(names.sorted().joined(separator: ", ")) are restricted and not shown to a \(kind); use a service token (dp.st.) of this config"
        case .limited(let tries): "Doppler asked to wait \(tries) times in a row; try again later"
        case .answered(let status, let messages): "Doppler answered with \(status): \(messages)"
        case .unreadable(let what): "\(what) from Doppler is not in the form this version understands"
        case .readOnly(let place): "\(place) can be read only"
        }
    }
}

/// Names as all three stores take them.
func checkSecretNames(_ names: some Sequence<String>) throws(SecretError) {
    for name in names {
        let isGood =
            !name.isEmpty && name.utf8.count <= 200 && (0x41...0x5a).contains(name.utf8.first ?? 0)
            && name.utf8.allSatisfy { (0x41...0x5a).contains($0) || (0x30...0x39).contains($0) || $0 == 0x5f }
        guard isGood else { throw .badName(String(name.prefix(64))) }
    }
}
