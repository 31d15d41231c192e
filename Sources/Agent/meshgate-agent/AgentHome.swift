// SPDX-License-Identifier: Apache-2.0

import AgentLink
import Glibc
import MeshModel
import MeshSystem
import MeshTrust

/// What makes this host a member of a mesh: who it is there, its key and certificate, and the only roots it trusts.
struct Membership: Sendable {
    var mesh: String
    var node: NodeID
    var coordinator: Endpoint
    var key: PrivateKey
    /// Leaf first.
    var chain: [Certificate]
    var roots: [Certificate]
}

/// The agent's state directory, mode 0700.
///
///     identity.pem   the membership: one file, replaced as a whole, so that key, certificate and roots always fit together
///     join.key       the key of a join that has not succeeded yet; the token stays bound to it, so a retry must use it again
struct AgentHome: Sendable {
    let path: String
    private let files = LinuxFileStore()
    private static let rootLabel = "MESHGATE TRUSTED ROOT"
    private static let limit = 256 << 10

    init(_ path: String) throws {
        self.path = path
        try Self.reporting { try LinuxFileStore().createDirectory(path) }
    }

    private var identityPath: String { path + "/identity.pem" }
    private var joinKeyPath: String { path + "/join.key" }

    /// Keeps a second agent out of this directory for as long as the value lives.
    func lock() throws -> DirectoryLock { try Self.reporting { try DirectoryLock(directory: path) } }

    /// `nil` when this host has not joined.
    func membership() throws -> Membership? {
        guard let bytes = try Self.reporting({ try files.read(identityPath, limit: Self.limit) }) else { return nil }
        do {
            return try parse(String(decoding: bytes, as: UTF8.self))
        } catch {
            throw AgentFailure(.configuration, "cannot take the identity in \(identityPath): \(error); join again with --again")
        }
    }

    func keep(_ membership: Membership) throws {
        var text = "mesh = \(membership.mesh)\nnode = \(membership.node)\ncoordinator = \(membership.coordinator)\n"
        text += try membership.key.pem
        text += membership.chain.map(\.pem).joined()
        text += membership.roots.map { PEM.encode($0.der, label: Self.rootLabel) }.joined()
        try Self.reporting { try files.write(Array(text.utf8), to: identityPath) }
        try Self.reporting { try files.remove(joinKeyPath) }
    }

    var outboxPath: String { path + "/outbox" }
    /// The spool's own directory.
    var spoolPath: String { path + "/telemetry" }
    var statePath: String { path + "/state" }
    /// How far Tetragon's counters of losses were told.
    var tetragonCountersPath: String { path + "/tetragon.counters" }

    /// Epoch, journal head and unsent reports belong to one authority: under another they would make every session look like a fork.
    func forget(unlessOf membership: Membership) throws {
        guard let old = try? self.membership(), Set(old.roots).isDisjoint(with: membership.roots) else { return }
        try Self.reporting { try files.remove(outboxPath) }
        try Self.reporting { try files.remove(statePath) }
    }

    /// The key of the join under way, made when there is none.
    func joinKey() throws -> PrivateKey {
        if let bytes = try Self.reporting({ try files.read(joinKeyPath, limit: 4096) }) {
            do {
                return try PrivateKey(pem: String(decoding: bytes, as: UTF8.self))
            } catch {
                throw AgentFailure(
                    .configuration, "cannot take the key in \(joinKeyPath): \(error); remove the file and join with a new token")
            }
        }
        let key = try PrivateKey.generate()
        let pem = try key.pem
        try Self.reporting { try files.write(Array(pem.utf8), to: joinKeyPath) }
        return key
    }

    private struct Damage: Error, CustomStringConvertible {
        let description: String
    }

    private func parse(_ text: String) throws -> Membership {
        var fields: [Substring: Substring] = [:]
        for line in text.split(separator: "\n") {
            if line.hasPrefix("-----BEGIN") { break }
            guard let sign = line.firstRange(of: " = ") else { throw Damage(description: "its head is not `key = value`") }
            fields[line[..<sign.lowerBound]] = line[sign.upperBound...]
        }
        guard let mesh = fields["mesh"].flatMap({ ClusterName(String($0)) }), let node = fields["node"].flatMap({ NodeID(String($0)) }),
            let coordinator = fields["coordinator"].flatMap({ Endpoint(String($0)) })
        else { throw Damage(description: "mesh, node or coordinator is missing in its head") }
        let key = try PrivateKey(pem: text)
        let chain = try PEM.decode(text, label: PEM.certificateLabel).map { try Certificate(der: $0) }
        let roots = try PEM.decode(text, label: Self.rootLabel).map { try Certificate(der: $0) }
        guard let leaf = chain.first, !roots.isEmpty else { throw Damage(description: "a certificate or a root is missing") }
        guard leaf.publicKey == key.publicKey else { throw Damage(description: "key and certificate do not belong together") }
        return Membership(mesh: mesh.text, node: node, coordinator: coordinator, key: key, chain: chain, roots: roots)
    }

    /// Trouble with files is exit 74, or 77 when it is about permission.
    static func reporting<Value>(_ body: () throws -> Value) throws -> Value {
        do {
            return try body()
        } catch let error as SystemError {
            throw AgentFailure(error.isAboutPermission ? .notPermitted : .inputOutput, "\(error)")
        }
    }
}

extension SystemError {
    var isAboutPermission: Bool {
        switch self {
        case .failed(_, _, let number), .commandNotStarted(_, _, let number): number == EACCES || number == EPERM
        case .notOurs: true
        case .unexpectedContent, .notRegularFile, .fileTooLarge, .notAbsolute, .lockHeld, .commandNotFound, .commandMalformed, .gzip: false
        }
    }
}
