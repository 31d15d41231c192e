// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import Synchronization

/// Lets only so many wipes run at once; the others wait in line on their own threads. Those that run end at a stop, so the line moves then too.
final class WipeTurns: Sendable {
    private let free: Mutex<Int>
    init(_ count: Int) { free = Mutex(count) }

    func take() {
        while !(free.withLock { free in
            guard free > 0 else { return false }
            free -= 1
            return true
        }) { poll(nil, 0, 50) }
    }

    func giveBack() { free.withLock { $0 += 1 } }
}
