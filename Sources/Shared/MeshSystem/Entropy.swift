// SPDX-License-Identifier: Apache-2.0

internal import CLinux
import Glibc
import MeshModel

/// Where unguessable bytes come from. The port; `KernelEntropy` is the real one.
package protocol Entropy: Sendable {
    /// Exactly `count` bytes.
    func bytes(_ count: Int) throws -> [UInt8]
}

extension Entropy {
    /// An unguessable id of `byteCount` bytes in lower-case hex; 16 bytes (32 digits) unless told otherwise.
    package func hexID(byteCount: Int = 16) throws -> String { encodeHex(try bytes(byteCount)) }
}

/// getrandom(2): waits for the kernel's pool once after boot, never afterwards.
package struct KernelEntropy: Entropy {
    package init() {}

    package func bytes(_ count: Int) throws -> [UInt8] {
        var result = [UInt8](repeating: 0, count: count)
        var filled = 0
        while filled < count {
            let got = result.withUnsafeMutableBytes { buffer in
                meshgate_getrandom(buffer.baseAddress.map { $0 + filled }, count - filled)
            }
            if got > 0 {
                filled += got
            } else if got != -Int(EINTR) {
                throw SystemError.failed(doing: "read random bytes", on: "getrandom(2)", errno: Int32(-got))
            }
        }
        return result
    }
}
