// SPDX-License-Identifier: Apache-2.0

package import MeshModel
package import MeshSystem
package import MeshTrust

/// The mesh's own CA, made at the first start and kept in the state directory: who may be an agent, the coordinator, an operator.
package struct CertificateAuthority: Sendable {
    package let mesh: String
    package let root: Certificate
    private let key: PrivateKey

    /// What agents pin before they have any certificate: SHA-256 of the root's public key.
    package var pin: Digest { root.spkiDigest }

    private static let rootLife = Duration.seconds(10 * 365 * 86_400)
    package static let agentLife = Duration.seconds(90 * 86_400)
    package static let coordinatorLife = Duration.seconds(90 * 86_400)
    /// An operator's certificate is not revoked one by one: an admin's is short, a viewer's may last.
    package static func operatorLife(_ role: OperatorRole) -> Duration { .seconds(role == .admin ? 86_400 : 30 * 86_400) }
    /// Certificates begin a little in the past: the other side's clock may be behind ours.
    private static let backdate = Duration.seconds(-300)

    /// Opens the authority in `directory`, or makes it when there is none.
    package static func open(directory: String, mesh: String, files: some FileStore, now: Timestamp) throws -> CertificateAuthority {
        let keyPath = directory + "/ca.key"
        let rootPath = directory + "/ca.crt"
        let storedKey: [UInt8]?
        let storedRoot: [UInt8]?
        let storedMesh: [UInt8]?
        do {
            try files.createDirectory(directory)
            storedKey = try files.read(keyPath, limit: 64 << 10)
            storedRoot = try files.read(rootPath, limit: 64 << 10)
            storedMesh = try files.read(directory + "/mesh", limit: 1 << 10)
        } catch {
            throw AuthorityError.unreadable(path: directory, cause: error)
        }
        if let storedMesh, String(decoding: storedMesh, as: UTF8.self) != mesh {
            throw AuthorityError.otherMesh(path: directory, found: String(decoding: storedMesh, as: UTF8.self), wanted: mesh)
        }
        // The mesh's name is written last: where it stands, an authority was complete, and making another would orphan every agent.
        if storedMesh != nil, storedKey == nil || storedRoot == nil {
            throw AuthorityError.damaged(path: directory, problem: "\(storedKey == nil ? "ca.key" : "ca.crt") is missing")
        }
        switch (storedKey, storedRoot) {
        case (nil, nil): return try make(directory: directory, mesh: mesh, files: files, now: now)
        case (let key?, let root?): return try load(key: key, root: root, path: rootPath, mesh: mesh, now: now)
        // The key is written first: without a certificate nobody has been told of it.
        case (.some, nil): return try make(directory: directory, mesh: mesh, files: files, now: now)
        case (nil, .some): throw AuthorityError.damaged(path: keyPath, problem: "the key is missing while the certificate is there")
        }
    }

    private static func make(directory: String, mesh: String, files: some FileStore, now: Timestamp) throws -> CertificateAuthority {
        let key = try PrivateKey.generate()
        let root = try Certificate.makeRoot(
            key: key, name: rootName(mesh), notBefore: now + backdate, notAfter: now + rootLife)
        do {
            try files.write(Array(try key.pem.utf8), to: directory + "/ca.key")
            try files.write(Array(root.pem.utf8), to: directory + "/ca.crt", mode: 0o644)
            try files.write(Array(mesh.utf8), to: directory + "/mesh")
        } catch {
            throw AuthorityError.unreadable(path: directory, cause: error)
        }
        return CertificateAuthority(mesh: mesh, root: root, key: key)
    }

    private static func load(key: [UInt8], root: [UInt8], path: String, mesh: String, now: Timestamp) throws -> CertificateAuthority {
        let loadedKey: PrivateKey
        let certificate: Certificate
        do {
            loadedKey = try PrivateKey(pem: String(decoding: key, as: UTF8.self))
            certificate = try Certificate(pem: String(decoding: root, as: UTF8.self))
        } catch {
            throw AuthorityError.damaged(path: path, problem: "\(error)")
        }
        guard loadedKey.publicKey == certificate.publicKey else {
            throw AuthorityError.damaged(path: path, problem: "key and certificate do not belong together")
        }
        guard now < certificate.notAfter else { throw AuthorityError.expired(certificate.notAfter) }
        return CertificateAuthority(mesh: mesh, root: certificate, key: loadedKey)
    }

    private static func rootName(_ mesh: String) -> String { "meshgate \(mesh)" }

    private init(mesh: String, root: Certificate, key: PrivateKey) {
        self.mesh = mesh
        self.root = root
        self.key = key
    }

    package func issueAgent(_ node: NodeID, key subject: PublicKey, now: Timestamp) throws -> Certificate {
        try issue(subject, .agent(mesh: mesh, node), life: Self.agentLife, now: now)
    }

    package func issueCoordinator(
        dnsNames: [String], addresses: [IPAddress], key subject: PublicKey, now: Timestamp
    ) throws -> Certificate {
        try issue(subject, .coordinator(mesh: mesh, dnsNames: dnsNames, addresses: addresses), life: Self.coordinatorLife, now: now)
    }

    package func issueOperator(_ name: OperatorName, role: OperatorRole, key subject: PublicKey, now: Timestamp) throws -> Certificate {
        try issue(subject, .operator(mesh: mesh, name, role), life: Self.operatorLife(role), now: now)
    }

    private func issue(_ subject: PublicKey, _ profile: CertificateProfile, life: Duration, now: Timestamp) throws -> Certificate {
        let end = min(now + life, root.notAfter)
        return try Certificate.issue(for: subject, profile: profile, notBefore: now + Self.backdate, notAfter: end, by: root, key: key)
    }
}
