// SPDX-License-Identifier: Apache-2.0

package import MeshSystem

/// Secrets in one directory of ours, a file each: mode 0600, replaced in one step.
package struct FileSecretStore: SecretStore {
    private let directory: String
    private let files: any FileStore
    private static let longest = 1 << 20

    package init(directory: String, files: any FileStore) {
        self.directory = directory
        self.files = files
    }

    package func names() async throws -> Set<String> {
        // Names of other forms are somebody else's files.
        Set((try files.list(directory) ?? []).filter { (try? checkSecretNames([$0])) != nil })
    }

    package func read(_ names: Set<String>) async throws -> [String: Secret] {
        try checkSecretNames(names)
        var secrets: [String: Secret] = [:]
        for name in names {
            guard let bytes = try files.read(directory + "/" + name, limit: Self.longest) else { continue }
            secrets[name] = Secret(String(decoding: bytes, as: UTF8.self))
        }
        return secrets
    }

    package func write(_ secrets: [String: Secret]) async throws {
        try checkSecretNames(secrets.keys)
        try files.createDirectory(directory)
        for (name, secret) in secrets { try files.write(Array(secret.revealed().utf8), to: directory + "/" + name) }
    }

    package func delete(_ names: Set<String>) async throws {
        try checkSecretNames(names)
        for name in names { try files.remove(directory + "/" + name) }
    }
}

/// Secrets that whoever starts the coordinator puts into its environment. They can be read by name, and neither listed nor changed.
package struct EnvironmentSecretStore: SecretStore {
    private let lookUp: @Sendable (String) -> String?

    package init(lookUp: @escaping @Sendable (String) -> String?) { self.lookUp = lookUp }

    package func names() async throws -> Set<String> { throw SecretError.readOnly("the environment has no list of secrets, and") }

    package func read(_ names: Set<String>) async throws -> [String: Secret] {
        try checkSecretNames(names)
        var secrets: [String: Secret] = [:]
        for name in names { secrets[name] = lookUp(name).map { Secret($0) } }
        return secrets
    }

    package func write(_ secrets: [String: Secret]) async throws { throw SecretError.readOnly("the environment") }
    package func delete(_ names: Set<String>) async throws { throw SecretError.readOnly("the environment") }
}
