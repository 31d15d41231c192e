// SPDX-License-Identifier: Apache-2.0

import Glibc
import Synchronization

/// Keeps a second process out of a state directory: an exclusive flock(2) on its file `lock`, held until `release` or until this value goes
/// away. The kernel frees it when we die, however we die; the file stays and only its lock counts.
package final class DirectoryLock: Sendable {
    package let path: String
    private let descriptor: Mutex<Int32?>

    /// Throws `SystemError.lockHeld` at once when somebody else has it. The directory must exist.
    package init(directory: String) throws {
        path = directory + "/lock"
        let file = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0o600)
        guard file >= 0 else { throw SystemError.failed(doing: "open the lock file", on: path, errno: errno) }
        guard flock(file, LOCK_EX | LOCK_NB) == 0 else {
            let number = errno
            let holder = Self.holder(file)
            close(file)
            if number == EWOULDBLOCK { throw SystemError.lockHeld(path: path, holder: holder) }
            throw SystemError.failed(doing: "lock", on: path, errno: number)
        }
        descriptor = Mutex(file)
        // Only for the message that another process shows; the lock does not depend on it.
        let text = Array("\(getpid())\n".utf8)
        if ftruncate(file, 0) != 0 || pwrite(file, text, text.count, 0) != text.count {
            throw SystemError.failed(doing: "write our process id", on: path, errno: errno)
        }
    }

    /// Lets others in. Harmless when done twice.
    package func release() {
        descriptor.withLock { file in
            if let open = file {
                // Closing alone would leave the lock to a child that is between fork and exec and still has a copy.
                flock(open, LOCK_UN)
                close(open)
            }
            file = nil
        }
    }

    deinit { release() }

    private static func holder(_ file: Int32) -> Int32? {
        var buffer = [UInt8](repeating: 0, count: 16)
        let count = pread(file, &buffer, buffer.count, 0)
        guard count > 0 else { return nil }
        return Int32(String(decoding: buffer.prefix(count).prefix { $0 > 0x20 }, as: UTF8.self))
    }
}
