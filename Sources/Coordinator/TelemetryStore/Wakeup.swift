// SPDX-License-Identifier: Apache-2.0

internal import CLinux
import Glibc
import MeshSystem

/// Wakes one thread from any other.
final class Wakeup: Sendable {
    private let descriptor: Int32

    init() throws {
        descriptor = meshgate_wakeup()
        guard descriptor >= 0 else { throw SystemError.failed(doing: "make a wakeup", on: "eventfd(2)", errno: -descriptor) }
    }

    deinit { close(descriptor) }

    func wake() { meshgate_wake(descriptor) }

    /// Until somebody wakes, which is true, or the time is over.
    @discardableResult
    func wait(milliseconds: Int32) -> Bool {
        var waiting = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        guard poll(&waiting, 1, milliseconds) > 0 else { return false }
        var count: UInt64 = 0
        _ = read(descriptor, &count, 8)
        return true
    }
}
