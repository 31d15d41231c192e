// SPDX-License-Identifier: Apache-2.0

import COpenSSL
package import MeshModel

/// Adds up a SHA-256 piece by piece. A value: a copy goes its own way from where it was copied.
package struct SHA256Hasher: Sendable {
    private var state = SHA256_CTX()

    /// Nothing added yet.
    package init() { SHA256_Init(&state) }

    /// Adds bytes without copying them; for large areas of a disk.
    package mutating func update(_ bytes: UnsafeRawBufferPointer) {
        guard let base = bytes.baseAddress else { return }
        SHA256_Update(&state, base, bytes.count)
    }

    /// Adds bytes.
    package mutating func update(_ bytes: some Sequence<UInt8>) {
        let seen: Void? = bytes.withContiguousStorageIfAvailable { update(UnsafeRawBufferPointer($0)) }
        if seen == nil { Array(bytes).withUnsafeBytes { update($0) } }
    }

    /// The digest of everything so far; the hasher itself goes on.
    package func finish() -> Digest {
        var copy = state
        var output = [UInt8](repeating: 0, count: Int(SHA256_DIGEST_LENGTH))
        SHA256_Final(&output, &copy)
        guard let digest = Digest(output) else { preconditionFailure("a SHA-256 has 32 bytes") }
        return digest
    }
}

extension Digest {
    /// The SHA-256 of `bytes`.
    package static func sha256(_ bytes: some Sequence<UInt8>) -> Digest {
        var hasher = SHA256Hasher()
        hasher.update(bytes)
        return hasher.finish()
    }
}

/// The real `Digester`, for handing to pure rooms.
package let sha256: Digester = { Digest.sha256($0) }
