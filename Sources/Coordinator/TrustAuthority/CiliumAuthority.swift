// SPDX-License-Identifier: Apache-2.0

package import MeshModel
package import MeshSystem
import MeshTrust

/// The one CA that every Cilium of the mesh shares. It is not ours to speak with: it only has to be the same everywhere, before Cilium is
/// installed anywhere.
package enum CiliumAuthority {
    private static let life = Duration.seconds(10 * 365 * 86_400)

    /// Certificate and key, PEM; made at the first call.
    package static func open(directory: String, files: any FileStore, now: Timestamp) throws -> (certificate: String, key: String) {
        let keyPath = directory + "/cilium-ca.key"
        let certificatePath = directory + "/cilium-ca.crt"
        do {
            if let key = try files.read(keyPath, limit: 64 << 10), let certificate = try files.read(certificatePath, limit: 64 << 10) {
                return (String(decoding: certificate, as: UTF8.self), String(decoding: key, as: UTF8.self))
            }
            let key = try PrivateKey.generate()
            let certificate = try Certificate.makeRoot(
                key: key, name: "Cilium CA", notBefore: now + .seconds(-300), notAfter: now + life)
            let keyText = try key.pem
            try files.write(Array(keyText.utf8), to: keyPath)
            try files.write(Array(certificate.pem.utf8), to: certificatePath)
            return (certificate.pem, keyText)
        } catch {
            throw AuthorityError.unreadable(path: directory, cause: error)
        }
    }
}
