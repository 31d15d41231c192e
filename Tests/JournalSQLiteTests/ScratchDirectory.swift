// SPDX-License-Identifier: Apache-2.0

import Glibc
import MeshSystem

/// A directory of one test, gone when the test is.
final class ScratchDirectory: Sendable {
    let path: String

    init() throws {
        path = "/tmp/meshgate-test-\(try KernelEntropy().hexID())"
        try LinuxFileStore().createDirectory(path)
    }

    func file(_ name: String) -> String { "\(path)/\(name)" }

    deinit { Self.clear(path) }

    /// A link is removed, not followed.
    private static func clear(_ path: String) {
        guard unlink(path) != 0 else { return }
        for name in (try? LinuxFileStore().list(path)) ?? [] { clear("\(path)/\(name)") }
        rmdir(path)
    }
}
