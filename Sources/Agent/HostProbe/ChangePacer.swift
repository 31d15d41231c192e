// SPDX-License-Identifier: Apache-2.0

/// When to look after the kernel said that something of the network changed. Pure; times are boot milliseconds.
///
///     calm --noticed--> pending --(settled, and there is room)--> look --> calm
///                          ^________________noticed______________/
///
/// The first changes after a calm time are looked at at once. Who changes without end is looked at rarely, and told of more rarely still, but
/// what is told last is always how it ended.
struct ChangePacer: Hashable, Sendable {
    /// One act of a person is many messages: a link that goes down takes its routes along.
    static let settling: Int64 = 20

    /// Looks cost a few milliseconds each, tellings an entry in a journal that is kept for ever.
    private var looks = Bucket(burst: 8, every: 1000)
    private var tellings = Bucket(burst: 6, every: 10_000)
    private var noticedAt: Int64?

    mutating func noticed(at now: Int64) { if noticedAt == nil { noticedAt = now } }

    /// When a look is due; `nil` while nothing has changed.
    var nextLook: Int64? { noticedAt.map { max($0 + Self.settling, looks.next, tellings.next) } }

    /// A look was taken, before which nothing else was noticed; `told` when it showed something new.
    mutating func looked(at now: Int64, told: Bool) {
        noticedAt = nil
        looks.take(at: now)
        if told { tellings.take(at: now) }
    }

    /// So many at once, and after them one in every so many milliseconds.
    private struct Bucket: Hashable, Sendable {
        let burst: Int64
        let every: Int64
        /// When it will be full again.
        private var fullAt = Int64.min / 2

        init(burst: Int64, every: Int64) {
            self.burst = burst
            self.every = every
        }

        var next: Int64 { fullAt - (burst - 1) * every }

        mutating func take(at now: Int64) { fullAt = max(fullAt, now) + every }
    }
}
