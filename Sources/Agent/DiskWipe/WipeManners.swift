// SPDX-License-Identifier: Apache-2.0

internal import CLinux
internal import Glibc

/// How considerate a wipe is towards others that use the same host or storage.
package struct WipeManners: Hashable, Sendable {
    /// The kernel's disk priority of the wiping thread; it matters where the disk's scheduler knows priorities (BFQ, mq-deadline).
    package enum Priority: String, Hashable, Sendable, CaseIterable {
        case normal
        /// The lowest that still gets its share.
        case low
        /// Only when nobody else wants the disk.
        case idle
    }
    package var priority: Priority
    /// Bytes a second, written and read together; no limit when absent.
    package var rate: UInt64?
    /// Wipes at once on this host; further ones wait for their turn.
    package var atOnce: Int
    /// A larger disk is refused; no limit when absent.
    package var largestDisk: UInt64?

    package init(priority: Priority = .low, rate: UInt64? = nil, atOnce: Int = 4, largestDisk: UInt64? = nil) {
        self.priority = priority
        self.rate = rate
        self.atOnce = max(1, atOnce)
        self.largestDisk = largestDisk
    }

    /// For the calling thread. A kernel without priorities has none to give, and the wipe goes on without.
    func adoptPriority() {
        switch priority {
        case .normal: break
        case .low: _ = meshgate_disk_priority(1)
        case .idle: _ = meshgate_disk_priority(2)
        }
    }
}

/// Keeps the work of one thread under a rate by waiting after each piece.
struct Pace {
    private let rate: UInt64?
    private let began = ContinuousClock.now
    private var done: UInt64 = 0

    init(_ rate: UInt64?) { self.rate = rate.map { max(1, $0) } }

    /// At most this much in one piece, so that a slow rate stays smooth: an eighth of a second's worth, in whole MiB.
    func piece(_ wanted: UInt64) -> UInt64 {
        guard let rate else { return wanted }
        return min(wanted, max(1 << 20, rate / 8 / (1 << 20) * (1 << 20)))
    }

    /// Waits until `bytes` more are due, or until `isOver` says to stop.
    mutating func spend(_ bytes: UInt64, until isOver: () -> Bool) {
        guard let rate else { return }
        done += bytes
        let due = began + .milliseconds(Int64(clamping: done.multipliedFullWidth(by: 1000).high == 0 ? done * 1000 / rate : UInt64.max))
        while !isOver() {
            let left = (due - ContinuousClock.now).components
            let milliseconds = left.seconds * 1000 + left.attoseconds / 1_000_000_000_000_000
            guard milliseconds > 0 else { return }
            poll(nil, 0, Int32(min(milliseconds, 50)))
        }
    }
}
