// SPDX-License-Identifier: Apache-2.0

import COpenSSL

/// Unpredictable bytes from OpenSSL's generator: tokens, serial numbers, nonces.
package enum SecureRandom {
    /// `count` fresh bytes, good enough for keys.
    package static func bytes(_ count: Int) throws -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        try OpenSSL.check(RAND_bytes(&bytes, Int32(count)), "draw \(count) random bytes")
        return bytes
    }
}
