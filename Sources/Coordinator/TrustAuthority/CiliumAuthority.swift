// SPDX-License-Identifier: Apache-2.0

package import MeshModel
package import MeshSystem
import MeshTrust
import Synchronization

/// The one CA that every Cilium of the mesh shares. It is not ours to speak with: it only has to be the same everywhere, before Cilium is
/// installed anywhere.
package enum CiliumAuthority {
    private static let life = Duration.seconds(10 * 365 * 86_400)
    /// Steps and looks ask at the same time: nobody may see half of a pair, and no two may be made.
    private static let turn = Mutex(())

    /// Certificate and key, PEM; made at the first call.
    package static func open(directory: String, files: any FileStore, now: Timestamp) throws -> (certificate: String, key: String) {
        try turn.withLock { _ in try openAlone(directory: directory, files: files, now: now) }
    }

    /// The certificate; `nil` when none was made yet.
    package static func certificate(directory: String, files: any FileStore) throws -> String? {
        try turn.withLock { _ in
            do {
                return try files.read(directory + "/cilium-ca.crt", limit: 64 << 10).map { String(decoding: $0, as: UTF8.self) }
            } catch {
                throw AuthorityError.unreadable(path: directory, cause: error)
            }
        }
    }

    private static func openAlone(directory: String, files: any FileStore, now: Timestamp) throws -> (certificate: String, key: String) {
        let keyPath = directory + "/cilium-ca.key"
        let certificatePath = directory + "/cilium-ca.crt"
        do {
            let key = try files.read(keyPath, limit: 64 << 10).map { String(decoding: $0, as: UTF8.self) }
            if let certificate = try files.read(certificatePath, limit: 64 << 10).map({ String(decoding: $0, as: UTF8.self) }) {
                guard let key, try PrivateKey(pem: key).publicKey == Certificate(pem: certificate).publicKey else {
                    throw AuthorityError.damaged(path: keyPath, problem: "it is missing or does not belong to cilium-ca.crt")
                }
                return (certificate, key)
            }
            // A key without a certificate was never handed out.
            let fresh = try PrivateKey.generate()
            let certificate = try Certificate.makeRoot(
                key: fresh, name: "Cilium CA", notBefore: now + .seconds(-300), notAfter: now + life)
            let keyText = try fresh.pem
            try files.write(Array(keyText.utf8), to: keyPath)
            try files.write(Array(certificate.pem.utf8), to: certificatePath)
            return (certificate.pem, keyText)
        } catch let error as AuthorityError {
            throw error
        } catch {
            throw AuthorityError.unreadable(path: directory, cause: error)
        }
    }
}
