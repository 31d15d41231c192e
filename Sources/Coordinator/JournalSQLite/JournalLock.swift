// SPDX-License-Identifier: Apache-2.0

import Glibc
import MeshSystem

/// Keeps a second coordinator away from the same journal: an exclusive flock(2) on a file beside it. The kernel frees it when we die.
///
/// Not on the journal itself: closing any descriptor of that file would drop the locks that SQLite holds on it.
final class JournalLock: Sendable {
    private let descriptor: Int32

    init(journal path: String) throws(JournalError) {
        let lockPath = path + ".lock"
        let file = open(lockPath, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0o600)
        guard file >= 0 else { throw .cannotOpen(path: path, said: JournalLock.words(doing: "open the lock file", on: lockPath, errno)) }
        guard JournalLock.takes(file) else {
            let number = errno
            let holder = JournalLock.holder(file)
            close(file)
            if number == EWOULDBLOCK { throw .locked(path: path, holder: holder) }
            throw .cannotOpen(path: path, said: JournalLock.words(doing: "lock", on: lockPath, number))
        }
        // The process id is only for the message that another process shows; the lock does not depend on it.
        let text = Array("\(getpid())\n".utf8)
        guard ftruncate(file, 0) == 0, pwrite(file, text, text.count, 0) == text.count else {
            let number = errno
            close(file)
            throw .cannotOpen(path: path, said: JournalLock.words(doing: "write our process id", on: lockPath, number))
        }
        descriptor = file
    }

    deinit { close(descriptor) }

    /// A coordinator that is just ending still holds it for a moment; so a short wait comes before the refusal. `errno` tells why it failed.
    private static func takes(_ file: Int32) -> Bool {
        for _ in 0..<20 {
            if flock(file, LOCK_EX | LOCK_NB) == 0 { return true }
            guard errno == EWOULDBLOCK else { return false }
            var pause = timespec(tv_sec: 0, tv_nsec: 100_000_000)
            nanosleep(&pause, nil)
        }
        errno = EWOULDBLOCK
        return false
    }

    private static func holder(_ file: Int32) -> Int32? {
        var buffer = [UInt8](repeating: 0, count: 16)
        let count = pread(file, &buffer, buffer.count, 0)
        return count > 0 ? Int32(String(decoding: buffer.prefix(count).prefix { $0 > 0x20 }, as: UTF8.self)) : nil
    }

    static func words(doing: String, on path: String, _ number: Int32) -> String {
        SystemError.failed(doing: doing, on: path, errno: number).description
    }
}
