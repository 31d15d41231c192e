// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import Synchronization

/// Lets only so many wipes run at once; the others wait in line on their own threads. Those that run end at a stop, so the line moves then too.
final class WipeTurns: Sendable {
    private let free: Mutex<Int>
    init(_ count: Int) { free = Mutex(count) }

    /// False when `isWanted` says that nobody waits any more. It is asked every few seconds, so that whoever waits hears of it too.
    func take(isWanted: () -> Bool) -> Bool {
        var round = 0
        while true {
            let got = free.withLock { free in
                guard free > 0 else { return false }
                free -= 1
                return true
            }
            if got { return true }
            if round.isMultiple(of: Self.roundsBetweenSigns), !isWanted() { return false }
            round += 1
            poll(nil, 0, 50)
        }
    }

    private static let roundsBetweenSigns = 40

    func giveBack() { free.withLock { $0 += 1 } }
}
